"""Optical flow as colours: the direction is the hue, the speed how far it is from white.

References: Baker et al., "A database and evaluation methodology for optical flow" (2011), whose
wheel this is.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

_CORNERS = (0, 15, 21, 25, 36, 49, 55)
"""Places of red, yellow, green, cyan, blue, magenta and red on the wheel, which is divided so that
neighbouring hues look equally far apart."""

_RED = (255, 255, 0, 0, 0, 255, 255)
_GREEN = (0, 255, 255, 255, 0, 0, 0)
_BLUE = (0, 0, 0, 255, 255, 255, 0)


def colours(flow: Float[np.ndarray, "*axes 2"], fastest: float) -> UInt8[np.ndarray, "*axes 3"]:
    """The colour of each pixel's flow; red moves to the right, white stands still.

    Args:
        flow: pixels to the right and down.
        fastest: the speed at which a colour is full; what is faster is a quarter darker.
    """
    speed = np.linalg.norm(flow, axis=-1) / fastest
    turn = (np.arctan2(-flow[..., 1], -flow[..., 0]) / np.pi + 1) / 2 * (_CORNERS[-1] - 1)
    hues = np.stack([np.interp(turn, _CORNERS, c) for c in (_RED, _GREEN, _BLUE)], axis=-1)
    paled = 255 - np.minimum(speed, 1.0)[..., None] * (255 - hues)
    return np.rint(np.where(speed[..., None] <= 1, paled, 0.75 * hues)).astype(np.uint8)


def wheel(side: int) -> UInt8[np.ndarray, "{side} {side} 3"]:
    """The legend: every flow up to the fastest where it points to, white around."""
    place = (np.arange(side) - (side - 1) / 2) / (side / 2)
    flow = np.stack(np.meshgrid(place, place), axis=-1)
    inside = np.linalg.norm(flow, axis=-1, keepdims=True) <= 1
    return np.where(inside, colours(flow, 1.0), np.uint8(255))
