"""What every source of clips offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from vidgen.data.motion import Physics
from vidgen.types import Clip

LARGEST = 2**30
"""Bytes of a clip above which it is refused before anything is made: no task here is near."""


def check_size(frames: int, height: int, width: int, channels: int) -> None:
    """Refuse clips that no memory holds.

    Raises:
        ValueError: with what to change.
    """
    size = frames * height * width * channels
    if size > LARGEST:
        raise ValueError(
            f"a clip of {frames} frames of {height}x{width} pixels takes {size / 2**30:,.1f} GiB, "
            f"and at most {LARGEST / 2**30:.0f} GiB is made: ask for fewer frames or a smaller size"
        )


@runtime_checkable
class Source(Protocol):
    """Captioned clips of one shape, by index.

    Attributes:
        name: as `vidgen.data.source` knows it.
        split: see `vidgen.data.splits`.
        vocabulary: every word that a caption may hold, sorted.
        max_words: the most words of a caption, a full stop included.
        fingerprint: a hash of everything that decides the clips; a run refuses another one.
        frames: T.
        height: H, pixels.
        width: W, pixels.
        channels: C, 1 or 3.
        fps: frames a second, for playing only.
        physics: how its objects move, or None where that is not known.
    """

    @property
    def name(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def vocabulary(self) -> tuple[str, ...]: ...
    @property
    def max_words(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def frames(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def fps(self) -> int: ...
    @property
    def physics(self) -> Physics | None: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Clip:
        """Clip number `index`, always the same.

        Raises:
            IndexError: outside [0, len).
        """
        ...

    def exemplars(self) -> tuple[UInt8[np.ndarray, "M S S C"], list[str]] | None:
        """The objects of this split as they are rendered, S pixels a side, and what each is.

        A judge may learn identity from those of a train split. None where there are no objects.
        """
        ...


@runtime_checkable
class Continues(Protocol):
    """A source that knows how its clips go on after their last frame."""

    def continued(self, frames: int) -> Source:
        """The same clips, longer: the first T frames of clip `i` are clip `i`.

        Raises:
            ValueError: for fewer frames than the clips have, or more than any memory holds.
        """
        ...


@runtime_checkable
class Tells(Protocol):
    """A source that knows what is said of its clips without making them."""

    def captions(self) -> Sequence[str]:
        """Of each clip, in their order."""
        ...

    def sentences(self) -> Sequence[str]:
        """Every caption of every split."""
        ...


def captions_of(source: Source, most: int) -> Sequence[str]:
    """Captions of the first clips of a source, at most `most` of them where they must be made."""
    if isinstance(source, Tells):
        return source.captions()
    return [source[index].caption for index in range(min(most, len(source)))]
