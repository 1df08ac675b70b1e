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
        ValueError: for a source of recordings, which are somebody's own and serve nobody else as
            examples.
        ImportError: if the package that ships it is not installed.
        FileNotFoundError: if its version ships other pictures.
    """
    if of == CAMERA:
        if name not in camera_photographs.UNSEEN:
            raise suggest(name, camera_photographs.UNSEEN, "example photograph")
        return Example(name=name, picture=camera_photographs.shipped(name))
    if recorded(of):
        raise ValueError(f"clips of {of!r} are recordings, and no examples: give a picture file")
    beginnings = _beginnings(of, options)
    if name not in beginnings:
        raise suggest(name, beginnings, "example")
    return beginnings[name]


def examples(of: str, options: Mapping[str, Any]) -> list[Example]:
    """All that are here; arguments as of `example`. None where the source itself cannot be built,
    which drawing does not need.
    """
    found = []
    if of == CAMERA:
        for name in camera_photographs.UNSEEN:
            with contextlib.suppress(ImportError, FileNotFoundError):
                found.append(example(name, of, options))
    elif not recorded(of):
        with contextlib.suppress(ImportError, OSError, ValueError, LookupError):
            found.extend(_beginnings(of, options).values())
    return found


def _beginnings(of: str, options: Mapping[str, Any]) -> dict[str, Example]:
    clips = source(of, split="test", **options)
    first = (clips[number] for number in range(min(_CLIPS, len(clips))))
    return {
        str(number): Example(name=str(number), picture=clip.video[0], idea=clip.caption)
        for number, clip in enumerate(first)
    }
