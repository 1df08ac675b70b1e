"""Coloured shapes that move: perfect ink, and a small grammar to say so."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from jaxtyping import Bool, Float

from vidgen.data.grammar import Wording
from vidgen.data.grammar import chosen as chosen_wordings
from vidgen.data.grounds import Ground
from vidgen.data.objects import MovingObjects
from vidgen.data.splits import Part, divide, split_named
from vidgen.data.sprites import Sprites
from vidgen.data.worlds import world
from vidgen.registry import suggest

COLOURS = {
    "red": (230, 50, 45),
    "green": (60, 190, 75),
    "blue": (65, 105, 245),
    "yellow": (250, 220, 50),
    "purple": (165, 75, 205),
    "white": (245, 245, 245),
}
SHAPES = ("circle", "square", "triangle", "diamond")

SIZES = {"small": (0.35, 0.55), "large": (0.75, 1.0)}
"""Range of the scales of each size, as shares of the cell; nothing lies between the two."""

WORDINGS = (
    Wording("a {identity} is moving {motion}"),
    Wording("the {identity} moves {motion}", joint=" while "),
    Wording("there is a {identity} going {motion}"),
    Wording("here a {identity} travels {motion}", joint=", "),
    Wording("watch the {identity} drift {motion}"),
)
"""Ways to say the same; the option `wordings` takes the first so many."""

PARAPHRASES = (
    Wording("one {identity} slides {motion}", joint=" as "),
    Wording("some {identity} glides {motion}", joint=" whereas "),
    Wording(
        "look how the {identity} heads {motion}",
        instead={"circle": "disc", "square": "box", "purple": "violet", "large": "big"},
    ),
    Wording(
        "{motion} goes one {identity}",
        joint=", ",
        instead={"up": "upwards", "down": "downwards", "left": "leftwards", "right": "rightwards"},
    ),
)
"""Ways that no clip of training is told in, with words that are not in those."""

GROUNDS = ("plain", "textured")

_MAKES = 64
"""Scales, each with its own tilt, in which a shape is made; the parts of a split share none. Fewer
where the pixels are too coarse to tell them apart."""

_ANY_SIZE = {"": (0.75, 1.0)}
_TILT, _OVERSAMPLING = 10.0, 8


def shapes(
    split: str = "train",
    *,
    motion: str = "diagonal",
    objects: int = 1,
    sizes: bool = False,
    ground: str = "plain",
    wordings: int = 1,
    paraphrased: bool = False,
    size: int | tuple[int, int] | None = None,
    frames: int | None = None,
    speed: float | int | None = None,
    shape_size: int | None = None,
    min_moves: int | None = None,
    clips: int | None = None,
    fps: int = 8,
    seed: int = 0,
) -> MovingObjects:
    """RGB clips such as "a red circle is moving up and left", or in full "the small red circle
    moves up and left while the large blue square moves down".

    A shape comes in 64 makes: scales from 3/4 of its cell to all of it (with `sizes`, 64 of each
    size), each with a tilt of up to 10 degrees. The parts train, validation and test have makes of
    their own, and textures of their own. The shape named last lies in front.

    Args:
        split: see `vidgen.data.splits`; the rank of a shape is the sum of the places of its words
            in `SIZES`, `COLOURS` and `SHAPES`.
        motion: "diagonal", "mage" or "sync-draw"; it sets the defaults of what follows, see
            `worlds.world`.
        objects: 1, or 2 that differ in a word.
        sizes: whether shapes come small and large, and captions say which.
        ground: "plain" (black) or "textured", see `vidgen.data.grounds`.
        wordings: how many of `WORDINGS` captions are drawn from.
        paraphrased: whether they are drawn from `PARAPHRASES` instead, which no clip of training
            is told in.
        size: of the canvas, a side or (height, width).
        frames: T.
        speed: pixels a frame along each moving axis.
        shape_size: side of the shape's cell, pixels.
        min_moves: moves before the first bounce.
        clips: length of the source.
        fps: frames a second, for playing only.
        seed: of the sequence of clips.

    Raises:
        UnknownNameError: for another motion or ground, with the near misses.
        ValueError: for a number out of range, or if the motions do not fit, with what to change.
    """
    if ground not in GROUNDS:
        raise suggest(ground, GROUNDS, "ground")
    drawn, known = chosen_wordings(WORDINGS, PARAPHRASES, first=wordings, paraphrased=paraphrased)
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
        shape_sprites(chosen.part, physics.size, sizes),
        wordings=[dataclasses.replace(wording, stop=stop) for wording in drawn],
        known=known,
        rank=_rank,
        objects=objects,
        ground=Ground(chosen.part, physics.height, physics.width) if ground != "plain" else None,
        clips=clips,
        fps=fps,
        seed=seed,
    )


def _rank(identity: str) -> int:
    *size, colour, shape = identity.split()
    places = [list(SIZES).index(word) for word in size]
    return sum(places) + list(COLOURS).index(colour) + SHAPES.index(shape)


@functools.lru_cache(maxsize=8)
def shape_sprites(part: Part, size: int, sizes: bool) -> Sprites:
    """Every colour of every make of every shape, and of every size, in one part."""
    palette = np.array(list(COLOURS.values()), np.float32)
    images, covers, identities, names = [], [], [], []
    for word, scales in (SIZES if sizes else _ANY_SIZE).items():
        made = [_makes(shape, size, scales) for shape in SHAPES]
        # Cut where they are distinct: two makes may be one picture where a pixel is coarse.
        made = [cover[divide(len(cover), validation=0.15, test=0.15)[part]] for cover in made]
        cover = np.concatenate(made)
        coloured = np.rint(cover[None, ..., None] * palette[:, None, None, None])
        images.append(coloured.astype(np.uint8).reshape(-1, size, size, 3))
        covers.append(np.tile(np.rint(cover * 255).astype(np.uint8), (len(COLOURS), 1, 1)))
        for colour in COLOURS:
            for shape, those in zip(SHAPES, made, strict=True):
                names.append(f"{word} {colour} {shape}".strip())
                identities += [names[-1]] * len(those)
    pictures, cover = np.concatenate(images), np.concatenate(covers)
    pictures.setflags(write=False)
    return Sprites(pictures, identities, names, cover)


def _makes(shape: str, size: int, scales: tuple[float, float]) -> Float[np.ndarray, "M S S"]:
    """The distinct makes of a shape, as shares of the pixels that they cover."""
    smallest, largest = scales
    distinct: dict[bytes, Float[np.ndarray, "S S"]] = {}
    # A stride that shares no factor with 64 spreads each part over all scales, and the golden
    # ratio gives neighbours in scale different tilts.
    for make in np.arange(_MAKES) * 27 % _MAKES:
        scale = smallest + (largest - smallest) * (make + 1) / _MAKES
        tilt = np.deg2rad(_TILT * (2.0 * (make * 0.6180339887 % 1.0) - 1.0))
        cover = _cover(shape, size, scale, tilt)
        distinct.setdefault(cover.tobytes(), cover)
    return np.stack(list(distinct.values()))


def _cover(shape: str, size: int, scale: float, tilt: float) -> Float[np.ndarray, "S S"]:
    """The share of each pixel that the shape covers, by supersampling."""
    fine = size * _OVERSAMPLING
    axis = (np.arange(fine) + 0.5) / fine * 2.0 - 1.0
    y, x = np.meshgrid(axis, axis, indexing="ij")
    sin, cos = np.sin(tilt), np.cos(tilt)
    inside = _inside(shape, (cos * y - sin * x) / scale, (cos * x + sin * y) / scale)
    return inside.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING).mean(axis=(1, 3))


def _inside(
    shape: str, y: Float[np.ndarray, "s s"], x: Float[np.ndarray, "s s"]
) -> Bool[np.ndarray, "s s"]:
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
