"""A generator's sampler settings: which class they are, and how a value of them is turned."""

from __future__ import annotations

import dataclasses
import itertools
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Union

from vidgen.registry import suggest


def sampler_class(generator: type[Any]) -> type[Any] | None:
    """The dataclass that a generator's ``sample`` takes as `sampler`, by its annotation.

    None where nothing can be turned: a baseline, or a class that does not say.
    """
    hint = typing.get_type_hints(generator.sample).get("sampler")
    is_union = typing.get_origin(hint) in (Union, types.UnionType)
    for kind in typing.get_args(hint) if is_union else (hint,):
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return kind
    return None


def turned(name: str, kind: type[Any] | None, sampler: Any, changes: dict[str, Any]) -> Any:
    """Sampler settings with some values changed.

    Args:
        name: of the generator, for messages.
        kind: its sampler class.
        sampler: settings to start from; None for the defaults.
        changes: values by field.

    Raises:
        ValueError: if this generator has nothing to turn.
        vidgen.registry.UnknownNameError: for a field that the settings do not have.
    """
    if not changes:
        return sampler
    if kind is None:
        raise ValueError(f"the generator {name!r} has no sampler settings to change")
    fields = [field.name for field in dataclasses.fields(kind)]
    for field in changes:
        if field not in fields:
            raise suggest(field, fields, f"sampler setting of {name}")
    return dataclasses.replace(kind() if sampler is None else sampler, **changes)


def grid(
    name: str, kind: type[Any] | None, sweep: Mapping[str, Sequence[Any]]
) -> dict[str, tuple[Any, ...]]:
    """A sweep whose values are of one type a setting, so that traced ones compile once.

    Args:
        name: of the generator, for messages.
        kind: its sampler class.
        sweep: values by field.

    Raises:
        ValueError: if this generator has nothing to turn.
        vidgen.registry.UnknownNameError: for a field that the settings do not have.
    """
    turned(name, kind, None, {field: values[0] for field, values in sweep.items()})
    assert kind is not None  # or `turned` would have refused
    static = {f.name for f in dataclasses.fields(kind) if f.metadata.get("static")}

    def plain(field: str, value: Any) -> Any:
        # A traced 2 and a traced 2.0 are two programs.
        whole = isinstance(value, int) and not isinstance(value, bool)
        return float(value) if whole and field not in static else value

    return {field: tuple(plain(field, v) for v in values) for field, values in sweep.items()}


def combinations(
    name: str, kind: type[Any] | None, sampler: Any, sweep: Mapping[str, Sequence[Any]]
) -> list[Any]:
    """Sampler settings for every combination of a sweep's values, in its order.

    Args:
        name: of the generator, for messages.
        kind: its sampler class.
        sampler: settings of all that the sweep leaves alone; None for the defaults.
        sweep: values by field; without any, `sampler` is the one combination.
    """
    return [
        turned(name, kind, sampler, dict(zip(sweep, values, strict=True)))
        for values in itertools.product(*sweep.values())
    ]
