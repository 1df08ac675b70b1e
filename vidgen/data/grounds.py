"""Textured grounds for things to move over: coloured noise, in three disjoint parts.

A texture is value noise of four octaves, each half as strong as the one before, between two muted
colours. Everything is drawn from a hash of the texture's number and computed in whole numbers, so a
texture is the same on every machine and under every version of every library.

References: Perlin, "An image synthesizer" (1985), on noise as texture.
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np
from jaxtyping import Int, UInt8

from vidgen.data.draws import Draws
from vidgen.data.splits import Part, divide

_TEXTURES = 64
_CELLS = (3, 6, 12, 24)
"""Lattice cells along a texture, an octave each."""

_DARK, _LIGHT = (8, 48), (56, 112)
"""Ranges of the channels of the two colours: darker than any shape, so that shapes stand out."""

_UNIT = 256
"""One, in the whole numbers in which weights are written."""


class Ground:
    """The textures of one part.

    Args:
        part: whose textures; no two parts share one.
        height: of the canvas, pixels.
        width: of the canvas, pixels.

    Attributes:
        textures: uint8 [G h w 3], half as high and as wide again as the canvas.
    """

    def __init__(self, part: Part, height: int, width: int) -> None:
        self.textures = _textures(part, height + (height + 1) // 2, width + (width + 1) // 2)
        self._height, self._width = height, width

    def draw(self, draws: Draws) -> UInt8[np.ndarray, "H W 3"]:
        """A window into a texture; both uniform."""
        count, height, width = self.textures.shape[:3]
        texture = self.textures[draws.below(count)]
        y, x = draws.below(height - self._height + 1), draws.below(width - self._width + 1)
        return texture[y : y + self._height, x : x + self._width]


@functools.lru_cache(maxsize=8)
def _textures(part: Part, height: int, width: int) -> UInt8[np.ndarray, "G h w 3"]:
    chosen = divide(_TEXTURES, validation=0.15, test=0.15)[part]
    made = np.stack([_texture(n, height, width) for n in range(_TEXTURES)[chosen]])
    made.setflags(write=False)
    return made


def _texture(number: int, height: int, width: int) -> UInt8[np.ndarray, "h w 3"]:
    corners = [(cells + 1) ** 2 for cells in _CELLS]
    stream = hashlib.shake_256(f"texture {number}".encode()).digest(6 + sum(corners))
    drawn = np.frombuffer(stream, np.uint8).astype(np.int64)
    dark, light = (
        low + drawn[n : n + 3] * (high - low) // 255 for n, (low, high) in ((0, _DARK), (3, _LIGHT))
    )
    noise, begin = np.zeros((height, width), np.int64), 6
    for octave, (cells, count) in enumerate(zip(_CELLS, corners, strict=True)):
        lattice = drawn[begin : begin + count].reshape(cells + 1, cells + 1)
        begin += count
        smooth = _weights(cells, height) @ lattice @ _weights(cells, width).T
        noise += smooth >> octave
    noise -= noise.min()
    share = noise * _UNIT // max(int(noise.max()), 1)
    mixed = dark * (_UNIT - share[..., None]) + light * share[..., None]
    return (mixed // _UNIT).astype(np.uint8)


def _weights(cells: int, size: int) -> Int[np.ndarray, "size cells_and_one"]:
    """The matrix from `cells` + 1 corners to `size` pixels, eased in and out of every corner."""
    # In units of 1 / (2 * size) of a cell, the centre of pixel n lies at (2 n + 1) * cells.
    cell, within = np.divmod((2 * np.arange(size) + 1) * cells, 2 * size)
    part = within * _UNIT // (2 * size)
    eased = part**2 * (3 * _UNIT - 2 * part) // _UNIT**2
    weights = np.zeros((size, cells + 1), np.int64)
    weights[np.arange(size), cell] = _UNIT - eased
    weights[np.arange(size), cell + 1] = eased
    return weights
