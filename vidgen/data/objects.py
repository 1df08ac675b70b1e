"""One object that moves over a black canvas: what `digits` and `shapes` have in common."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import operator
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, UInt8

from vidgen.data.motion import FAMILIES, Physics, starts, trajectory
from vidgen.data.splits import Split
from vidgen.registry import suggest
from vidgen.text import words
from vidgen.types import Clip, Truth

INK = 26
"""A pixel with a channel this bright, a tenth of full, belongs to the object."""

_RENDERING = 1
"""Part of the fingerprint: to be raised whenever the same options give other clips."""

_WORD = 2**64 - 1


def world(
    motion: str,
    *,
    size: int | tuple[int, int] | None = None,
    frames: int | None = None,
    speed: float | int | None = None,
    object_size: int | None = None,
    min_moves: int | None = None,
) -> Physics:
    """The physics of a family of motions, with defaults for whatever is None.

    ================  ====================================  ==================================
    option            diagonal                              mage
    ================  ====================================  ==================================
    size              32                                    64
    frames            8                                     20
    object_size       7/16 of the canvas: 14                7/16 of the canvas: 28
    speed             a ninth of the free canvas, rounded   a tenth of the free canvas: 3.6
                      to whole pixels: 2
    min_moves         3                                     2
    ================  ====================================  ==================================

    Args:
        motion: "diagonal" (eight headings) or "mage" (four motions that turn).
        size: of the canvas in pixels, a side or (height, width).
        frames: T.
        speed: pixels a frame along each moving axis; fractions are fine.
        object_size: side of the object's cell, pixels.
        min_moves: see `Physics`; by default fewer where the frames do not allow it.

    Raises:
        UnknownNameError: for another family.
        ValueError: if the motions do not fit, with what to change.
    """
    if motion not in FAMILIES:
        raise suggest(motion, FAMILIES, "motion")
    diagonal = motion == "diagonal"
    size = size if size is not None else (32 if diagonal else 64)
    height, width = (size, size) if isinstance(size, int) else size
    frames = frames if frames is not None else (8 if diagonal else 20)
    if object_size is None:
        object_size = max(1, round(7 / 16 * min(height, width)))
    free = max(0, min(height, width) - object_size)
    if speed is None:
        speed = max(1.0, round(free / 9)) if diagonal else max(free, 1) / 10
    if min_moves is None:
        # What turns needs its moves twice, and one to spare for starts in whole pixels.
        min_moves = max(1, min(3, frames - 1) if diagonal else min(2, (frames - 2) // 2))
    return Physics(
        height=height,
        width=width,
        size=object_size,
        speed=float(speed),
        frames=frames,
        motions=FAMILIES[motion],
        min_moves=min_moves,
    )


@dataclasses.dataclass(frozen=True)
class Sprites:
    """The objects of one split, as rendered.

    Attributes:
        images: uint8 [M S S C] on black.
        identities: what each of the M is.
        names: the distinct identities of the whole source, in the order of their rank.
    """

    images: UInt8[np.ndarray, "M S S C"]
    identities: Sequence[str]
    names: Sequence[str]


class MovingObjects:
    """A virtual source: clip `i` is drawn from a hash of the source and `i`, and never stored.

    A clip has one sprite, drawn uniformly, one motion of those its split allows, and a start drawn
    uniformly from `motion.starts`. ``truth.boxes`` are the tight boxes of the visible ink (half
    open: bottom and right lie just outside it), ``truth.masks`` the ink itself; ink is a pixel with
    a channel of at least `INK`.

    Args:
        name: of the source.
        split: what it draws from.
        physics: how objects move.
        sprites: what moves.
        caption: (identity, motion) to sentence.
        rank: of an identity, for the compositional splits; neighbours in rank must alternate.
        clips: the length of the source; by default 65,536 for training and 4,096 for the rest.
        fps: frames a second, for playing only.
        seed: another seed is another sequence of clips of the same objects.

    Raises:
        ValueError: if `clips` or `fps` is below 1.
    """

    def __init__(
        self,
        name: str,
        split: Split,
        physics: Physics,
        sprites: Sprites,
        *,
        caption: Callable[[str, str], str],
        rank: Callable[[str], int],
        clips: int | None = None,
        fps: int = 8,
        seed: int = 0,
    ) -> None:
        if clips is None:
            clips = 65_536 if split.part == "train" else 4_096
        if clips < 1 or fps < 1:
            raise ValueError(f"clips and fps must be at least 1, got {clips} and {fps}")
        self.name, self.split, self.physics, self.fps = name, split.name, physics, fps
        self.frames, self.height, self.width = physics.frames, physics.height, physics.width
        self.channels: int = sprites.images.shape[-1]
        self._sprites, self._clips, self._seed = sprites, clips, seed
        self._captions = {(i, m): caption(i, m) for i in sprites.names for m in physics.motions}
        self._motions = {i: split.motions(rank(i), physics.motions) for i in sprites.names}
        self._ink = _ink_boxes(sprites.images)
        self._routes = {motion: _Routes(physics, motion) for motion in physics.motions}
        salt = hashlib.sha256(f"{name}/{split.name}/{seed}".encode()).digest()
        self._salt = int.from_bytes(salt[:8], "little")

    @functools.cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word of the grammar and the full stop, sorted."""
        spoken = {word for caption in self._captions.values() for word in words(caption)}
        return tuple(sorted(spoken | {"."}))

    @functools.cached_property
    def max_words(self) -> int:
        """The most words of a caption, a full stop included."""
        return max(
            len([word for word in words(caption) if word != "."]) + 1
            for caption in self._captions.values()
        )

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of options, captions and pixels of the objects."""
        options = [
            _RENDERING,
            self.name,
            self.split,
            dataclasses.asdict(self.physics),
            [self._clips, self.fps, self._seed],
            sorted(self._captions.values()),
            self._sprites.images.shape,
            list(self._sprites.identities),
        ]
        digest = hashlib.sha256(json.dumps(options).encode())
        digest.update(self._sprites.images.tobytes())
        return digest.hexdigest()

    def exemplars(self) -> tuple[UInt8[np.ndarray, "M S S C"], list[str]]:
        """The split's objects in their cells, and what each is."""
        return self._sprites.images, list(self._sprites.identities)

    def pairs(self) -> set[tuple[str, str]]:
        """Every (identity, motion) that a clip of this split may show."""
        return {(identity, motion) for identity, ms in self._motions.items() for motion in ms}

    def __len__(self) -> int:
        return self._clips

    def __getitem__(self, index: int) -> Clip:
        """Clip number `index`.

        Raises:
            IndexError: outside [0, len).
        """
        index = operator.index(index)
        if not 0 <= index < self._clips:
            raise IndexError(f"clip {index} of {self._clips}")
        draw = _Draws(self._salt, index)
        row = draw.below(len(self._sprites.identities))
        identity = self._sprites.identities[row]
        allowed = self._motions[identity]
        motion = allowed[draw.below(len(allowed))]
        ys, xs = self._routes[motion].draw(draw)
        video = self._render(row, ys, xs)
        corners = np.array([ys, xs, ys, xs], np.float32).T
        truth = Truth(
            identity=(identity,),
            motion=(motion,),
            boxes=(corners + self._ink[row][None])[:, None],
            masks=(video[..., 0] if video.shape[-1] == 1 else video.max(axis=-1)) >= INK,
        )
        return Clip(video=video, caption=self._captions[identity, motion], truth=truth)

    def _render(self, row: int, ys: list[int], xs: list[int]) -> UInt8[np.ndarray, "T H W C"]:
        sprite, size = self._sprites.images[row], self.physics.size
        video = np.zeros((self.frames, self.height, self.width, self.channels), np.uint8)
        for frame, y, x in zip(video, ys, xs, strict=True):
            frame[y : y + size, x : x + size] = sprite
        return video


class _Routes:
    """Every path of a motion, an axis at a time: axes do not disturb each other."""

    def __init__(self, physics: Physics, motion: str) -> None:
        self._low, high = (bound.tolist() for bound in starts(physics, motion))
        self._count = [high - low + 1 for low, high in zip(self._low, high, strict=True)]
        self._paths: list[list[list[int]]] = []
        for axis in (0, 1):
            corners = np.array([self._low] * self._count[axis])
            corners[:, axis] += np.arange(self._count[axis])
            self._paths.append(trajectory(physics, motion, corners)[..., axis].tolist())

    def draw(self, draws: _Draws) -> tuple[list[int], list[int]]:
        """The rows and columns of the corner, T each, from a uniform start."""
        y, x = (paths[draws.below(n)] for paths, n in zip(self._paths, self._count, strict=True))
        return y, x


class _Draws:
    """SplitMix64: a generator that costs a microsecond to seed, where numpy's costs twenty.

    References: Steele, Lea & Flood, "Fast splittable pseudorandom number generators" (2014).
    """

    def __init__(self, salt: int, index: int) -> None:
        self._state = _mix(salt + index * 0x9E3779B97F4A7C15)

    def below(self, count: int) -> int:
        """A uniform integer in [0, count)."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _WORD
        return _mix(self._state) * count >> 64


def _mix(word: int) -> int:
    word &= _WORD
    word = ((word ^ word >> 30) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ word >> 27) * 0x94D049BB133111EB) & _WORD
    return word ^ word >> 31


def _ink_boxes(images: UInt8[np.ndarray, "M S S C"]) -> Float[np.ndarray, "M 4"]:
    """(top, left, bottom, right) of the ink in each cell."""
    ink = images.max(axis=-1) >= INK
    rows, columns = ink.any(axis=2), ink.any(axis=1)
    if not rows.any(axis=1).all():
        raise ValueError("an object has no ink: one of its pixels must reach a tenth of full")
    size = images.shape[1]
    low = [line.argmax(axis=1) for line in (rows, columns)]
    high = [size - line[:, ::-1].argmax(axis=1) for line in (rows, columns)]
    return np.stack(low + high, axis=1).astype(np.float32)
