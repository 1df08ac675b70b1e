"""Transformer blocks, encoder and decoder, pre-normalised."""

from __future__ import annotations

from collections.abc import Sequence

import jax
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Bool, Float, Int

from vidgen.nn.attention import Attention, Cache, KeyValues, causal_mask
from vidgen.nn.remat import recomputed


class FeedForward(nnx.Module):
    """Two layers with a GELU between them, `expansion` times as wide inside.

    With `zero` it starts with an output of 0, for a residual; without where a gate does.
    """

    def __init__(
        self, width: int, *, expansion: float = 4.0, zero: bool = True, rngs: nnx.Rngs
    ) -> None:
        hidden = int(width * expansion)
        last = initializers.zeros if zero else initializers.lecun_normal()
        self.widen = nnx.Linear(width, hidden, rngs=rngs)
        self.narrow = nnx.Linear(hidden, width, kernel_init=last, rngs=rngs)

    def __call__(self, x: Float[Array, "*axes D"]) -> Float[Array, "*axes D"]:
        """Each token by itself."""
        return self.narrow(jax.nn.gelu(self.widen(x)))


class Block(nnx.Module):
    """Self attention, then, with `source_width`, cross attention, then a feed-forward network.

    Args:
        width: features of a token.
        heads: attention heads.
        source_width: features of what a decoder attends to; None makes an encoder block.
        expansion: width of the feed-forward network over `width`.
        rngs: source of the initial weights.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        source_width: int | None = None,
        expansion: float = 4.0,
        rngs: nnx.Rngs,
    ) -> None:
        self.attention_norm = nnx.RMSNorm(width, rngs=rngs)
        self.attention = Attention(width, heads, rngs=rngs)
        if source_width is not None:
            self.cross_norm = nnx.RMSNorm(width, rngs=rngs)
            self.cross = Attention(width, heads, source_width=source_width, null=True, rngs=rngs)
        self.forward_norm = nnx.RMSNorm(width, rngs=rngs)
        self.forward = FeedForward(width, expansion=expansion, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "B N D"],
        source: Float[Array, "B M S"] | KeyValues | None = None,
        *,
        mask: Bool[Array, "..."] | None = None,
        source_mask: Bool[Array, "..."] | None = None,
        angles: Float[Array, "N half"] | None = None,
    ) -> Float[Array, "B N D"]:
        """All tokens at once. Masks as in `Attention`; `source` only for a decoder block."""
        x = x + self.attention(self.attention_norm(x), mask=mask, angles=angles)
        if source is not None:
            x = x + self.cross(self.cross_norm(x), source, mask=source_mask)
        return x + self.forward(self.forward_norm(x))

    def step(
        self,
        x: Float[Array, "B 1 D"],
        cache: Cache,
        index: Int[Array, ""],
        source: Cache | None = None,
        *,
        source_mask: Bool[Array, "B M"] | None = None,
        angles: Float[Array, "1 half"] | None = None,
    ) -> tuple[Float[Array, "B 1 D"], Cache]:
        """One token over a cache; gives what `__call__` under a causal mask gives there."""
        y, cache = self.attention.step(self.attention_norm(x), cache, index, angles=angles)
        x = x + y
        if source is not None:
            x = x + self.cross.look(self.cross_norm(x), source, mask=source_mask)
        return x + self.forward(self.forward_norm(x)), cache


class Encoder(nnx.Module):
    """A stack of bidirectional blocks and a last normalisation. With `remat` what a block computes
    is computed again for its gradient, here and in `Decoder`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        depth: int,
        *,
        expansion: float = 4.0,
        remat: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        self.remat = remat
        self.blocks = nnx.List(
            [Block(width, heads, expansion=expansion, rngs=rngs) for _ in range(depth)]
        )
        self.norm = nnx.RMSNorm(width, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "B N D"],
        *,
        mask: Bool[Array, "..."] | None = None,
        angles: Float[Array, "N half"] | None = None,
    ) -> Float[Array, "B N D"]:
        """Every token sees every token that the mask shows."""
        for block in self.blocks:
            x = recomputed(block.__call__, self.remat)(x, mask=mask, angles=angles)
        return self.norm(x)


class Decoder(nnx.Module):
    """A stack of causal blocks that also attend to a source, and a last normalisation."""

    def __init__(
        self,
        width: int,
        heads: int,
        depth: int,
        *,
        source_width: int,
        expansion: float = 4.0,
        remat: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        self.remat = remat
        self.blocks = nnx.List(
            [
                Block(width, heads, source_width=source_width, expansion=expansion, rngs=rngs)
                for _ in range(depth)
            ]
        )
        self.norm = nnx.RMSNorm(width, rngs=rngs)

    def __call__(
        self,
        x: Float[Array, "B N D"],
        source: Float[Array, "B M S"],
        *,
        source_mask: Bool[Array, "..."] | None = None,
        angles: Float[Array, "N half"] | None = None,
    ) -> Float[Array, "B N D"]:
        """Teacher forcing: every token sees itself, earlier ones, and the source."""
        mask = causal_mask(x.shape[1])
        for block in self.blocks:
            x = recomputed(block.__call__, self.remat)(
                x, source, mask=mask, source_mask=source_mask, angles=angles
            )
        return self.norm(x)

    def memory(self, source: Float[Array, "B M S"]) -> Sequence[Cache]:
        """Each block's keys and values over the source, for `step`."""
        return [block.cross.remember(source) for block in self.blocks]

    def empty_caches(self, batch: int, length: int) -> Sequence[Cache]:
        """Each block's cache for `length` tokens."""
        return [block.attention.empty_cache(batch, length) for block in self.blocks]

    def step(
        self,
        x: Float[Array, "B 1 D"],
        caches: Sequence[Cache],
        index: Int[Array, ""],
        memory: Sequence[Cache],
        *,
        source_mask: Bool[Array, "B M"] | None = None,
        angles: Float[Array, "1 half"] | None = None,
    ) -> tuple[Float[Array, "B 1 D"], Sequence[Cache]]:
        """One token; equals `__call__` at `index` once the caches hold what came before."""
        grown = []
        for block, cache, source in zip(self.blocks, caches, memory, strict=True):
            x, cache = block.step(x, cache, index, source, source_mask=source_mask, angles=angles)
            grown.append(cache)
        return self.norm(x), grown
