import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import pytest

from vidgen.comparison import records
from vidgen.types import Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outer:
    name: str = "a"
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[int, float] = (1, 2.0)
    inner: Inner = Inner()
    kind: Literal["x", "y"] = "x"
    maybe: int | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    flag: bool = False


def test_a_dataclass_survives_the_way_through_json():
    value = Outer(sizes=(3,), inner=Inner(rate=1.0), kind="y", maybe=4, options={"a": 1}, flag=True)
    assert records.decode(Outer, records.encode(value)) == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "z"}, "'z' is none of 'x', 'y'"),
        ({"sizes": "12"}, "Outer.sizes"),
        ({"inner": {"rate": "fast"}}, "Inner.rate"),
        ({"speed": 1}, "no field 'speed'"),
        ({"flag": 1}, "Outer.flag"),
        ({"pair": [1]}, "should have 2 entries"),
        ({"maybe": "four"}, "Outer.maybe"),
    ],
)
def test_data_that_do_not_fit_name_the_field(data, message):
    with pytest.raises(ValueError, match=message):
        records.decode(Outer, data)


def test_what_json_has_no_form_for_is_refused():
    with pytest.raises(TypeError, match="a object cannot be written"):
        records.encode(object())


def test_the_fingerprint_ignores_the_order_of_keys_and_sees_every_value():
    assert records.fingerprint({"a": 1, "b": 2}) == records.fingerprint({"b": 2, "a": 1})
    assert records.fingerprint({"a": [1.0]}) == records.fingerprint({"a": [1]})
    assert records.fingerprint({"a": 1}) != records.fingerprint({"a": 2})


def test_differences_are_named_by_path():
    before, after = {"a": {"b": 1}, "gone": 0}, {"a": {"b": 2}, "new": 0}
    assert records.difference(before, after) == [
        "a.b: 1 became 2",
        "gone: 0 is gone",
        "new: 0 is new",
    ]


def test_a_field_that_was_added_later_is_recorded_only_where_it_says_something():
    task = Task(frames=4, height=8, width=8, channels=1)
    assert "images" not in records.encode(task)
    assert records.encode(dataclasses.replace(task, images=2))["images"] == 2
    assert records.decode(Task, records.encode(task)) == task
    more = dataclasses.replace(task, images=2)
    assert records.decode(Task, records.encode(more)) == more
