"""What a network makes of a layout: a map of what is asked for where, and a vector of all of it.

Both give nothing at all for a clip without a layout, so that a network that was told of none draws
as one that cannot be told.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Bool, Float

from vidgen.types import Layout


class LayoutMap(nnx.Module):
    """Each cell of each frame is told what is to be there: the kinds of the objects whose boxes
    reach into it, each as far as it covers the cell.

    A cell at the edge of a box is covered in part, so that boxes are told to a fraction of a pixel
    at whatever resolution a network sees frames.

    Args:
        text_width: features of an object's kind.
        features: of the map.
        rngs: source of the initial weights.
    """

    def __init__(self, text_width: int, features: int, *, rngs: nnx.Rngs) -> None:
        self.kind = nnx.Linear(text_width, features, rngs=rngs)
        # What is there of whatever kind: a kind whose features are zero still is something.
        draw = initializers.normal(0.5)
        self.presence_embed = nnx.Param(draw(rngs.params(), (features,)))

    def __call__(self, layout: Layout, height: int, width: int) -> Float[Array, "B T h w F"]:
        """The map over frames of `height` x `width` cells."""
        kind = self.kind(layout.kind) + self.presence_embed.get_value()[None, None]
        top, left, bottom, right = jnp.moveaxis(layout.boxes, -1, 0)
        rows = cover(top, bottom, height) * layout.mask[..., None]
        return jnp.einsum("btoh,btow,bof->bthwf", rows, cover(left, right, width), kind)


class LayoutPool(nnx.Module):
    """One vector a layout: every object's kind and whole path through two layers, then their sum.

    Args:
        frames: T.
        text_width: features of an object's kind.
        width: features of the result, which is 0 at first.
        rngs: source of the initial weights.
    """

    def __init__(self, frames: int, text_width: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.path = nnx.Linear(5 * frames, width, rngs=rngs)
        self.kind = nnx.Linear(text_width, width, use_bias=False, rngs=rngs)
        self.out = nnx.Linear(
            width, width, use_bias=False, kernel_init=initializers.zeros, rngs=rngs
        )

    def __call__(self, layout: Layout) -> Float[Array, "B E"]:
        """0 for a clip whose layout is masked away."""
        B, T, objects, _ = layout.boxes.shape
        # In [-1, 1] where a box is said, so that a centre in the middle is not told from nothing
        # by its mask alone.
        said = layout.mask[..., None].astype(jnp.float32)
        path = jnp.concatenate([(2.0 * layout.boxes - 1.0) * said, said], axis=-1)
        path = path.transpose(0, 2, 1, 3).reshape(B, objects, 5 * T)
        read = jax.nn.gelu(self.path(path) + self.kind(layout.kind))
        there: Bool[Array, "B O"] = layout.mask.any(axis=1)
        return self.out(jnp.where(there[..., None], read, 0.0).sum(axis=1))


def cover(
    begin: Float[Array, "*axes"], end: Float[Array, "*axes"], cells: int
) -> Float[Array, "*axes {cells}"]:
    """The share of each of `cells` equal parts of [0, 1] that lies between `begin` and `end`."""
    edge = (jnp.arange(cells) / cells).reshape((1,) * begin.ndim + (cells,))
    inside = jnp.minimum(end[..., None], edge + 1.0 / cells) - jnp.maximum(begin[..., None], edge)
    return jnp.clip(inside * cells, 0.0, 1.0)
