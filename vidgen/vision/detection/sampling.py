"""Between maps of a frame and squares of a box: RoIAlign, and its way back for masks."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

_LEAST_SIDE = 1e-3


def roi_align(
    maps: Float[Array, "H W D"],
    boxes: Float[Array, "R 4"],
    *,
    size: int,
    stride: float | int = 1.0,
    samples: int = 2,
) -> Float[Array, "R S S D"]:
    """The features of each box, on a square grid of bins.

    Each bin is the mean of `samples` x `samples` points spread evenly in it, and each point is read
    from the map by bilinear interpolation; nothing is rounded. A map's value stands at the middle
    of its cell. A point up to half a cell beyond the border reads the border, one further away
    reads 0. The points of a box form a grid, so that the mean of the products is the product of
    the means: two small matrices a box do it all.

    Args:
        maps: of one frame.
        boxes: in pixels of the frame.
        size: S, bins a side.
        stride: pixels a cell of the map.
        samples: points a side of a bin.

    References: He et al., "Mask R-CNN" (2017), section 3, "RoIAlign".
    """
    H, W, _ = maps.shape
    rows = _weights(boxes[:, 0] / stride, boxes[:, 2] / stride, H, size, samples)
    columns = _weights(boxes[:, 1] / stride, boxes[:, 3] / stride, W, size, samples)
    return jnp.einsum("rsh,rtw,hwd->rstd", rows, columns, maps)


def paste(
    masks: Float[Array, "R S S"], boxes: Float[Array, "R 4"], *, height: int, width: int
) -> Float[Array, "R H W"]:
    """Masks of boxes back into a frame: at the middle of each pixel, by bilinear interpolation
    between the middles of the bins; 0 outside the box.

    References: He et al., "Mask R-CNN" (2017), section 3.1: "resized to the RoI size".
    """
    rows = _back(boxes[:, 0], boxes[:, 2], height, masks.shape[1])
    columns = _back(boxes[:, 1], boxes[:, 3], width, masks.shape[2])
    return jnp.einsum("rhs,rwt,rst->rhw", rows, columns, masks)


def _weights(
    low: Float[Array, "R"], high: Float[Array, "R"], cells: int, size: int, samples: int
) -> Float[Array, "R S c"]:
    """Of each cell of an axis in each bin: the mean over the bin's points."""
    step = (high - low) / size
    place = (jnp.arange(size * samples, dtype=low.dtype) + 0.5) / samples
    # A cell's value stands at its middle, half a cell from its edge.
    points = low[:, None] + step[:, None] * place[None, :] - 0.5
    inside = (points >= -1.0) & (points <= cells)
    held = jnp.clip(points, 0.0, cells - 1.0)
    gap = jnp.abs(held[..., None] - jnp.arange(cells, dtype=low.dtype)[None, None, :])
    each = jnp.maximum(1.0 - gap, 0.0) * inside[..., None]
    return each.reshape(len(low), size, samples, cells).mean(axis=2)


def _back(
    low: Float[Array, "R"], high: Float[Array, "R"], pixels: int, size: int
) -> Float[Array, "R p S"]:
    """Of each bin of an axis at the middle of each pixel; all 0 outside the box."""
    middle = jnp.arange(pixels, dtype=low.dtype)[None, :] + 0.5
    inside = (middle > low[:, None]) & (middle < high[:, None])
    side = jnp.maximum(high - low, _LEAST_SIDE)
    points = jnp.clip((middle - low[:, None]) / side[:, None] * size - 0.5, 0.0, size - 1.0)
    gap = jnp.abs(points[..., None] - jnp.arange(size, dtype=low.dtype)[None, None, :])
    return jnp.maximum(1.0 - gap, 0.0) * inside[..., None]
