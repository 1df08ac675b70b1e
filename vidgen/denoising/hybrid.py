"""The hybrid: a shallow U over patches, convolutional outside, space-time attention inside.

The outer blocks see small patches: a convolution that is the same for all frames learns shapes
quickly, and a learned mixing of frames carries them along. The middle is space-time attention on
tokens that each cover several frames, which decides where things go. What motion compensation
makes of the first frames is shown beside every later one, and every block is steered by another
vector for each frame.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.denoising.attention import ConditionedAttention
from vidgen.denoising.config import DenoisingConfig
from vidgen.denoising.denoiser import CONDITION_WIDTH, Denoiser, Embedding, fit, shown_channels
from vidgen.types import Condition, Task, Video

_TIME_HEADS = 16


class Hybrid(Denoiser):
    """Convolutions that mix frames around space-time attention on tokens of several frames.

    Args:
        config: widths and depths.
        task: shapes of the clips.
        interval: whether it predicts an average over an interval of times, and is told its length.
            What it makes of that begins at nothing, so that it begins as a network without it.
        rngs: source of the initial weights.

    Raises:
        ValueError: if patches and merges do not divide the clip.

    References: Ho et al., "Video diffusion models" (2022); Hoogeboom et al., "simple diffusion"
    (2023), for the transformer in the middle of a U; Peebles & Xie (2023) for adaptive norms.
    """

    def __init__(
        self,
        config: DenoisingConfig,
        task: Task,
        *,
        interval: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        p, (mt, mh, mw) = config.patch, config.merge
        mt = mt or task.frames
        fit(task, (mt, p * mh, p * mw), "patch x merge", "choose another patch or merge")
        self.patch, self.merge, self.shape = (1, p, p), (mt, mh, mw), task.video_shape
        self.steps = task.frames // mt
        width, middle, cond = config.width, config.middle_width, CONDITION_WIDTH
        self.stem = nnx.Linear(p * p * shown_channels(task), width, rngs=rngs)
        super().__init__(config, task, rngs=rngs)
        outer = lambda: nnx.List(  # noqa: E731
            [ConvBlock(width, cond, task.frames, rngs=rngs) for _ in range(config.depth)]
        )
        self.into, self.out = outer(), outer()
        self.down = nnx.Linear(width * mt * mh * mw, middle, rngs=rngs)
        self.middle = nnx.List(
            [
                MiddleBlock(
                    middle,
                    config.heads,
                    cond,
                    task.text_width,
                    config.attention,
                    task.frames // mt,
                    rngs=rngs,
                )
                for _ in range(config.middle_depth)
            ]
        )
        self.up_norm = nnx.RMSNorm(middle, rngs=rngs)
        self.up = nnx.Linear(middle, width * mt * mh * mw, rngs=rngs)
        self.head_norm = nnx.RMSNorm(width, rngs=rngs)
        self.head = nnx.Linear(
            width, p * p * task.channels, kernel_init=initializers.zeros, rngs=rngs
        )
        # The last to draw, so that the others draw the same with it and without.
        self.interval_embed = (
            Embedding(config.time_frequency, zero=True, rngs=rngs) if interval else None
        )

    def _predict(
        self, seen: Float[Array, "B T H W S"], steer: Float[Array, "B T E"], condition: Condition
    ) -> Video:
        tokens = self.stem(nn.patchify(seen, self.patch))
        middle_steer = steer.reshape(len(steer), -1, self.merge[0], steer.shape[-1]).mean(axis=2)
        for block in self.into:
            tokens = self._through(block, tokens, steer)
        middle = self.down(nn.patchify(tokens, self.merge))
        for block in self.middle:
            middle = self._through(block, middle, middle_steer, condition)
        T, H, W, D = tokens.shape[1:]
        tokens = tokens + nn.unpatchify(self.up(self.up_norm(middle)), self.merge, (T, H, W, D))
        for block in self.out:
            tokens = self._through(block, tokens, steer)
        return nn.unpatchify(self.head(self.head_norm(tokens)), self.patch, self.shape)


class TimeMixing(nnx.Module):
    """Every frame as a learned sum of all frames, other sums for each group of features.

    Attention over time whose weights are the same for every clip: motions here are told by the
    sentence, not found by looking, and a product with a small constant matrix costs little.

    Args:
        frames: T.
        heads: groups of features.
        rngs: source of the initial weights.

    References: Tolstikhin et al., "MLP-Mixer" (2021); Tay et al., "Synthesizer: rethinking
    self-attention" (2021), for attention without looking.
    """

    def __init__(self, frames: int, heads: int, *, rngs: nnx.Rngs) -> None:
        noise = initializers.normal(0.3 / frames**0.5)(rngs.params(), (heads, frames, frames))
        self.mixing = nnx.Param(jnp.eye(frames)[None] + noise)

    def __call__(self, x: Float[Array, "B T H W D"]) -> Float[Array, "B T H W D"]:
        B, T, H, W, D = x.shape
        mixing = self.mixing.get_value()
        groups = x.reshape(B, T, H * W, len(mixing), D // len(mixing))
        return jnp.einsum("gts,bsngc->btngc", mixing, groups).reshape(x.shape)


class ConvBlock(nnx.Module):
    """A convolution over each frame, then mixing over time, steered by the condition.

    Args:
        width: features of a cell.
        condition_width: features of the condition.
        frames: T.
        rngs: source of the initial weights.

    References: Tran et al., "A closer look at spatiotemporal convolutions" (2018), for the two
    halves.
    """

    def __init__(self, width: int, condition_width: int, frames: int, *, rngs: nnx.Rngs) -> None:
        self.norm = nn.AdaptiveNorm(width, condition_width, rngs=rngs)
        self.space = nn.Conv(width, width, (1, 3, 3), rngs=rngs)
        heads = math.gcd(width, _TIME_HEADS)
        self.time = TimeMixing(frames, heads, rngs=rngs) if frames > 1 else None
        self.out = nnx.Linear(width, width, kernel_init=initializers.zeros, rngs=rngs)

    def __call__(
        self, x: Float[Array, "B T H W D"], steer: Float[Array, "B T E"]
    ) -> Float[Array, "B T H W D"]:
        y, gate = self.norm(x, steer)
        y = jax.nn.gelu(self.space(y))
        if self.time is not None:
            y = self.time(y)
        return x + (1.0 + gate) * self.out(y)


class MiddleBlock(ConditionedAttention):
    """Space-time attention, attention to the words, and a convolution for what is near."""

    def __init__(
        self,
        width: int,
        heads: int,
        condition_width: int,
        text_width: int,
        kind: str,
        frames: int,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(width, heads, condition_width, text_width, kind, rngs=rngs)
        self.near = ConvBlock(width, condition_width, frames, rngs=rngs)

    def __call__(
        self, x: Float[Array, "B T H W D"], steer: Float[Array, "B T E"], condition: Condition
    ) -> Float[Array, "B T H W D"]:
        return self.near(super().__call__(x, steer, condition), steer)
