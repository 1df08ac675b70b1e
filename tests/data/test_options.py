"""Options as they come from Python, from JSON and from a command line."""

import json

import numpy as np
import pytest

from vidgen.data import source, sources
from vidgen.data.catalogue import builder, kinds
from vidgen.data.options import read


@pytest.mark.parametrize(
    ("kind", "given", "found"),
    [
        ("digits", {"frames": "9", "speed": "1.5"}, {"frames": 9, "speed": 1.5}),
        ("digits", {"frames": 9, "speed": 2}, {"frames": 9, "speed": 2}),
        ("digits", {"frames": np.int64(9)}, {"frames": 9}),
        ("digits", {"clips": "1e4", "seed": "-3"}, {"clips": 10_000, "seed": -3}),
        ("digits", {"seed": str(2**60 + 1)}, {"seed": 2**60 + 1}),
        ("digits", {"size": "24,40"}, {"size": (24, 40)}),
        ("digits", {"size": "24x40"}, {"size": (24, 40)}),
        ("digits", {"size": [24, 40]}, {"size": (24, 40)}),
        ("digits", {"size": "24"}, {"size": 24}),
        ("digits", {"clips": "none", "size": None}, {"clips": None, "size": None}),
        ("digits", {"handwriting": "007"}, {"handwriting": "007"}),
        ("digits", {"handwriting": 7}, {"handwriting": "7"}),
        ("shapes", {"sizes": "TRUE"}, {"sizes": True}),
        ("shapes", {"sizes": False}, {"sizes": False}),
        ("babyai", {"levels": "a,b"}, {"levels": "a,b"}),
        ("babyai", {"levels": ["a", "b"]}, {"levels": ("a", "b")}),
        ("tfds", {"caption": "", "view": "None"}, {"caption": "", "view": None}),
    ],
)
def test_values_are_read_as_what_is_declared(kind, given, found):
    made = read(builder(kind), kind, given)
    assert made == found
    assert {name: type(value) for name, value in made.items()} == {
        name: type(value) for name, value in found.items()
    }


@pytest.mark.parametrize(
    ("kind", "option", "value", "message"),
    [
        ("digits", "frames", 2.5, "is none or a whole number, got 2.5"),
        ("digits", "frames", True, "a whole number, got True"),
        ("digits", "fps", "nan", "a whole number, got 'nan'"),
        ("digits", "fps", None, "a whole number, got None"),
        ("digits", "speed", float("inf"), "is none or a finite number, got inf"),
        ("digits", "speed", "nan", "a finite number, got 'nan'"),
        ("digits", "speed", "fast", "a finite number, got 'fast'"),
        ("digits", "size", "abc", "a whole number or two of them, height and width"),
        ("digits", "size", "1,2,3", "such as 48,64, got '1,2,3'"),
        ("digits", "size", (32, 4.5), "a whole number or two of them"),
        ("digits", "motion", 1.5, "is a word, got 1.5"),
        ("digits", "motion", None, "is a word, got None"),
        ("shapes", "sizes", "maybe", "true or false, got 'maybe'"),
        ("shapes", "sizes", 1, "true or false, got 1"),
        ("babyai", "levels", [1, 2], "several with commas between them or a word"),
        ("folder", "frame_rate", "nan", "a finite number"),
    ],
)
def test_what_cannot_be_read_says_what_is_wanted(kind, option, value, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(builder(kind), kind, {option: value})
    assert f"the option {option!r} of the source {kind!r}" in str(caught.value)


@pytest.mark.parametrize("kind", [*sources(), *kinds()])
def test_every_declared_type_can_be_read(kind):
    """A new type in a signature needs a reader, or its option could never be given."""
    import inspect

    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(builder(kind)).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert read(builder(kind), kind, defaults) == defaults


def test_strings_give_the_same_clips_as_values():
    told = source("shapes", size="16x24", frames="4", sizes="true", clips="5", speed="1")
    meant = source("shapes", size=(16, 24), frames=4, sizes=True, clips=5, speed=1)
    listed = source(
        "shapes", **json.loads('{"size": [16, 24]}'), frames=4, sizes=True, clips=5, speed=1
    )
    assert told.fingerprint == meant.fingerprint == listed.fingerprint


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("digits", {"size": 100_000}),
        ("shapes", {"size": 64, "frames": 1_000_000}),
        ("camera", {"frames": 1_000_000}),
        ("babyai", {"tile": 10_000}),
        ("folder:{}", {"frames": 1_000_000}),
        ("folder:{}", {"size": (100_000, 100_000)}),
    ],
)
def test_clips_beyond_any_memory_are_refused_before_anything_is_made(name, options, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match=r"GiB is made: ask for fewer frames or a smaller size"):
        source(name.format(tmp_path), **options)
