"""Views of a photograph under affine maps: antialiased, and the same bits on every machine.

A photograph is held at a ladder of *plates*, four to an octave. The plate of pitch s is the
photograph reduced with antialiasing to one sample per s of its pixels, which removes what a view of
that scale cannot show, and enlarged twofold, so that bilinear interpolation between its samples
neither blurs nor aliases. A view between two pitches is a blend of both plates.

Positions are integers of 2⁻²⁰ pixel and weights integers of 2⁻⁶, so that no rounding depends on a
compiler. A pixel's three channels lie in three lanes of 21 bits in one word of 64, which makes one
gather and one multiplication serve them all: 8 bits of a channel and 12 of weight need 20.

References: Williams, "Pyramidal parametrics" (SIGGRAPH 1983).
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
from jaxtyping import Float, Int, UInt8, UInt64
from PIL import Image

from vidgen.data.camera_photographs import Photograph

PLATES_PER_OCTAVE = 4

_POSITION_BITS, _WEIGHT_BITS = 20, 6
_ONE = np.uint64(1 << _WEIGHT_BITS)
_LANES = (np.uint64(0), np.uint64(21), np.uint64(42))
_FRACTION = np.uint64(2 * _WEIGHT_BITS)
_HALF = sum(np.uint64(1) << lane + _FRACTION - np.uint64(1) for lane in _LANES)
_SHORT = sum(np.uint64((1 << 8 + _WEIGHT_BITS) - 1) << lane for lane in _LANES)
_SAME_RUNG = 1e-9


@dataclasses.dataclass(frozen=True)
class Plate:
    """A photograph at one pitch.

    Attributes:
        words: uint64 [h w], three channels in one word.
        per_pixel: samples for each pixel of the photograph, along x and y.
    """

    words: UInt64[np.ndarray, "h w"]
    per_pixel: tuple[float, float]


@functools.lru_cache(maxsize=128)
def plate(photograph: Photograph, channels: int, rung: int) -> Plate:
    """The plate of pitch 2^(rung/4) pixels."""
    pixels = picture(photograph, channels)
    height, width = pixels.shape[:2]
    pitch = 2.0 ** (rung / PLATES_PER_OCTAVE)
    small = (max(2, round(width / pitch)), max(2, round(height / pitch)))
    large = (2 * small[0], 2 * small[1])
    lanes = np.zeros((large[1], large[0]), np.uint64)
    for channel, lane in zip(range(channels), _LANES, strict=False):
        reduced = Image.fromarray(np.ascontiguousarray(pixels[..., channel]))
        reduced = reduced.resize(small, Image.Resampling.LANCZOS)
        enlarged = np.asarray(reduced.resize(large, Image.Resampling.BICUBIC))
        lanes |= enlarged.astype(np.uint64) << lane
    lanes.setflags(write=False)
    return Plate(lanes, (large[0] / width, large[1] / height))


@functools.lru_cache(maxsize=32)
def picture(photograph: Photograph, channels: int) -> UInt8[np.ndarray, "h w C"]:
    """The pixels of a photograph, read once."""
    pixels = photograph.read(channels)
    pixels.setflags(write=False)
    return pixels


def render(
    photograph: Photograph,
    maps: Float[np.ndarray, "T 2 3"],
    *,
    height: int,
    width: int,
    channels: int,
) -> UInt8[np.ndarray, "T H W C"]:
    """The views of a photograph.

    Args:
        photograph: what is seen.
        maps: from pixels of a view to those of the photograph; similarities of one pixel or more a
            pixel, whose views lie within the photograph.
        height: H.
        width: W.
        channels: C, 1 or 3.
    """
    video = np.empty((len(maps), height, width, channels), np.uint8)
    size = picture(photograph, channels).shape[1::-1]
    rungs = PLATES_PER_OCTAVE * np.log2(np.hypot(maps[:, 0, 0], maps[:, 1, 0]))
    if np.ptp(rungs) < _SAME_RUNG:
        # One plate, no further than an eighth of an octave, serves a view that never zooms.
        rungs = np.rint(rungs)
    rungs = rungs.clip(min=0.0)
    for view, matrix, rung in zip(video, maps, rungs, strict=True):
        low = math.floor(rung)
        blend = np.uint64(round((rung - low) * (1 << _WEIGHT_BITS)))
        words = _sample(plate(photograph, channels, low), matrix, size, height, width)
        if blend:
            above = _sample(plate(photograph, channels, low + 1), matrix, size, height, width)
            words = _shortened(words) * (_ONE - blend) + _shortened(above) * blend
        words += _HALF
        for channel in range(channels):
            view[..., channel] = words >> _LANES[channel] + _FRACTION  # the low 8 bits are kept
    return video


def _sample(
    source: Plate,
    matrix: Float[np.ndarray, "2 3"],
    size: tuple[int, ...],
    height: int,
    width: int,
) -> UInt64[np.ndarray, "H W"]:
    """Bilinear interpolation of a plate, in lanes of 8 bits and 12 of a fraction."""
    x, y = (
        _positions(row * per, height, width)
        for row, per in zip(matrix, source.per_pixel, strict=True)
    )
    (left, to_right), (top, to_bottom) = _split(x), _split(y)
    stride = source.words.shape[1]
    rows = source.words.shape[0]
    if min(left.min(), top.min()) < 0 or left.max() >= stride - 1 or top.max() >= rows - 1:
        # Its index would silently wrap around.
        raise IndexError(f"a view leaves the photograph of {size[0]}x{size[1]} pixels")
    flat = source.words.reshape(-1)
    corner = top * stride + left
    to_left, to_top = _ONE - to_right, _ONE - to_bottom
    words = (flat.take(corner) * to_left + flat.take(corner + 1) * to_right) * to_top
    corner += stride
    words += (flat.take(corner) * to_left + flat.take(corner + 1) * to_right) * to_bottom
    return words


def _shortened(words: UInt64[np.ndarray, "H W"]) -> UInt64[np.ndarray, "H W"]:
    """The words with 6 bits of fraction a lane, which leaves room for a weight."""
    return words >> np.uint64(_WEIGHT_BITS) & _SHORT


def _positions(row: Float[np.ndarray, "3"], height: int, width: int) -> Int[np.ndarray, "H W"]:
    """Fixed-point places of a view's pixel centres, in samples from the first sample's centre."""
    a, b, c = (int(value) for value in np.rint(row * (1 << _POSITION_BITS)))
    centre = c - (1 << _POSITION_BITS - 1) + (1 << _POSITION_BITS - _WEIGHT_BITS - 1)
    columns = (2 * np.arange(width) + 1) * a // 2 + centre
    rows = (2 * np.arange(height) + 1) * b // 2
    return rows[:, None] + columns[None]


def _split(
    place: Int[np.ndarray, "H W"],
) -> tuple[Int[np.ndarray, "H W"], UInt64[np.ndarray, "H W"]]:
    """Whole samples, and the weight of the next one."""
    weight = place >> _POSITION_BITS - _WEIGHT_BITS & (1 << _WEIGHT_BITS) - 1
    return place >> _POSITION_BITS, weight.astype(np.uint64)
