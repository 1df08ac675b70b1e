"""Frozen dataclasses to JSON and back, their hashes and their differences.

A run folder must say what was run in a form that outlives the code that ran it: plain JSON with
the names of the fields. Reading goes by the types of the fields, so nothing is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union

Json = Any
"""What `json.dumps` takes: None, bool, int, float, str, lists, and dicts with string keys."""


def encode(value: Any) -> Json:
    """A dataclass, or a container of them, as JSON; see `types.ADDED_LATER` for what is left out.

    Raises:
        TypeError: for a value that JSON has no form for, naming its type.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, enum.Enum):
        return value.name
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: encode(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not ("added_later" in field.metadata and getattr(value, field.name) == field.default)
        }
    if isinstance(value, Mapping):
        return {str(key): encode(inner) for key, inner in value.items()}
    if isinstance(value, Sequence | set | frozenset):
        return [encode(inner) for inner in value]
    raise TypeError(
        f"a {type(value).__name__} cannot be written to a run folder; configurations hold numbers, "
        "strings, tuples, mappings and dataclasses"
    )


def decode(kind: Any, data: Json) -> Any:
    """The inverse of `encode`, guided by the type that is wanted.

    Args:
        kind: a dataclass or an annotation.
        data: what `encode` gave.

    Raises:
        ValueError: if the data does not fit the type; the message names the field.
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or isinstance(kind, typing.TypeVar):
        return data
    if origin is typing.Annotated:
        return decode(inner[0], data)
    if origin in (Union, types.UnionType):
        return _decode_union(inner, data)
    if origin is Literal:
        if data not in inner:
            raise ValueError(f"{data!r} is none of {', '.join(map(repr, inner))}")
        return data
    if kind in (None, type(None)):
        if data is not None:
            raise ValueError(f"{data!r} is not None")
        return None
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, data)
    return _decode_plain(kind, origin or kind, inner, data)


def fingerprint(data: Json) -> str:
    """A hash of JSON that depends neither on the order of keys nor on how 6.0 is written."""
    text = json.dumps(_plain(data), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def same(one: Json, other: Json) -> bool:
    """Whether two values say the same, however their keys are ordered and 6.0 is written."""
    return fingerprint(one) == fingerprint(other)


def difference(before: Json, after: Json, *, path: str = "") -> list[str]:
    """Where two JSON values differ, a line each: ``budget: '150s' became '60s'``."""
    if isinstance(before, dict) and isinstance(after, dict):
        lines = []
        for key in [*before, *(k for k in after if k not in before)]:
            where = f"{path}.{key}" if path else key
            if key not in after:
                lines.append(f"{where}: {before[key]!r} is gone")
            elif key not in before:
                lines.append(f"{where}: {after[key]!r} is new")
            else:
                lines += difference(before[key], after[key], path=where)
        return lines
    return [] if before == after else [f"{path}: {before!r} became {after!r}"]


def _plain(data: Json) -> Json:
    if isinstance(data, dict):
        return {key: _plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_plain(value) for value in data]
    return int(data) if isinstance(data, float) and data.is_integer() else data


def _decode_union(kinds: tuple[Any, ...], data: Json) -> Any:
    if data is None and type(None) in kinds:
        return None
    problems = []
    for kind in kinds:
        try:
            return decode(kind, data)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError("; ".join(problems))


def _decode_dataclass(kind: Any, data: Json) -> Any:
    if not isinstance(data, dict):
        raise ValueError(f"{data!r} is no {kind.__name__}")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(data) - {f.name for f in dataclasses.fields(kind)})
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {unknown[0]!r} in this version of vidgen")
    values = {}
    for name, value in data.items():
        try:
            values[name] = decode(hints[name], value)
        except ValueError as error:
            raise ValueError(f"{kind.__name__}.{name}: {error}") from error
    return kind(**values)


def _decode_plain(kind: Any, base: Any, inner: tuple[Any, ...], data: Json) -> Any:
    if base is tuple:
        if not isinstance(data, list):
            raise ValueError(f"{data!r} is no list")
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(decode(inner[0], value) for value in data)
        if inner and len(inner) != len(data):
            raise ValueError(f"{data!r} should have {len(inner)} entries")
        return tuple(decode(k, v) for k, v in zip(inner or (Any,) * len(data), data, strict=True))
    if isinstance(base, type) and issubclass(base, Mapping):
        if not isinstance(data, dict):
            raise ValueError(f"{data!r} is no mapping")
        return {key: decode(inner[1] if inner else Any, value) for key, value in data.items()}
    if isinstance(base, type) and issubclass(base, enum.Enum):
        return base[data]
    if isinstance(base, type) and issubclass(base, Sequence) and base is not str:
        return tuple(decode(inner[0] if inner else Any, value) for value in data)
    if base is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if isinstance(base, type) and type(data) is base:
        return data
    raise ValueError(f"{data!r} is no {getattr(kind, '__name__', kind)}")
