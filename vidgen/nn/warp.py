"""Backward warping of images by dense flow."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def warp(image: Float[Array, "N H W C"], flow: Float[Array, "N H W 2"]) -> Float[Array, "N H W C"]:
    """Fetch every pixel from where the flow points, with bilinear interpolation.

    ``out[y, x] = image[y + flow[y, x, 0], x + flow[y, x, 1]]``. Positions outside are moved to the
    border. Differentiable in both arguments.

    Args:
        image: N images.
        flow: (down, right) from the target pixel to its source, in pixels.

    References: Jaderberg et al., "Spatial transformer networks" (2015).
    """
    height, width = image.shape[1:3]
    down = jnp.arange(height, dtype=flow.dtype)[None, :, None]
    right = jnp.arange(width, dtype=flow.dtype)[None, None, :]
    y = jnp.clip(flow[..., 0] + down, 0.0, height - 1.0)
    x = jnp.clip(flow[..., 1] + right, 0.0, width - 1.0)
    top, left = jnp.floor(y), jnp.floor(x)
    below, beside = (y - top)[..., None], (x - left)[..., None]
    top, left = top.astype(jnp.int32), left.astype(jnp.int32)
    bottom = jnp.minimum(top + 1, height - 1)
    # The largest left neighbour has a weight of 0 for what lies beyond the border.
    right_column = jnp.minimum(left + 1, width - 1)
    flat = image.reshape(image.shape[0], height * width, image.shape[3])

    def fetch(row: Array, column: Array) -> Array:
        index = (row * width + column).reshape(image.shape[0], -1, 1)
        return jnp.take_along_axis(flat, index, axis=1).reshape(image.shape)

    upper = (1.0 - beside) * fetch(top, left) + beside * fetch(top, right_column)
    lower = (1.0 - beside) * fetch(bottom, left) + beside * fetch(bottom, right_column)
    return (1.0 - below) * upper + below * lower


def refine_flow(
    coarse: Float[Array, "N g h 2"], height: int, width: int
) -> Float[Array, "N height width 2"]:
    """A coarse flow interpolated to a finer grid. Its vectors keep their length."""
    return jax.image.resize(coarse, (coarse.shape[0], height, width, 2), "linear")
