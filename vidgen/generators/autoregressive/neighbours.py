"""Which codes that are already drawn stand around the one to draw."""

from __future__ import annotations

from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vidgen.nn.patches import Sizes

Cells = TypeVar("Cells", np.ndarray, jax.Array)

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
    return np.stack([shift.ravel() for shift in _shifts(index, grid)], axis=-1)


def surroundings(
    codes: Float[Array, "B t h w E"], nowhere: Float[Array, "E"]
) -> Float[Array, "B t h w M"]:
    """Features of all neighbours of every code, side by side: what a gather at `neighbours` gives.

    Slices, because the gradient of a gather is a scatter, which adds up the thirteen readers of a
    code in no fixed order on GPUs: a training that goes on would not be the one that did not stop.

    Args:
        codes: features of each code.
        nowhere: features in place of a neighbour that is not there.

    Returns:
        M = 13 E features of each code, in the order of `NEIGHBOURS`.
    """
    B, *grid, E = codes.shape
    t, h, w = grid
    ground = jnp.broadcast_to(nowhere[None, None, None, None], (B, t + 1, h + 2, w + 2, E))
    inside = np.zeros((t + 1, h + 2, w + 2), bool)
    inside[1:, 1:-1, 1:-1] = True
    padded = jnp.pad(codes, [(0, 0), (1, 0), (1, 1), (1, 1), (0, 0)])
    padded = jnp.where(inside[None, ..., None], padded, ground)
    moved = padded.transpose(1, 2, 3, 0, 4)
    around = jnp.concatenate(_shifts(moved, (t, h, w)), axis=-1)
    return around.transpose(3, 0, 1, 2, 4)


def _shifts(padded: Cells, grid: Sizes) -> list[Cells]:
    """The padded [t + 1, h + 2, w + 2, ...] seen from each neighbour: [t, h, w, ...] each."""
    t, h, w = grid
    return [
        padded[1 + dt : 1 + dt + t, 1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w]
        for dt, dy, dx in NEIGHBOURS
    ]
