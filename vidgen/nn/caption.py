"""A small trainable reading of the frozen word features."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Bool, Float


class Caption(nnx.Module):
    """One vector a caption: every word and its place through two layers, then a masked mean.

    Places make the order of words count ("up then down" is not "down then up"). A learned null
    word is always among the words, so that a masked caption has a vector of its own.

    Args:
        length: words of a caption.
        word_width: features of a word.
        width: features of the result.
        rngs: source of the initial weights.
    """

    def __init__(self, length: int, word_width: int, width: int, *, rngs: nnx.Rngs) -> None:
        draw = initializers.normal(0.5)
        self.word = nnx.Linear(word_width, width, rngs=rngs)
        self.place = nnx.Param(draw(rngs.params(), (length, width)))
        self.null = nnx.Param(draw(rngs.params(), (width,)))
        self.out = nnx.Linear(width, width, use_bias=False, rngs=rngs)
        self.norm = nnx.RMSNorm(width, rngs=rngs)

    def __call__(
        self, text: Float[Array, "B L D"], mask: Bool[Array, "B L"]
    ) -> Float[Array, "B E"]:
        """Read the words that the mask shows."""
        words = jax.nn.gelu(self.word(text) + self.place.get_value()[None])
        total = jnp.sum(jnp.where(mask[..., None], words, 0.0), axis=1)
        count = 1.0 + jnp.sum(mask, axis=1, dtype=jnp.float32)[:, None]
        mean = (total + self.null.get_value()[None]) / count
        return self.norm(self.out(mean))
