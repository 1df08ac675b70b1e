"""Which frames of a recording become a clip."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Literal

import numpy as np
from jaxtyping import Int

from vidgen.registry import suggest

Window = Literal["first", "random", "uniform", "all"]
Short = Literal["hold", "loop", "refuse"]

WINDOWS: dict[str, str] = {
    "first": "one clip, from the first frame on",
    "random": "`windows` clips, each from a start drawn by the seed and the recording's name",
    "uniform": "`windows` clips whose starts are spread evenly from the first to the last possible",
    "all": "as many clips as fit, `step` frames from start to start",
}
SHORTS: dict[str, str] = {
    "hold": "the last frame is held",
    "loop": "the recording starts again",
    "refuse": "the recording is left out",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Windows:
    """How clips are cut out of recordings.

    Attributes:
        frames: T of a clip.
        stride: frames of the recording from one of the clip to the next.
        window: a name in `WINDOWS`.
        windows: how many clips of a recording, for "random" and "uniform".
        step: frames of the recording between the starts of "all"; None for clips end to end.
        short: a name in `SHORTS`: what becomes of a recording of fewer than `span` frames.
        seed: of the random starts.

    Raises:
        UnknownNameError: for another window or short, with the near misses.
        ValueError: for a number below 1.
    """

    frames: int
    stride: int = 1
    window: str = "first"
    windows: int = 1
    step: int | None = None
    short: str = "hold"
    seed: int = 0

    def __post_init__(self) -> None:
        for value, known, what in (
            (self.window, WINDOWS, "window"),
            (self.short, SHORTS, "way with short recordings"),
        ):
            if value not in known:
                raise suggest(value, known, what)
        for name in ("frames", "stride", "windows", "step"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.windows > 1 and self.window not in ("random", "uniform"):
            raise ValueError(f"windows={self.windows} needs the window 'random' or 'uniform'")
        if self.step is not None and self.window != "all":
            raise ValueError(f"step={self.step} needs the window 'all'")

    @property
    def span(self) -> int:
        """Frames of the recording from a clip's first to its last, both included."""
        return (self.frames - 1) * self.stride + 1

    @property
    def needs_lengths(self) -> bool:
        """Whether the number of clips depends on how long the recordings are."""
        return self.window == "all" or self.short == "refuse"

    def count(self, available: int | None) -> int:
        """How many clips a recording of so many frames gives; None where it is not known."""
        if available is not None and available < self.span and self.short == "refuse":
            return 0
        if self.window == "all":
            if available is None:
                raise ValueError("the window 'all' needs the length of every recording")
            return len(self.starts(available, ""))
        return self.windows

    def starts(self, available: int, name: str) -> list[int]:
        """The first frame of each clip of a recording, in its frames."""
        last = max(0, available - self.span)
        if self.window == "first":
            return [0]
        if self.window == "all":
            return list(range(0, last + 1, self.step or self.frames * self.stride))
        if self.window == "uniform":
            return np.rint(np.linspace(0, last, self.windows)).astype(int).tolist()
        return [_draw(f"{self.seed}/{name}/{n}", last + 1) for n in range(self.windows)]

    def indices(self, start: int, available: int) -> Int[np.ndarray, "T"]:
        """The frames of the recording that make the clip which begins at `start`."""
        wanted = start + self.stride * np.arange(self.frames)
        return wanted % available if self.short == "loop" else wanted.clip(max=available - 1)


def _draw(what: str, count: int) -> int:
    """A uniform integer in [0, count), from a hash: the same on every machine and version."""
    return int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], "big") * count >> 64
