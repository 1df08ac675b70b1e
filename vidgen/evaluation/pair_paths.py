"""Along which two paths the ink of a clip travels.

The world is rigid and its paths are few, so that an object need not be seen alone to be found. For
every path of the motion that was asked, the cell that travels along it is laid over itself in all
frames; a pixel that is ink in 7 of 8 of them travels along. A path on which many such pixels travel
may be an object's, hidden parts included, since whatever hides it is ink as well. The other object
is then sought in the ink that is left: two objects that move alike would else be one of them twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Library = tuple[np.ndarray, np.ndarray]
"""int [Sy T], tops of the cell from every start, and int [Sx T], its left sides."""

_APART = 3
"""Pixels between the starts of two paths, below which they are one and the same."""


def pair_paths(
    ink: np.ndarray, libraries: Sequence[Library], size: int, *, need: int, most: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of paths, those that together explain the most ink first.

    Args:
        ink: bool [T H W].
        libraries: the paths that each of the two objects may have.
        size: S, pixels a side of the cell.
        need: frames in which a pixel must be ink to travel along.
        most: how many paths of either object are tried.

    Returns:
        int64 [T 2] corners of the first object's cell and of the second one's, of each pair.
    """
    found = []
    for one in (0, 1):
        for path in candidates(ink, libraries[one], size, need=need, most=most):
            left = ink & ~_travelling_along(ink, path, size, need)
            (other,) = candidates(ink, libraries[1 - one], size, need=need, most=1, wanted=left)
            left &= ~_travelling_along(ink, other, size, need)
            found.append((int(left.sum()), (path, other) if one == 0 else (other, path)))
    return [pair for _, pair in sorted(found, key=lambda one: one[0])]


def candidates(
    ink: np.ndarray,
    library: Library,
    size: int,
    *,
    need: int,
    most: int,
    wanted: np.ndarray | None = None,
) -> list[np.ndarray]:
    """The paths along which the most ink travels, the best first.

    Args:
        ink: bool [T H W].
        library: of the paths.
        size: S, pixels a side of the cell.
        need: frames in which a pixel must be ink to travel along.
        most: how many paths; no two begin within `_APART` pixels of each other.
        wanted: bool [T H W], of the ink, what counts; None for all of it.

    Returns:
        int64 [T 2] corners of the cell of each.
    """
    rows, columns = library
    stays = _laid_over(ink, library, size) >= need
    counted = _laid_over(ink if wanted is None else wanted, library, size)
    held = np.where(stays, counted, 0) / len(ink)
    whole = held.sum((2, 3))
    # Of paths that hold as much, the one with its ink in the middle of its cell.
    axis = np.arange(size) - (size - 1) / 2
    mass = np.maximum(whole, 1)
    off = np.hypot(held.sum(3) @ axis / mass, held.sum(2) @ axis / mass)
    worth = whole - off / size
    found = []
    first = np.stack(np.meshgrid(rows[:, 0], columns[:, 0], indexing="ij"), axis=-1)
    for _ in range(most):
        y, x = np.unravel_index(worth.argmax(), worth.shape)
        if not np.isfinite(worth[y, x]):
            break
        found.append(np.stack([rows[y], columns[x]], axis=1))
        worth[np.abs(first - first[y, x]).max(2) < _APART] = -np.inf
    return found


def _laid_over(ink: np.ndarray, library: Library, size: int) -> np.ndarray:
    """uint8 [Sy Sx S S], in how many frames each pixel of the cell that travels is ink."""
    rows, columns = library
    count = np.zeros((len(rows), len(columns), size, size), np.uint8)
    for t, frame in enumerate(ink):
        cells = sliding_window_view(frame, (size, size))
        count += cells[rows[:, t]][:, columns[:, t]]
    return count


def _travelling_along(ink: np.ndarray, path: np.ndarray, size: int, need: int) -> np.ndarray:
    """bool [T H W], the ink that travels along a path [T 2]."""
    cells = [frame[y : y + size, x : x + size] for frame, (y, x) in zip(ink, path, strict=True)]
    stays = np.sum(cells, axis=0) >= need
    held = np.zeros_like(ink)
    for frame, (y, x) in zip(held, path, strict=True):
        frame[y : y + size, x : x + size] = stays
    return held & ink
