"""How a name finds a source of clips."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from vidgen.data.source import Source
from vidgen.registry import suggest

_SOURCES = {
    "babyai": "vidgen.data.babyai",
    "camera": "vidgen.data.camera",
    "digits": "vidgen.data.digits",
    "shapes": "vidgen.data.shapes",
}


def sources() -> list[str]:
    """The names that `source` knows."""
    return sorted(_SOURCES)


def source(name: str, *, split: str = "train", **options: Any) -> Source:
    """The source of clips called `name`.

    Example:
        >>> source("digits", split="test", motion="diagonal")[17].caption  # doctest: +SKIP
        'the digit 3 is moving up and left'

    Args:
        name: one of `sources()`.
        split: one of `vidgen.data.splits.SPLITS`.
        **options: the source's own; see the function of its name in its module.

    Raises:
        UnknownNameError: for a name, split or motion that does not exist, with the near misses.
        ValueError: for an option that the source does not have, or values that do not fit.
    """
    if name not in _SOURCES:
        raise suggest(name, _SOURCES, "source of clips")
    build = getattr(importlib.import_module(_SOURCES[name]), name)
    known = set(inspect.signature(build).parameters) - {"split"}
    for option in options:
        if option not in known:
            raise ValueError(str(suggest(option, known, f"option of the source {name!r}")))
    return build(split, **options)
