"""Scene scripts: who is where, and what each does leg by leg.

The stage is a grid of three rows and three columns. An actor stands in one of its nine places and
then, in legs of equal length, goes to a neighbouring place or stays. That is all there is to know
of a scene, so that a script says where everything is in every frame.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

PLACES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "upper left": (0, 0),
        "top": (0, 1),
        "upper right": (0, 2),
        "left": (1, 0),
        "middle": (1, 1),
        "right": (1, 2),
        "lower left": (2, 0),
        "bottom": (2, 1),
        "lower right": (2, 2),
    }
)
"""Every place by its name: (row, column)."""

STEPS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1), "stay": (0, 0)}
)
"""Every leg by its name: (rows, columns) that it leads down and to the right."""

LEGS = 3
"""Of every actor."""


class ScriptError(ValueError):
    """A script that cannot be played, and why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Actor:
    """One object of a scene.

    Attributes:
        identity: what it is, such as ``"red square"``.
        start: where it stands at first, one of `PLACES`.
        legs: what it does, `LEGS` of `STEPS`.

    Raises:
        ScriptError: for a name that there is not, another number of legs, or a leg that leads off
            the stage.
    """

    identity: str
    start: str
    legs: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.start not in PLACES:
            raise ScriptError(f"no place is called {self.start!r}; known: {', '.join(PLACES)}")
        if len(self.legs) != LEGS:
            raise ScriptError(f"{self.identity!r} has {len(self.legs)} legs, and needs {LEGS}")
        for leg in self.legs:
            if leg not in STEPS:
                raise ScriptError(f"no leg is called {leg!r}; known: {', '.join(STEPS)}")
        for number, (row, column) in enumerate(self.stations):
            if not (0 <= row <= 2 and 0 <= column <= 2):
                raise ScriptError(
                    f"leg {number} of {self.identity!r}, {self.legs[number - 1]!r}, leads off the "
                    "stage"
                )

    @property
    def stations(self) -> tuple[tuple[int, int], ...]:
        """(row, column) before the first leg and after each."""
        found = [PLACES[self.start]]
        for leg in self.legs:
            (row, column), (down, right) = found[-1], STEPS[leg]
            found.append((row + down, column + right))
        return tuple(found)

    @property
    def motion(self) -> str:
        """In words: ``"upper left: right, down, stay"``."""
        return f"{self.start}: {', '.join(self.legs)}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Script:
    """A scene.

    Attributes:
        actors: one or more, none of which comes into the way of another.

    Raises:
        ScriptError: if there is none, or two meet.
    """

    actors: tuple[Actor, ...]

    def __post_init__(self) -> None:
        if not self.actors:
            raise ScriptError("a script needs an actor")
        for n, one in enumerate(self.actors):
            for other in self.actors[:n]:
                if meet(one, other):
                    raise ScriptError(f"{one.identity!r} comes into the way of {other.identity!r}")

    @property
    def identity(self) -> tuple[str, ...]:
        """What each actor is."""
        return tuple(actor.identity for actor in self.actors)

    def corners(
        self, frames: int, height: int, width: int, size: int
    ) -> Float[np.ndarray, "T O 2"]:
        """(top, left) of each actor's cell in every frame, pixels, not rounded.

        Args:
            frames: T.
            height: of the canvas, pixels.
            width: of the canvas, pixels.
            size: side of a cell, pixels.
        """
        at = np.linspace(0.0, LEGS, frames)
        stations = np.array([actor.stations for actor in self.actors], np.float64)
        paths = [
            [np.interp(at, np.arange(LEGS + 1), path[:, axis]) for axis in (0, 1)]
            for path in stations
        ]
        room = np.array([height - size, width - size]) / 2
        return np.array(paths).transpose(2, 0, 1) * room

    def boxes(self, frames: int, height: int, width: int, size: int) -> Float[np.ndarray, "T O 4"]:
        """float32, the cell of each actor in every frame as (top, left, bottom, right) in pixels;
        what is drawn in it may be smaller. Arguments as in `corners`.
        """
        corners = np.floor(self.corners(frames, height, width, size) + 0.5 + 1e-9)
        return np.concatenate([corners, corners + size], axis=-1).astype(np.float32)

    def to_json(self) -> str:
        """One line."""
        return json.dumps([dataclasses.asdict(actor) for actor in self.actors])


def meet(one: Actor, other: Actor) -> bool:
    """Whether two actors stand in, leave or enter the same place in one leg, so that they touch."""
    a, b = one.stations, other.stations
    return any(set(a[leg : leg + 2]) & set(b[leg : leg + 2]) for leg in range(LEGS))
