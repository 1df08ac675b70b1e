"""Frames into maps of features: residual stages, and the coarse one brought back to the fine one.

References:
    He et al., "Deep residual learning for image recognition" (2016).
    Lin et al., "Feature pyramid networks for object detection" (2017), figure 3: the way down and
    the lateral connection. One level of it is kept, since the objects of a source are of one size.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.vision.resnet import Residual

STRIDE = 4
"""Pixels a cell of the maps."""


class Backbone(nnx.Module):
    """Maps at a quarter of the resolution, which see further than their cells.

    Args:
        channels: C of the frames.
        width: D of the maps.
        rngs: source of the initial weights.
    """

    def __init__(self, channels: int, width: int, *, rngs: nnx.Rngs) -> None:
        stem = (STRIDE, STRIDE)
        self.stem = nn.Conv(channels, width, stem, padding="valid", strides=stem, rngs=rngs)
        self.fine = Residual("resnet2d", width, width, rngs=rngs)
        self.coarse = Residual("resnet2d", width, 2 * width, rngs=rngs)
        self.seen = Residual("resnet2d", 2 * width, 2 * width, rngs=rngs)
        self.lateral = nn.Conv(width, width, (1, 1), rngs=rngs)
        self.down = nn.Conv(2 * width, width, (1, 1), rngs=rngs)
        self.smooth = Residual("resnet2d", width, width, rngs=rngs)

    def __call__(self, frames: Float[Array, "B H W C"]) -> Float[Array, "B h w D"]:
        """Pixels in [-1, 1]; frames whose sides 4 does not divide are continued by their border."""
        rest = [(0, 0), (0, -frames.shape[1] % STRIDE), (0, -frames.shape[2] % STRIDE), (0, 0)]
        fine = self.fine(self.stem(jnp.pad(frames, rest, mode="edge"))[:, None])
        coarse = jax.nn.relu(self.seen(self.coarse(fine)))[:, 0]
        fine = jax.nn.relu(fine[:, 0])
        down = self.down(coarse)
        for axis in (1, 2):
            down = jnp.repeat(down, 2, axis=axis)
        down = down[:, : fine.shape[1], : fine.shape[2]]
        return jax.nn.relu(self.smooth((self.lateral(fine) + down)[:, None]))[:, 0]


def centres(height: int, width: int) -> Float[Array, "h w 2"]:
    """The middle (y, x) in pixels of every cell of the maps of a frame."""
    axes = [(jnp.arange(-(-side // STRIDE)) + 0.5) * STRIDE for side in (height, width)]
    return jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1)
