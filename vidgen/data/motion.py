"""How an object moves: eight headings at constant speed, or to a border and back.

An object is a square cell of `Physics.size` pixels whose top-left corner travels through the free
canvas, the rectangle of corners that keep the cell inside. At a border it stops flush and turns
back with the next frame, as in Moving MNIST.

References:
    Srivastava et al., "Unsupervised learning of video representations using LSTMs" (2015).
    Mittal et al., "Sync-DRAW: automatic video generation using deep recurrent attentive
    architectures" (2017), Single-Digit Bouncing MNIST: the two axes.
    Hu et al., "Make it move: controllable image-to-video generation with text descriptions"
    (MAGE, 2022), Single and Double Moving MNIST: the four motions that turn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Int


@dataclasses.dataclass(frozen=True)
class Motion:
    """One way to move.

    Attributes:
        heading: (dy, dx), each -1, 0 or 1; down and right are positive.
        turns: whether the motion is only itself once it has turned at a border ("up then down").
    """

    heading: tuple[int, int]
    turns: bool = False


_UP, _DOWN, _LEFT, _RIGHT = (-1, 0), (1, 0), (0, -1), (0, 1)

MOTIONS: Mapping[str, Motion] = MappingProxyType(
    {
        "up": Motion(_UP),
        "down": Motion(_DOWN),
        "left": Motion(_LEFT),
        "right": Motion(_RIGHT),
        "up and left": Motion((-1, -1)),
        "up and right": Motion((-1, 1)),
        "down and left": Motion((1, -1)),
        "down and right": Motion((1, 1)),
        "up then down": Motion(_UP, turns=True),
        "down then up": Motion(_DOWN, turns=True),
        "left then right": Motion(_LEFT, turns=True),
        "right then left": Motion(_RIGHT, turns=True),
        "up and down": Motion(_DOWN, turns=True),
        "left and right": Motion(_RIGHT, turns=True),
    }
)
"""Every motion by the words that a caption has for it."""

FAMILIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "diagonal": tuple(name for name, motion in MOTIONS.items() if not motion.turns),
        "mage": ("up then down", "down then up", "left then right", "right then left"),
        "sync-draw": ("up and down", "left and right"),
    }
)
"""The motions of each world: eight headings, Single Moving MNIST's four that turn, or the two axes
of Bouncing MNIST, which say nothing of where the motion sets out: down and right, always."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Physics:
    """The world an object moves in, which is all an oracle needs to know of a source.

    Attributes:
        height: of the canvas, pixels.
        width: of the canvas, pixels.
        size: side of the object's square cell, pixels. The ink inside may be smaller.
        speed: pixels a frame along each axis that moves.
        frames: T.
        motions: the names, in `MOTIONS`, of what may happen here.
        min_moves: whole moves along the heading that every clip shows before its first bounce,
            and, for motions that turn, at least as many afterwards.

    Raises:
        ValueError: for a motion that does not exist, or a world in which one cannot take place.
    """

    height: int
    width: int
    size: int
    speed: float | int
    frames: int
    motions: tuple[str, ...]
    min_moves: int

    def __post_init__(self) -> None:
        for name in ("height", "width", "size", "frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.speed > 0:
            raise ValueError(f"speed must be positive, got {self.speed}")
        if self.size > min(self.height, self.width):
            raise ValueError(
                f"an object of {self.size} px does not fit a canvas of "
                f"{self.height}x{self.width} px; make the object smaller or the canvas larger"
            )
        if not 1 <= self.min_moves < max(self.frames, 2):
            raise ValueError(
                f"min_moves must lie in [1, {self.frames - 1}] for {self.frames} frames, "
                f"got {self.min_moves}"
            )
        if not self.motions:
            raise ValueError("a world needs at least one motion")
        for motion in self.motions:
            if motion not in MOTIONS:
                raise ValueError(f"no motion is called {motion!r}; known: {', '.join(MOTIONS)}")
            starts(self, motion)

    @property
    def free(self) -> tuple[int, int]:
        """(height, width) of the free canvas: the largest top-left corner that fits."""
        return (self.height - self.size, self.width - self.size)


def starts(physics: Physics, motion: str) -> tuple[Int[np.ndarray, "2"], Int[np.ndarray, "2"]]:
    """The corners from which a motion can be shown.

    A start leaves room for `Physics.min_moves` whole moves before the border; a motion that turns
    also reaches the border early enough to show as many moves on the way back.

    Returns:
        The lowest and the highest (y, x) of the top-left corner, both inclusive.

    Raises:
        ValueError: if no start qualifies, with what to change.
    """
    what = MOTIONS[motion]
    room = physics.min_moves * physics.speed
    low, high = [], []
    for step, free in zip(what.heading, physics.free, strict=True):
        nearest, farthest = 0, free
        if step:
            nearest = int(np.ceil(room - 1e-6))
            if what.turns:
                # The border is met on the last of `ceil(distance / speed)` moves.
                back = (physics.frames - 1 - physics.min_moves) * physics.speed
                farthest = min(free, int(np.floor(back + 1e-6)))
            if nearest > farthest:
                raise ValueError(
                    f"{motion!r} cannot show {physics.min_moves} moves of {physics.speed:g} px "
                    f"{'before and after its turn' if what.turns else 'before a bounce'}: "
                    f"{physics.frames} frames, {free} px of free canvas; lower speed or "
                    f"min_moves, or take more frames, a larger canvas or a smaller object"
                )
        low.append(free - farthest if step > 0 else nearest)
        high.append(free - nearest if step > 0 else farthest)
    return np.array(low), np.array(high)


def trajectory(
    physics: Physics, motion: str, start: Int[np.ndarray, "N 2"]
) -> Int[np.ndarray, "N T 2"]:
    """Where the top-left corner is in every frame, bounces included.

    Args:
        physics: the world.
        motion: a name in `MOTIONS`.
        start: (y, x) of the corner in frame 0. Anything inside the free canvas, also outside
            `starts`.

    Returns:
        (y, x) in whole pixels, exactly as rendered: a fractional position is rounded half up for
        display and carried on unrounded.

    Raises:
        ValueError: if a start lies outside the free canvas.
    """
    border = np.asarray(physics.free, np.float64)[None]
    at = start.astype(np.float64)
    if (at < 0).any() or (at > border).any():
        raise ValueError(f"a start lies outside the free canvas of {physics.free} px")
    velocity = np.broadcast_to(
        physics.speed * np.asarray(MOTIONS[motion].heading, np.float64)[None], at.shape
    )
    path = [at]
    for _ in range(physics.frames - 1):
        at = at + velocity
        # Half a millionth of a pixel absorbs the rounding of fractional speeds.
        met = (at <= 5e-7) | (at >= border - 5e-7)
        at = np.clip(at, 0.0, border)
        velocity = np.where(met, -velocity, velocity)
        path.append(at)
    return np.floor(np.stack(path, axis=1) + 0.5 + 1e-9).astype(np.int64)


def paths(
    physics: Physics, motion: str, *, frames: int | None = None
) -> tuple[Int[np.ndarray, "Sy T"], Int[np.ndarray, "Sx T"]]:
    """Every path of a motion, an axis at a time: axes do not disturb each other.

    Args:
        physics: the world.
        motion: a name in `MOTIONS`.
        frames: T, by default the world's.

    Returns:
        The top of the cell in every frame from each of the `starts`, and its left side.
    """
    low, high = starts(physics, motion)
    world = physics if frames is None else dataclasses.replace(physics, frames=frames)
    axes = []
    for axis in (0, 1):
        corner = np.tile(low, (int(high[axis] - low[axis]) + 1, 1))
        corner[:, axis] = np.arange(low[axis], high[axis] + 1)
        axes.append(trajectory(world, motion, corner)[:, :, axis])
    return axes[0], axes[1]
