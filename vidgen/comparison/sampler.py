"""A generator's sampler settings: which class they are, and how a value of them is turned."""

from __future__ import annotations

import dataclasses
import types
import typing
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
