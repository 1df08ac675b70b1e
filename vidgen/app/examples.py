"""Pictures to begin with that no model of the zoo learned from, for whoever brings none."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vidgen.data import camera_photographs, source
from vidgen.data.catalogue import recorded
from vidgen.registry import suggest

PREFIX = "example:"
"""Before the name of one, in place of a path."""

CAMERA = "camera"
"""The source whose models move any photograph, and whose examples are photographs."""

_CLIPS = 6
"""Of the test part of another source, whose first frames are examples."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """A picture to begin with.

    Attributes:
        name: after `PREFIX`.
        picture: a file, or uint8 [H W C].
        idea: what the clip that it comes from shows; empty for a photograph, which may be moved in
            any way.
    """

    name: str
    picture: Path | UInt8[np.ndarray, "H W C"]
    idea: str = ""


def example(name: str, of: str, options: Mapping[str, Any]) -> Example:
    """One by its name: a photograph that no training showed, for `CAMERA`; for another source the
    number of a clip of its test part, whose first frame it is.

    Args:
        name: after `PREFIX`.
        of: the source that the models learned from.
        options: its options.

    Raises:
        vidgen.registry.UnknownNameError: for one that does not exist.
        ImportError: if the package that ships it is not installed.
        FileNotFoundError: if its version ships other pictures.
    """
    if name not in names(of):
        raise suggest(name, names(of), "example photograph" if of == CAMERA else "example")
    if of == CAMERA:
        return Example(name=name, picture=camera_photographs.shipped(name))
    clip = source(of, split="test", **options)[int(name)]
    return Example(name=name, picture=clip.video[0], idea=clip.caption)


def examples(of: str, options: Mapping[str, Any]) -> list[Example]:
    """All that are installed; arguments as of `example`."""
    found = []
    for name in names(of):
        with contextlib.suppress(ImportError, FileNotFoundError):
            found.append(example(name, of, options))
    return found


def names(of: str) -> tuple[str, ...]:
    """What examples for a source's models are called; recordings are somebody's own, and none are
    shown.
    """
    if of == CAMERA:
        return camera_photographs.UNSEEN
    return () if recorded(of) else tuple(map(str, range(_CLIPS)))
