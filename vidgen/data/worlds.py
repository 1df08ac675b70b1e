"""The world of a family of motions: how large, how long and how fast, unless somebody says so."""

from __future__ import annotations

import dataclasses

from vidgen.data.motion import FAMILIES, Physics
from vidgen.data.source import check_size
from vidgen.registry import suggest


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Defaults:
    """Of one family.

    Attributes:
        size: side of the canvas, pixels.
        frames: T.
        steps: moves from end to end of the free canvas.
        whole: whether the speed is rounded to whole pixels.
        min_moves: see `Physics`; fewer where the frames do not allow it.
        passes: how often a clip shows them: what turns needs its moves twice, and one to spare for
            starts in whole pixels.
    """

    size: int
    frames: int
    steps: int
    whole: bool
    min_moves: int
    passes: int


_DEFAULTS = {
    "diagonal": _Defaults(size=32, frames=8, steps=9, whole=True, min_moves=3, passes=1),
    "mage": _Defaults(size=64, frames=20, steps=10, whole=False, min_moves=2, passes=2),
    "sync-draw": _Defaults(size=64, frames=10, steps=5, whole=False, min_moves=2, passes=2),
}


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

    ===========  ==================  ====================  =====================
    option       diagonal            mage                  sync-draw
    ===========  ==================  ====================  =====================
    size         32                  64                    64
    frames       8                   20                    10
    object_size  7/16 of the canvas  7/16: 28              7/16: 28
    speed        1/9 of the free     1/10 of the free      1/5 of the free
                 canvas, in whole    canvas: 3.6           canvas: 7.2
                 pixels: 2
    min_moves    3                   2                     2
    ===========  ==================  ====================  =====================

    Args:
        motion: "diagonal" (eight headings), "mage" (four motions that turn) or "sync-draw" (two
            axes).
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
    default = _DEFAULTS[motion]
    size = size if size is not None else default.size
    height, width = (size, size) if isinstance(size, int) else size
    frames = frames if frames is not None else default.frames
    check_size(frames, height, width, 3)
    if object_size is None:
        object_size = max(1, round(7 / 16 * min(height, width)))
    free = max(0, min(height, width) - object_size)
    if speed is None:
        speed = max(free, 1) / default.steps
        speed = max(1.0, round(speed)) if default.whole else speed
    if min_moves is None:
        room = frames - 1 if default.passes == 1 else (frames - 2) // default.passes
        min_moves = max(1, min(default.min_moves, room))
    return Physics(
        height=height,
        width=width,
        size=object_size,
        speed=float(speed),
        frames=frames,
        motions=FAMILIES[motion],
        min_moves=min_moves,
    )
