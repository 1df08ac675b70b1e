"""What a camera can do before a picture, in words and in affine maps.

A move is named for the camera: as it pans to the left, the picture slides to the right; as it rolls
clockwise, the picture turns the other way. Coordinates are continuous, x to the right and y
downwards, with (0, 0) at the upper left corner, so that the first pixel's centre is (0.5, 0.5).
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import numpy as np
from jaxtyping import Float

Axis = Literal["x", "y", "zoom", "roll"]

AXES: tuple[Axis, ...] = ("x", "y", "zoom", "roll")

RATES: Mapping[Axis, float] = MappingProxyType(
    {"x": 0.16, "y": 0.16, "zoom": 0.16, "roll": math.radians(16.0)}
)
"""A move's rate a second at medium speed: widths and heights of the frame, natural logarithm of the
magnification, and radians clockwise."""

SPEEDS: Mapping[str, float] = MappingProxyType({"slow": 0.5, "medium": 1.0, "fast": 2.0})
"""Each speed as a multiple of the medium one. A class reaches half of the way (an octave is the
whole) to its neighbours; see `JITTER`."""

JITTER = 0.2
"""Octaves by which the rate of a clip may differ from its class, either way."""


@dataclasses.dataclass(frozen=True)
class Move:
    """One thing that a camera does.

    Attributes:
        axis: along which, see `AXES`; None for holding still.
        sign: the direction along the axis.
        phrases: how it is said, each as (imperative, third person, rest of the phrase).
    """

    axis: Axis | None
    sign: int
    phrases: tuple[tuple[str, str, str], ...]


def _phrases(*phrases: str) -> tuple[tuple[str, str, str], ...]:
    parts = (phrase.partition(" ") for phrase in phrases)
    return tuple((verb, f"{verb}s", rest) for verb, _, rest in parts)


MOVES: Mapping[str, Move] = MappingProxyType(
    {
        "pan left": Move("x", -1, _phrases("pan left", "pan to the left", "move left")),
        "pan right": Move("x", 1, _phrases("pan right", "pan to the right", "move right")),
        "tilt up": Move("y", -1, _phrases("tilt up", "pan up", "move up")),
        "tilt down": Move("y", 1, _phrases("tilt down", "pan down", "move down")),
        "zoom in": Move("zoom", 1, _phrases("zoom in", "move in", "move closer")),
        "zoom out": Move("zoom", -1, _phrases("zoom out", "move out", "move away")),
        "roll clockwise": Move("roll", 1, _phrases("roll clockwise", "turn clockwise")),
        "roll counterclockwise": Move(
            "roll", -1, _phrases("roll counterclockwise", "turn counterclockwise")
        ),
    }
)
"""Every move by its name."""

HOLD = "hold still"

_HOLD_PHRASES = (
    "hold still",
    "hold the camera still",
    "the camera holds still",
    "the camera does not move",
)
_ADVERBS = {"slow": ("slowly", "slow"), "medium": (), "fast": ("quickly", "fast")}


@dataclasses.dataclass(frozen=True)
class Script:
    """What a clip shows.

    Attributes:
        moves: names of none (hold still), one or two moves of different axes, in order.
        speed: of `SPEEDS`; two moves are always at medium speed.
    """

    moves: tuple[str, ...]
    speed: str = "medium"

    @property
    def name(self) -> str:
        """Such as ``"fast pan left"``, ``"zoom in then pan right"`` or ``"hold still"``."""
        if not self.moves:
            return HOLD
        together = " then ".join(self.moves)
        return together if len(self.moves) > 1 else f"{self.speed} {together}"

    def captions(self) -> tuple[str, ...]:
        """Every sentence that asks for this, in a fixed order."""
        if not self.moves:
            return _HOLD_PHRASES
        phrases = [MOVES[move].phrases for move in self.moves]
        if len(phrases) > 1:
            return tuple(
                sentence
                for first, firsts, a in phrases[0]
                for second, seconds, b in phrases[1]
                for sentence in (
                    f"{first} {a}, then {second} {b}",
                    f"first {first} {a}, then {second} {b}",
                    f"the camera {firsts} {a}, then {seconds} {b}",
                )
            )
        adverbs = _ADVERBS[self.speed]
        plain = [(verb, verbs, rest) for verb, verbs, rest in phrases[0]]
        if not adverbs:
            return tuple(
                sentence
                for verb, verbs, rest in plain
                for sentence in (f"{verb} {rest}", f"the camera {verbs} {rest}")
            )
        before, after = adverbs
        return tuple(
            sentence
            for verb, verbs, rest in plain
            for sentence in (
                f"{before} {verb} {rest}",
                f"{verb} {rest}, {after}",
                f"the camera {before} {verbs} {rest}",
            )
        )

    def steps(self, *, frames: int, fps: int, jitter: float = 0.0) -> Float[np.ndarray, "S 4"]:
        """The S = T - 1 moves between frames, along `AXES`.

        Of two moves, the first takes the first half of the steps, rounded down.

        Args:
            frames: T.
            fps: frames a second; words of speed mean the same a second.
            jitter: octaves by which the rates differ from their class.
        """
        rate = SPEEDS[self.speed] * 2.0**jitter / fps
        steps = np.zeros((frames - 1, len(AXES)))
        edges = np.linspace(0, frames - 1, len(self.moves) + 1).astype(int)
        for name, start, stop in zip(self.moves, edges[:-1], edges[1:], strict=True):
            move = MOVES[name]
            assert move.axis is not None
            steps[start:stop, AXES.index(move.axis)] = move.sign * rate * RATES[move.axis]
        return steps


def scripts(*, two_part: bool) -> dict[str, Script]:
    """Every script by its name: hold still, each move at each speed, and each two moves that do
    not share an axis, in both orders.

    Two moves along one axis are left out, since played backwards they might be themselves again.
    """
    found = [Script(())]
    found += [Script((move,), speed) for move in MOVES for speed in SPEEDS]
    if two_part:
        found += [
            Script((first, second))
            for first in MOVES
            for second in MOVES
            if MOVES[first].axis != MOVES[second].axis
        ]
    return {script.name: script for script in found}


def onward(caption: str) -> str:
    """What to say when a clip goes on after all that its caption asks for: of two moves the second,
    else the caption itself.
    """
    return _onward().get(caption, caption)


@functools.cache
def _onward() -> Mapping[str, str]:
    return {
        caption: Script(script.moves[1:]).captions()[0]
        for script in scripts(two_part=True).values()
        if len(script.moves) > 1
        for caption in script.captions()
    }


def camera_path(
    steps: Float[np.ndarray, "S 4"], height: int, width: int
) -> Float[np.ndarray, "T 2 3"]:
    """The maps from each frame's pixels to those of the first frame.

    A step is taken as the camera then stands: it pans in widths of its own view and turns about
    the middle of its own view.

    Args:
        steps: as `Script.steps` gives them.
        height: H, pixels.
        width: W, pixels.

    Returns:
        float64 [T 2 3], the first the identity.
    """
    centre = np.array([width / 2, height / 2])
    linear, offset = np.eye(2), np.zeros(2)
    path = np.empty((len(steps) + 1, 2, 3))
    for frame in range(len(path)):
        path[frame, :, :2] = linear
        path[frame, :, 2] = centre + offset - linear @ centre
        if frame < len(steps):
            x, y, zoom, roll = (float(value) for value in steps[frame])
            offset = offset + linear @ np.array([x * width, y * height])
            cos, sin = math.cos(roll), math.sin(roll)
            linear = linear @ np.array([[cos, -sin], [sin, cos]]) * math.exp(-zoom)
    return path


def words_of(found: Sequence[Script]) -> list[str]:
    """Every caption of some scripts."""
    return [caption for script in found for caption in script.captions()]
