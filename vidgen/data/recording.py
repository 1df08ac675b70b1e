"""A recording: what a clip is cut out of, whatever file or folder holds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from vidgen.data.errors import CorruptFileError

MOST_PIXELS = 64_000_000
"""Pixels of a frame above which it is refused before it is decoded."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What a recording is before anything is cut out of it.

    Attributes:
        frames: how many it holds.
        seconds: how long it lasts.
        height: as shown, after rotation, pixels.
        width: as shown, pixels.
        digest: SHA-256 of what it is made of, by which a copy is known; empty where it was not read
            whole.
    """

    frames: int
    seconds: float
    height: int
    width: int
    digest: bytes = b""


@dataclasses.dataclass(frozen=True)
class Shot:
    """A frame as it was recorded.

    Attributes:
        image: a `PIL.Image.Image`, upright.
        pixel_aspect: width of a pixel over its height.
    """

    image: Any
    pixel_aspect: float = 1.0


@runtime_checkable
class Recording(Protocol):
    """A file or a folder of frames.

    Attributes:
        name: its path below the source's address.
    """

    @property
    def name(self) -> str: ...

    def facts(self) -> Facts:
        """Its length and size, read without decoding where that can be done.

        Raises:
            CorruptFileError: if it is damaged, as far as can be told so.
        """
        ...

    def examine(self) -> Facts:
        """Its facts and digest, after every frame was decoded.

        Raises:
            CorruptFileError: if anything in it is damaged.
        """
        ...

    def shots(self, times: Float[np.ndarray, "T"]) -> Sequence[Shot]:
        """What is shown at each of these moments: the last frame that has begun.

        Args:
            times: seconds since the first frame, in any order; after the end, the last frame.

        Raises:
            CorruptFileError: if a frame on the way cannot be decoded.
        """
        ...


@runtime_checkable
class Recorded(Protocol):
    """A source whose clips are cut out of recordings, which `vidgen data check` reads whole.

    Attributes:
        left_out: why what lies at the address is no clip of any split, by name.
    """

    @property
    def left_out(self) -> dict[str, str]: ...

    def recordings(self) -> Iterator[tuple[str, Facts | CorruptFileError]]:
        """Each recording of the split by name, read whole: its facts, or what is wrong with it."""
        ...

    def origin(self, index: int) -> tuple[str, Facts]:
        """The recording that a clip is cut out of, by name.

        Raises:
            CorruptFileError: if it is damaged.
        """
        ...
