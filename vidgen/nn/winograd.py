"""Winograd's minimal filtering along one axis: m outputs of an r-tap filter in m + r - 1 products.

A direct filter takes m r products. Where a product is a whole 2-D convolution, as it is for the
time axis of a 3-D one, the additions that the saving costs are next to nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

TILES = (2, 4)
"""Outputs a tile. Larger ones save more products, but their transforms lose more digits: rounding
is about as in the direct form at 2 and four to six times that at 4."""

_POINTS = tuple(map(Fraction, ("0", "1", "-1", "2", "-2", "1/2", "-1/2")))
"""Where polynomials are evaluated, beside infinity; small numbers lose the fewest digits."""

Multiply = Callable[[Array, Array], Array]


def tile(outputs: int, taps: int) -> int | None:
    """How many outputs a tile should have, or None where the direct form needs no more products.

    Args:
        outputs: how many are wanted in all; the last tile may be cut.
        taps: r.
    """
    cost = {m: -(-outputs // m) * (m + taps - 1) for m in TILES if m + taps - 2 <= len(_POINTS)}
    best = min(cost, key=lambda m: (cost[m], m), default=None)
    return best if best is not None and cost[best] < outputs * taps else None


@functools.cache
def transforms(outputs: int, taps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A [m n], G [n r] and B [n n], n = m + r - 1, so that ``A ((G g) * (B d))`` filters d with g.

    That is, r taps g slide over n values d and give m. Built in exact fractions by the Toom-Cook
    construction: correlation is the transpose of the product of two polynomials, which n values
    determine. B holds whole numbers; its denominators are moved to G, since a filter is transformed
    once for all the tiles that it slides over.

    Args:
        outputs: m.
        taps: r.

    Raises:
        ValueError: if there are not enough points to evaluate at.

    References: Winograd, "Arithmetic complexity of computations" (1980); Lavin & Gray, "Fast
        algorithms for convolutional neural networks", CVPR 2016.
    """
    n = outputs + taps - 1
    if n - 1 > len(_POINTS):
        raise ValueError(f"{outputs} outputs of {taps} taps need {n - 1} points to evaluate at")
    points = _POINTS[: n - 1]

    def powers(degree: int) -> list[list[Fraction]]:
        infinity = [Fraction(int(i == degree - 1)) for i in range(degree)]
        return [[p**i for i in range(degree)] for p in points] + [infinity]

    interpolate = _inverse(powers(n))
    back = [list(row) for row in zip(*interpolate, strict=True)]
    scale = [int(np.lcm.reduce([value.denominator for value in row])) for row in back]
    A = np.array(powers(outputs), dtype=np.float64).T
    G = np.array(powers(taps), dtype=np.float64) / np.array(scale, np.float64)[:, None]
    B = np.array([[v * s for v in row] for row, s in zip(back, scale, strict=True)], np.float64)
    return A, G, B


def correlate(
    x: Float[Array, "B T *axes I"],
    kernel: Float[Array, "r *taps I O"],
    multiply: Multiply,
    outputs: int,
) -> Float[Array, "B t *out O"]:
    """Slide `kernel` along the second axis of `x`, without padding, in tiles.

    Args:
        x: what is filtered, T values along the axis.
        kernel: r taps.
        multiply: the product of one tap with one value: [B n *axes I] and [*taps I O] give
            [B n *out O]; linear in both, and the same for each of the n.
        outputs: m of each tile, see `tile`.

    Returns:
        T - r + 1 values along the axis.
    """
    taps = kernel.shape[0]
    A, G, B = transforms(outputs, taps)
    frames = x.shape[1] - taps + 1
    tiles = -(-frames // outputs)
    if more := tiles * outputs - frames:
        x = jnp.pad(x, [(0, 0), (0, more), *((0, 0),) * (x.ndim - 2)])
    last = outputs * (tiles - 1) + 1
    values = [x[:, i : i + last : outputs] for i in range(outputs + taps - 1)]
    products = [
        multiply(_combine(b, values), _combine(g, [*kernel])) for b, g in zip(B, G, strict=True)
    ]
    y = jnp.stack([_combine(a, products) for a in A], axis=2)
    return y.reshape(y.shape[0], tiles * outputs, *y.shape[3:])[:, :frames]


def _combine(row: Sequence[float] | np.ndarray, arrays: Sequence[jax.Array]) -> jax.Array:
    """The weighted sum; zeros cost nothing."""
    terms = [
        array if weight == 1 else float(weight) * array
        for weight, array in zip(row, arrays, strict=True)
        if weight != 0
    ]
    return functools.reduce(jnp.add, terms)


def _inverse(matrix: list[list[Fraction]]) -> list[list[Fraction]]:
    """By Gauss and Jordan, exact."""
    n = len(matrix)
    rows = [[*row, *(Fraction(int(i == j)) for j in range(n))] for i, row in enumerate(matrix)]
    for column in range(n):
        pivot = next(i for i in range(column, n) if rows[i][column] != 0)
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column][column]
        rows[column] = [value / head for value in rows[column]]
        for i in range(n):
            factor = rows[i][column]
            if i != column and factor != 0:
                rows[i] = [v - factor * w for v, w in zip(rows[i], rows[column], strict=True)]
    return [row[n:] for row in rows]
