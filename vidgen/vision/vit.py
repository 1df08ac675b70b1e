"""A vision transformer of single frames.

References: Dosovitskiy et al., "An image is worth 16x16 words: transformers for image recognition
at scale" (2021).
"""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vidgen import nn

_CELLS = 8
"""Patches a side, at the most, that a frame falls into."""

_HEADS, _DEPTH = 4, 2


class FrameViT(nnx.Module):
    """A vector a frame: the mean of its patches after they have attended to one another, with
    rotary places on both axes.

    Args:
        shape: [H W C] of a frame.
        width: of the vector, a multiple of 16.
        rngs: source of the initial weights.
    """

    def __init__(self, shape: tuple[int, ...], width: int, *, rngs: nnx.Rngs) -> None:
        side = max(1, -(-max(shape[:2]) // _CELLS))
        self.patch = (1, side, side)
        self.cells = nn.patch_grid((1, *shape[:2]), self.patch)[1:]
        self.embed = nnx.Linear(side * side * shape[2], width, rngs=rngs)
        draw = nnx.initializers.normal(0.1)
        # Rotary places tell how far patches are apart; where they are is for these to say.
        self.place = nnx.Param(draw(rngs.params(), (self.cells[0] * self.cells[1], width)))
        self.encoder = nn.Encoder(width, _HEADS, _DEPTH, rngs=rngs)
        self.head_width = width // _HEADS

    def __call__(self, video: Float[Array, "B T H W C"]) -> Float[Array, "B T D"]:
        """The vector of each frame, pixels in [-1, 1]."""
        B, T = video.shape[:2]
        patches = nn.patchify(video, self.patch)
        x = self.embed(patches.reshape(B * T, -1, patches.shape[-1])) + self.place.get_value()[None]
        angles = nn.rotary_angles(jnp.asarray(nn.grid(*self.cells)), self.head_width)
        return self.encoder(x, angles=angles).mean(axis=1).reshape(B, T, -1)
