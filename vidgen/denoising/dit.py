"""A transformer over space-time patches whose blocks begin as the identity."""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.denoising.attention import check_heads, kind_over
from vidgen.denoising.config import DenoisingConfig
from vidgen.denoising.denoiser import CONDITION_WIDTH, Denoiser, Embedding, fit, shown_channels
from vidgen.types import Condition, Task, Video


class DiT(Denoiser):
    """Attention over tokens of a few frames, rows and columns each, at one resolution throughout.

    Positions are told twice: by rotary angles on all axes in attention, which are relative, and by
    fixed sinusoids of row and column that are added to the tokens; a frame's place in the clip is
    part of what steers its tokens.

    Args:
        config: `DenoisingConfig.dit`.
        task: shapes of the clips.
        interval: as in `Hybrid`.
        rngs: source of the initial weights.

    Raises:
        ValueError: if patches do not divide the clip, or heads the width.

    References: Peebles & Xie, "Scalable diffusion models with transformers" (2023); Ma et al.,
    "Latte: latent diffusion transformer for video generation" (2024), section 3.1, for attention
    factorised within a block (variant 3); Chen et al., "PixArt-alpha" (2024), section 2.3, for
    attention to the words, without a gate of its own.
    """

    def __init__(
        self,
        config: DenoisingConfig,
        task: Task,
        *,
        interval: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        sizes = config.dit
        width, self.patch = sizes.width, (sizes.temporal_patch, sizes.patch, sizes.patch)
        advice = "choose another dit.temporal_patch or dit.patch"
        fit(task, self.patch, "dit.temporal_patch, dit.patch and dit.patch", advice)
        if width % 4:
            raise ValueError(
                f"dit.width must be a multiple of 4, for sinusoids of rows and columns, got {width}"
            )
        kind = kind_over(sizes.attention, task.frames // sizes.temporal_patch)
        check_heads("dit", width, sizes.heads, kind)
        self.channels, self.steps = task.channels, task.frames // sizes.temporal_patch
        pixels = sizes.temporal_patch * sizes.patch**2
        self.stem = nnx.Linear(pixels * shown_channels(task), width, rngs=rngs)
        super().__init__(config, task, rngs=rngs)
        self.blocks = nnx.List(
            [
                DiTBlock(width, sizes.heads, task.text_width, kind, sizes.expansion, rngs=rngs)
                for _ in range(sizes.depth)
            ]
        )
        self.head_norm = nnx.RMSNorm(width, rngs=rngs)
        self.head = nnx.Linear(
            width, pixels * task.channels, kernel_init=initializers.zeros, rngs=rngs
        )
        self.interval_embed = (
            Embedding(config.time_frequency, zero=True, rngs=rngs) if interval else None
        )

    def _predict(
        self, seen: Float[Array, "B T H W S"], steer: Float[Array, "B T E"], condition: Condition
    ) -> Video:
        x = self.stem(nn.patchify(seen, self.patch))
        x = x + _places(*x.shape[2:])[None, None]
        steer = steer.reshape(len(steer), -1, self.patch[0], steer.shape[-1]).mean(axis=2)
        for block in self.blocks:
            x = self._through(block, x, steer, condition)
        y = self.head(self.head_norm(x))
        T, H, W = seen.shape[1:4]
        return nn.unpatchify(y, self.patch, (T, H, W, self.channels))


class DiTBlock(nnx.Module):
    """Space-time attention, attention to the words and a feed-forward network (adaLN-Zero).

    Args:
        width: features of a token.
        heads: attention heads.
        text_width: features of a word.
        kind: as in `nn.SpaceTimeAttention`.
        expansion: as in `nn.FeedForward`.
        rngs: source of the initial weights.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        text_width: int,
        kind: str,
        expansion: float,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.attention_norm = nn.AdaptiveNorm(width, CONDITION_WIDTH, rngs=rngs)
        # The gates are zero at first, and would get no gradient from layers that are zero too.
        self.attention = nn.SpaceTimeAttention(width, heads, kind=kind, zero=False, rngs=rngs)  # type: ignore[arg-type]
        self.words_norm = nnx.RMSNorm(width, rngs=rngs)
        self.words = nn.Attention(width, heads, source_width=text_width, null=True, rngs=rngs)
        self.forward_norm = nn.AdaptiveNorm(width, CONDITION_WIDTH, rngs=rngs)
        self.forward = nn.FeedForward(width, expansion=expansion, zero=False, rngs=rngs)

    def __call__(
        self, x: Float[Array, "B T H W D"], steer: Float[Array, "B T E"], condition: Condition
    ) -> Float[Array, "B T H W D"]:
        y, gate = self.attention_norm(x, steer)
        x = x + gate * self.attention(y)
        flat = x.reshape(x.shape[0], -1, x.shape[-1])
        told = self.words(self.words_norm(flat), condition.text, mask=condition.text_mask)
        x = x + told.reshape(x.shape)
        y, gate = self.forward_norm(x, steer)
        return x + gate * self.forward(y)


def _places(rows: int, columns: int, width: int) -> Float[Array, "{rows} {columns} {width}"]:
    """Sinusoids of the row in the first half of the features, of the column in the second."""
    half = (rows, columns, width // 2)
    down = nn.sinusoids(jnp.arange(rows, dtype=jnp.float32), width // 2, longest=100.0)
    along = nn.sinusoids(jnp.arange(columns, dtype=jnp.float32), width // 2, longest=100.0)
    return jnp.concatenate(
        [jnp.broadcast_to(down[:, None], half), jnp.broadcast_to(along[None], half)], axis=-1
    )
