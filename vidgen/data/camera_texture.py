"""Where in a photograph a move of the camera can be seen at all.

Before a clear sky every pan looks like every other. What a view lets be seen of its own motion is
the smaller eigenvalue of its structure tensor: the mean square of the grey level's slope along the
direction in which it is least.

References: Shi & Tomasi, "Good features to track" (CVPR 1994).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

_SHORTER_SIDE = 160
"""Pixels at which slopes are measured: about the pitch of the views, whatever the photograph."""


class Texture:
    """Sums of a photograph's slopes, from which those of any rectangle are read at once.

    Args:
        pixels: the photograph.
    """

    ENOUGH = 25.0
    """The smaller eigenvalue, squared grey levels a square pixel, from which on a move is seen."""

    def __init__(self, pixels: UInt8[np.ndarray, "h w C"]) -> None:
        grey = Image.fromarray(pixels[..., 0]) if pixels.shape[-1] == 1 else None
        grey = grey or Image.fromarray(pixels).convert("L")
        self._per_pixel = _SHORTER_SIDE / min(grey.size)
        size = (round(grey.width * self._per_pixel), round(grey.height * self._per_pixel))
        level = np.asarray(grey.resize(size, Image.Resampling.BOX), np.float64)
        down, right = np.gradient(level)
        products = np.stack([right * right, right * down, down * down])
        self._sums = np.pad(products.cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))

    def least(self, maps: Float[np.ndarray, "T 2 3"], height: int, width: int) -> float:
        """The smaller eigenvalue in the poorest of some views.

        Args:
            maps: from pixels of a view to those of the photograph.
            height: of a view.
            width: of a view.
        """
        corners = np.array([[0.0, 0.0, 1.0], [width, 0, 1], [0, height, 1], [width, height, 1]])
        seen = maps @ corners.T * self._per_pixel
        limits = np.array(self._sums.shape[:0:-1])[:, None] - 1
        low = np.clip(np.floor(seen.min(axis=2).T).astype(int), 0, limits - 1)
        high = np.clip(np.ceil(seen.max(axis=2).T).astype(int), low + 1, limits)
        (left, top), (right, bottom) = low, high
        sums = self._sums
        total = sums[:, bottom, right] - sums[:, top, right]
        total = total - sums[:, bottom, left] + sums[:, top, left]
        xx, xy, yy = total / ((bottom - top) * (right - left))
        return float(((xx + yy) / 2 - np.hypot((xx - yy) / 2, xy)).min())
