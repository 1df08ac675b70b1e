"""Clips in the place of those of a data set that need not be here, to see that all else runs."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from vidgen.data.objects import MovingObjects
from vidgen.data.shapes import shapes
from vidgen.types import Clip


def stand_in(
    split: str = "train",
    name: str = "",
    *,
    frames: int = 16,
    size: int | tuple[int, int] = 64,
    channels: int = 3,
    words: int = 12,
    clips: int | None = None,
    fps: int = 8,
) -> StandIn:
    """Moving shapes in the place of recordings (`stand-in:SOURCE`): what `--smoke` takes.

    They have the shape of the recordings' clips and, as recordings, no known truth. Whatever is
    learned from them says nothing of the data set, and every file that records their source says
    what they are.

    Args:
        split: see `vidgen.data.splits`.
        name: of the source that they stand in for, such as ``tfds:bair_robot_pushing_small``.
        frames: T.
        size: of the clip, a side or (height, width).
        channels: 3, or 1 for grey.
        words: of a caption, a full stop included; longer ones are cut, and 1 leaves none.
        clips: length of the source; by default 65,536 for training and 4,096 for the rest.
        fps: frames a second, for playing only.

    Raises:
        ValueError: for a number out of range.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (RGB), got {channels}")
    if words < 1:
        raise ValueError(f"words must be at least 1, got {words}")
    return StandIn(
        f"stand-in:{name}",
        shapes(split, size=size, frames=frames, clips=clips, fps=fps),
        channels=channels,
        words=words,
    )


class StandIn:
    """Another source's clips, of which nothing is known but how they look and, maybe, a caption.

    Args:
        name: as `vidgen.data.source` knows it.
        clips: RGB.
        channels: C, 1 or 3.
        words: the most words of a caption, a full stop included.
    """

    physics = None

    def __init__(self, name: str, clips: MovingObjects, *, channels: int, words: int) -> None:
        self.name, self.split, self.fps = name, clips.split, clips.fps
        self.frames, self.height, self.width = clips.frames, clips.height, clips.width
        self.channels = channels
        self.vocabulary: tuple[str, ...] = clips.vocabulary
        self.max_words: int = min(words, clips.max_words)
        self._clips, self._words = clips, words

    @property
    def fingerprint(self) -> str:
        """A hash of what the clips are and of what they stand in for."""
        what = [self.name, self._clips.fingerprint, self.channels, self._words]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()

    def exemplars(self) -> None:
        """None: what is in a recording is not known."""

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, index: int) -> Clip:
        """Clip number `index`.

        Raises:
            IndexError: outside [0, len).
        """
        clip = self._clips[index]
        video = clip.video
        if self.channels == 1:
            video = np.rint(video.mean(axis=-1, keepdims=True)).astype(np.uint8)
        return Clip(video=video, caption=" ".join(clip.caption.split()[: self._words - 1]))
