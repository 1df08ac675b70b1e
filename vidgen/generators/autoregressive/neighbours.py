"""Which codes that are already drawn stand around the one to draw."""

from __future__ import annotations

import numpy as np

from vidgen.nn.patches import Sizes

_PREVIOUS_FRAME = [(-1, dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
_THIS_FRAME = [(0, -1, -1), (0, -1, 0), (0, -1, 1), (0, 0, -1)]

NEIGHBOURS = (*_PREVIOUS_FRAME, *_THIS_FRAME)
"""Steps (dt, dy, dx) from a code to each of its neighbours: nine in the previous frame of codes,
four in the same frame. Telling them to each position outright spares attention from having to find
them."""


def neighbours(grid: Sizes) -> np.ndarray:
    """Indices of the earlier codes around each code, in raster order over (t, h, w).

    Args:
        grid: (t, h, w) codes of a clip.

    Returns:
        int32 [N, 13] with N = t * h * w; the value N where there is no such code. Every other value
        in row n is below n.
    """
    t, h, w = grid
    nowhere = t * h * w
    index = np.full((t + 1, h + 2, w + 2), nowhere, np.int32)
    index[1:, 1:-1, 1:-1] = np.arange(nowhere, dtype=np.int32).reshape(grid)
    around = [
        index[1 + dt : 1 + dt + t, 1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w]
        for dt, dy, dx in NEIGHBOURS
    ]
    return np.stack([shift.ravel() for shift in around], axis=-1)
