"""Backward warping of images by dense flow."""

from __future__ import annotations

import dataclasses

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
    return _warp(image, flow)


@jax.custom_jvp
def _warp(image: Array, flow: Array) -> Array:
    return _Corners.of(image, flow).blended()


@_warp.defjvp
def _warp_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    # The derivative that is found by rule spreads a pixel's flow over its channels, whose transpose
    # sums over a last axis of one to three: on a CPU, several times what all the rest takes. Copies
    # that are stacked come back as a sum of slices.
    (image, flow), (image_dot, flow_dot) = primals, tangents
    found = _Corners.of(image, flow)
    down, right = (
        jnp.stack([jnp.where(inside, flow_dot[..., axis], 0.0)] * image.shape[3], axis=-1)
        for axis, inside in enumerate(found.inside)
    )
    moved = found.downwards() * down + found.sideways() * right
    return found.blended(), moved + _warp(image_dot, jax.lax.stop_gradient(flow))


@dataclasses.dataclass(frozen=True)
class _Corners:
    """The four pixels between which each position lies, and where between them.

    Attributes:
        pixels: [N H W C] each: upper left, upper right, lower left, lower right.
        below: [N H W 1], from the upper to the lower ones, in [0, 1).
        beside: likewise from left to right.
        inside: bool [N H W] each: whether a position was not moved to the border, down and right.
    """

    pixels: tuple[Array, Array, Array, Array]
    below: Array
    beside: Array
    inside: tuple[Array, Array]

    @classmethod
    def of(cls, image: Array, flow: Array) -> _Corners:
        height, width = image.shape[1:3]
        sides = ((0, height, (None, slice(None), None)), (1, width, (None, None, slice(None))))
        places = [flow[..., k] + jnp.arange(n, dtype=flow.dtype)[at] for k, n, at in sides]
        y, x = (jnp.clip(p, 0.0, n - 1.0) for p, (_, n, _) in zip(places, sides, strict=True))
        inside = [(p >= 0.0) & (p <= n - 1.0) for p, (_, n, _) in zip(places, sides, strict=True)]
        top, left = jnp.floor(y), jnp.floor(x)
        below, beside = (y - top)[..., None], (x - left)[..., None]
        top, left = top.astype(jnp.int32), left.astype(jnp.int32)
        # The largest upper and left neighbours have a weight of 0 for what lies beyond the border.
        bottom, right = jnp.minimum(top + 1, height - 1), jnp.minimum(left + 1, width - 1)
        flat = image.reshape(image.shape[0], height * width, image.shape[3])

        def fetch(row: Array, column: Array) -> Array:
            index = (row * width + column).reshape(image.shape[0], -1, 1)
            found = jnp.take_along_axis(flat, index, axis=1, mode="clip")
            return found.reshape(image.shape)

        pixels = (fetch(top, left), fetch(top, right), fetch(bottom, left), fetch(bottom, right))
        return cls(pixels, below, beside, (inside[0], inside[1]))

    def blended(self) -> Array:
        """What lies at each position."""
        return (1.0 - self.below) * self._row(0) + self.below * self._row(2)

    def downwards(self) -> Array:
        """How that changes a pixel further down."""
        return self._row(2) - self._row(0)

    def sideways(self) -> Array:
        """How it changes a pixel further to the right."""
        a, b, c, d = self.pixels
        return (1.0 - self.below) * (b - a) + self.below * (d - c)

    def _row(self, left: int) -> Array:
        return (1.0 - self.beside) * self.pixels[left] + self.beside * self.pixels[left + 1]


def refine_flow(
    coarse: Float[Array, "N g h 2"], height: int, width: int
) -> Float[Array, "N height width 2"]:
    """A coarse flow interpolated to a finer grid. Its vectors keep their length."""
    return jax.image.resize(coarse, (coarse.shape[0], height, width, 2), "linear")
