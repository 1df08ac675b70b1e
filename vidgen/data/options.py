"""Options of a source, read by the types that its function declares.

Options come from Python, from the JSON of a run folder and from a command line, where everything is
a string. Whatever they come from, a source is given what it declares or is not built at all.
"""

from __future__ import annotations

import inspect
import math
import numbers
import os
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vidgen.registry import suggest

_PAIR = tuple[int, int]
_WORDS = Sequence[str]

_WANTED: Mapping[Any, str] = types.MappingProxyType(
    {
        int: "a whole number",
        float: "a finite number",
        _PAIR: "two of them, height and width, such as 48,64",
        bool: "true or false",
        str: "a word",
        os.PathLike[str]: "a path",
        _WORDS: "several with commas between them",
        types.NoneType: "none",
    }
)
"""What is said of each type that an option may have."""


class _Unfit(Exception):  # noqa: N818  # never leaves this module
    """A value that is not of a type, nor can be read as such."""


def read(build: Callable[..., Any], kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as the keyword arguments of a source's function.

    Strings are read as what is declared: ``"3"``, ``"0.5"``, ``"48,64"`` or ``"48x64"``,
    ``"true"``, ``"none"``. A number of whole value is a whole number, and lists are taken for
    tuples.

    Args:
        build: the function, whose options are its keyword-only parameters.
        kind: the source's name, for messages.
        options: as they were given.

    Raises:
        ValueError: for an option that the source does not have, with the near misses, and for a
            value of another type than it declares.
    """
    parameters = inspect.signature(build).parameters.values()
    known = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    hints = typing.get_type_hints(build)
    found = {}
    for name, value in options.items():
        if name not in known:
            raise ValueError(str(suggest(name, known, f"option of the source {kind!r}")))
        declared = _members(hints[name])
        for member in declared:
            try:
                found[name] = _READERS[member](value)
                break
            except _Unfit:
                continue
        else:
            # `float | int` is one kind of number to whoever reads this.
            said = [_WANTED[m] for m in declared if not (m is int and float in declared)]
            raise ValueError(
                f"the option {name!r} of the source {kind!r} is {' or '.join(said)}, got {value!r}"
            )
    return found


def _members(hint: Any) -> list[Any]:
    """The types of a union, in the order in which values are read: words last of all."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    declared = set(typing.get_args(hint) if union else [hint])
    return [member for member in _READERS if member in declared]


def _none(value: Any) -> None:
    if value is not None and not (isinstance(value, str) and value.lower() == "none"):
        raise _Unfit


def _truth(value: Any) -> bool:
    said = {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(said, bool):
        raise _Unfit
    return said


def _whole(value: Any) -> int:
    number = _number(value)
    if number != int(number):
        raise _Unfit
    return int(number)


def _number(value: Any) -> int | float:
    if isinstance(value, str):
        try:
            # Digits alone, since a float would round a long one.
            return int(value) if re.fullmatch(r"[+-]?\d+", value.strip()) else _finite(float(value))
        except ValueError as error:
            raise _Unfit from error
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise _Unfit
    return int(value) if isinstance(value, numbers.Integral) else _finite(float(value))


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise _Unfit
    return value


def _pair(value: Any) -> tuple[int, int]:
    parts = re.split(r"[,x]", value) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or len(parts) != 2:
        raise _Unfit
    return _whole(parts[0]), _whole(parts[1])


def _path(value: Any) -> Any:
    if not isinstance(value, os.PathLike):
        raise _Unfit
    return value


def _several(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise _Unfit
    return tuple(value)


def _word(value: Any) -> str:
    # A folder may be called 7, which is a number wherever its type was guessed.
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _Unfit
    return str(value)


_READERS: Mapping[Any, Callable[[Any], Any]] = types.MappingProxyType(
    {
        types.NoneType: _none,
        bool: _truth,
        int: _whole,
        float: _number,
        _PAIR: _pair,
        os.PathLike[str]: _path,
        _WORDS: _several,
        str: _word,
    }
)
"""How a value is read as each type, in this order."""
