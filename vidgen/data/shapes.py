"""Coloured shapes that move: perfect ink, and a grammar of two words an identity."""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Bool, Float

from vidgen.data.objects import MovingObjects, Sprites, world
from vidgen.data.splits import Part, divide, split_named

COLOURS = {
    "red": (230, 50, 45),
    "green": (60, 190, 75),
    "blue": (65, 105, 245),
    "yellow": (250, 220, 50),
    "purple": (165, 75, 205),
    "white": (245, 245, 245),
}
SHAPES = ("circle", "square", "triangle", "diamond")
NAMES = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)

_MAKES = 64
"""Scales, each with its own tilt, in which a shape is made; the parts of a split share none."""

_SMALLEST, _TILT, _OVERSAMPLING = 0.75, 10.0, 8


def shapes(
    split: str = "train",
    *,
    motion: str = "diagonal",
    size: int | tuple[int, int] | None = None,
    frames: int | None = None,
    speed: float | int | None = None,
    shape_size: int | None = None,
    min_moves: int | None = None,
    clips: int | None = None,
    fps: int = 8,
    seed: int = 0,
) -> MovingObjects:
    """RGB clips such as "a red circle is moving up and left".

    A shape comes in 64 makes: scales from 3/4 of its cell to all of it, each with a tilt of up to
    10 degrees. The parts train, validation and test have makes of their own.

    Args:
        split: see `vidgen.data.splits`; the rank of a colour and a shape is the sum of their
            places in `COLOURS` and `SHAPES`.
        motion: "diagonal" or "mage"; it sets the defaults of what follows, see `objects.world`.
        size: of the canvas, a side or (height, width).
        frames: T.
        speed: pixels a frame along each moving axis.
        shape_size: side of the shape's cell, pixels.
        min_moves: moves before the first bounce.
        clips: length of the source.
        fps: frames a second, for playing only.
        seed: of the sequence of clips.

    Raises:
        ValueError: if the motions do not fit, with what to change.
    """
    physics = world(
        motion,
        size=size,
        frames=frames,
        speed=speed,
        object_size=shape_size,
        min_moves=min_moves,
    )
    chosen = split_named(split)
    stop = " ." if motion == "mage" else ""
    return MovingObjects(
        "shapes",
        chosen,
        physics,
        _sprites(chosen.part, physics.size),
        caption=lambda identity, how: f"a {identity} is moving {how}{stop}",
        rank=_rank,
        clips=clips,
        fps=fps,
        seed=seed,
    )


def _rank(identity: str) -> int:
    colour, shape = identity.split()
    return list(COLOURS).index(colour) + SHAPES.index(shape)


@functools.lru_cache(maxsize=8)
def _sprites(part: Part, size: int) -> Sprites:
    """Every colour of every make of every shape in one part."""
    # A stride that shares no factor with 64 spreads each part over all scales, and the golden
    # ratio gives neighbours in scale different tilts.
    order = np.arange(_MAKES) * 27 % _MAKES
    makes = order[divide(_MAKES, validation=0.15, test=0.15)[part]]
    scales = _SMALLEST + (1.0 - _SMALLEST) * (makes + 1) / _MAKES
    tilts = np.deg2rad(_TILT * (2.0 * (makes * 0.6180339887 % 1.0) - 1.0))
    cover = np.concatenate([_cover(shape, size, scales, tilts) for shape in SHAPES])
    palette = np.array(list(COLOURS.values()), np.float32)
    images = np.rint(cover[None, ..., None] * palette[:, None, None, None])
    images = images.astype(np.uint8).reshape(-1, size, size, 3)
    images.setflags(write=False)
    identities = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES for _ in makes]
    return Sprites(images, identities, NAMES)


def _cover(
    shape: str, size: int, scales: Float[np.ndarray, "M"], tilts: Float[np.ndarray, "M"]
) -> Float[np.ndarray, "M S S"]:
    """The share of each pixel that the shape covers, by supersampling."""
    fine = size * _OVERSAMPLING
    axis = (np.arange(fine) + 0.5) / fine * 2.0 - 1.0
    y, x = np.meshgrid(axis, axis, indexing="ij")
    sin, cos = np.sin(tilts)[:, None, None], np.cos(tilts)[:, None, None]
    along_x = (cos * x[None] + sin * y[None]) / scales[:, None, None]
    along_y = (cos * y[None] - sin * x[None]) / scales[:, None, None]
    inside = _inside(shape, along_y, along_x)
    blocks = (len(scales), size, _OVERSAMPLING, size, _OVERSAMPLING)
    return inside.reshape(blocks).mean(axis=(2, 4))


def _inside(
    shape: str, y: Float[np.ndarray, "M s s"], x: Float[np.ndarray, "M s s"]
) -> Bool[np.ndarray, "M s s"]:
    """Whether a point of the unit disc's frame, y downwards, lies in the shape.

    Every shape fits the unit disc nearly, so that no tilt takes it out of its cell.
    """
    if shape == "circle":
        return x**2 + y**2 <= 0.95**2
    if shape == "square":
        return np.maximum(np.abs(x), np.abs(y)) <= 0.8
    if shape == "diamond":
        return np.abs(x) / 0.7 + np.abs(y) <= 1.0
    # An isosceles triangle with its apex up.
    return (np.abs(x) * 1.75 <= (y + 0.95) * 0.95) & (y <= 0.75)
