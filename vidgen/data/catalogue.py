"""How a name finds a source of clips."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from vidgen.data.options import read
from vidgen.data.source import Source
from vidgen.registry import suggest

_SOURCES = {
    "babyai": "vidgen.data.babyai",
    "camera": "vidgen.data.camera",
    "digits": "vidgen.data.digits",
    "shapes": "vidgen.data.shapes",
    "stories": "vidgen.data.stories",
}

_KINDS = {
    "folder": ("vidgen.data.folder", "folder:PATH"),
    "stand-in": ("vidgen.data.stand_in", "stand-in:SOURCE"),
    "tfds": ("vidgen.data.tfds", "tfds:NAME"),
}
"""Sources that are told something behind a colon: where their clips lie, or in whose place."""


def sources() -> list[str]:
    """The names that `source` knows by themselves."""
    return sorted(_SOURCES)


def kinds() -> dict[str, str]:
    """The names that `source` knows with an argument, and how they are written."""
    return {kind: written for kind, (_, written) in sorted(_KINDS.items())}


def recorded(name: str) -> bool:
    """Whether the clips of a source are recordings, which somebody has to bring."""
    return name.partition(":")[0] in ("folder", "tfds")


def builder(kind: str) -> Callable[..., Source]:
    """The function that builds the sources of a name or a kind."""
    module = _KINDS[kind][0] if kind in _KINDS else _SOURCES[kind]
    return getattr(importlib.import_module(module), kind.replace("-", "_"))


def source(name: str, *, split: str = "train", **options: Any) -> Source:
    """The source of clips called `name`.

    Example:
        >>> source("digits", split="test", motion="diagonal")[17].caption  # doctest: +SKIP
        'the digit 3 is moving up and left'

    Args:
        name: one of `sources()`, or one of `kinds()` with its argument, such as
            ``"folder:/data/clips"`` or ``"tfds:moving_mnist"``.
        split: one of `vidgen.data.splits.SPLITS`.
        **options: the source's own; see the function of its name in its module. Strings are read
            as the types that it declares.

    Raises:
        UnknownNameError: for a name, split or motion that does not exist, with the near misses.
        ValueError: for an option that the source does not have, and for values that do not fit or
            are of another type than it declares.
    """
    kind, colon, argument = name.partition(":")
    if kind not in (_KINDS if colon else _SOURCES):
        if kind in _KINDS:
            raise ValueError(f"{kind!r} must be told where: {_KINDS[kind][1]}")
        if kind in _SOURCES:
            raise ValueError(f"{kind!r} takes nothing behind a colon, got {name!r}")
        raise suggest(kind, [*_SOURCES, *_KINDS], "source of clips")
    if colon and not argument:
        raise ValueError(f"{name!r} must be told where: {_KINDS[kind][1]}")
    build = builder(kind)
    return build(split, *([argument] if colon else []), **read(build, kind, options))
