"""Handwritten digits that move, after Moving MNIST: real ink under known motion."""

from __future__ import annotations

import os

from vidgen.data import handwriting as ink
from vidgen.data.objects import MovingObjects, Sprites, world
from vidgen.data.splits import split_named

_NAMES = tuple("0123456789")


def digits(
    split: str = "train",
    *,
    motion: str = "diagonal",
    handwriting: str | os.PathLike[str] = "sklearn",
    size: int | tuple[int, int] | None = None,
    frames: int | None = None,
    speed: float | int | None = None,
    digit_size: int | None = None,
    min_moves: int | None = None,
    clips: int | None = None,
    fps: int = 8,
    seed: int = 0,
) -> MovingObjects:
    """Grey clips such as "the digit 3 is moving up and left", or in the words of MAGE "the digit 5
    is moving up then down ."

    Args:
        split: see `vidgen.data.splits`; a digit's rank is its value.
        motion: "diagonal" or "mage"; it sets the defaults of what follows, see `objects.world`.
        handwriting: "sklearn", or a folder of MNIST's IDX files; see `vidgen.data.handwriting`.
        size: of the canvas, a side or (height, width).
        frames: T.
        speed: pixels a frame along each moving axis.
        digit_size: side of the digit's cell, pixels.
        min_moves: moves before the first bounce.
        clips: length of the source.
        fps: frames a second, for playing only.
        seed: of the sequence of clips; the parts of the handwriting do not depend on it.

    Raises:
        ValueError: if the motions do not fit, with what to change.
        FileNotFoundError, CorruptFileError: if the handwriting cannot be read.
    """
    physics = world(
        motion,
        size=size,
        frames=frames,
        speed=speed,
        object_size=digit_size,
        min_moves=min_moves,
    )
    chosen = split_named(split)
    found = ink.digits(os.fspath(handwriting), chosen.part, physics.size)
    stop = " ." if motion == "mage" else ""
    return MovingObjects(
        "digits",
        chosen,
        physics,
        Sprites(found.images[..., None], [str(label) for label in found.labels], _NAMES),
        caption=lambda identity, how: f"the digit {identity} is moving {how}{stop}",
        rank=int,
        clips=clips,
        fps=fps,
        seed=seed,
    )
