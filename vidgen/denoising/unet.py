"""A 3-D U-Net: convolutions over each frame at several resolutions, frames mixed by attention."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.denoising.attention import ConditionedAttention, check_heads, kind_over
from vidgen.denoising.config import DenoisingConfig
from vidgen.denoising.denoiser import CONDITION_WIDTH, Denoiser, Embedding, fit, shown_channels
from vidgen.types import Condition, Task, Video

_HALF = (1, 2, 2)


class UNet(Denoiser):
    """Residual blocks of convolutions, with factorised space-time attention where a level has it.

    Each level halves rows and columns, never frames. What a block gives on the way in is shown to
    its counterpart on the way out. Frames meet in attention over time alone, whose positions are
    relative, so that a clip of one frame is a picture to the same weights.

    Args:
        config: `DenoisingConfig.unet`.
        task: shapes of the clips.
        interval: as in `Hybrid`.
        rngs: source of the initial weights.

    Raises:
        ValueError: if patches and levels do not divide the clip, heads do not divide a level's
            width, or the levels have not one kind of attention each.

    References: Ho et al., "Video diffusion models" (2022), section 3, for a U-Net whose
    convolutions are over space and whose attention is factorised; Ho et al., "Denoising diffusion
    probabilistic models" (2020), appendix B, and Dhariwal & Nichol, "Diffusion models beat GANs on
    image synthesis" (2021), section 3, for levels, skips and adaptive norms; Hoogeboom et al.,
    "simple diffusion" (2023), for patches in place of the finest levels and as many blocks on the
    way out as on the way in. Unlike there, norms are by root mean square, and positions in time are
    rotary.
    """

    def __init__(
        self,
        config: DenoisingConfig,
        task: Task,
        *,
        interval: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        sizes = config.unet
        levels, patch = len(sizes.multipliers), sizes.patch
        unit = patch * 2 ** (levels - 1)
        advice = "choose another unet.patch, or fewer unet.multipliers and unet.attention"
        fit(task, (1, unit, unit), "unet.patch, doubled by every level but the first", advice)
        if len(sizes.attention) != levels:
            raise ValueError(
                f"unet.attention names {len(sizes.attention)} levels and unet.multipliers "
                f"{levels}; give both one entry a level"
            )
        widths = [sizes.width * multiplier for multiplier in sizes.multipliers]
        kinds = [kind_over(kind, task.frames) for kind in sizes.attention]
        for width, kind in zip(widths, kinds, strict=True):
            check_heads("unet", width, sizes.heads, kind)

        def block(inputs: int, level: int, *, attention: bool = True) -> UNetBlock:
            kind = kinds[level] if attention else "none"
            return UNetBlock(inputs, widths[level], sizes.heads, task.text_width, kind, rngs=rngs)

        self.patch, self.channels, self.steps = (1, patch, patch), task.channels, task.frames
        self.stem = nn.Conv(patch * patch * shown_channels(task), widths[0], (1, 3, 3), rngs=rngs)
        super().__init__(config, task, rngs=rngs)
        into, down, out, up = [], [], [], []
        more, last = sizes.blocks - 1, levels - 1
        for level, width in enumerate(widths):
            before = widths[max(level - 1, 0)]
            inputs = [before, *[width] * more]
            into.append(nnx.List([block(each, level) for each in inputs]))
            if level < last:
                down.append(nnx.Linear(4 * width, width, rngs=rngs))
        self.into, self.down = nnx.List(into), nnx.List(down)
        self.middle = nnx.List(
            [block(widths[last], last), block(widths[last], last, attention=False)]
        )
        for level, width in reversed(list(enumerate(widths))):
            before = widths[min(level + 1, last)]
            inputs = [before + width, *[2 * width] * more]
            out.append(nnx.List([block(each, level) for each in inputs]))
            if level:
                up.append(nnx.Linear(width, 4 * width, rngs=rngs))
        self.out, self.up = nnx.List(out), nnx.List(up)
        width = widths[0]
        self.head_norm = nnx.RMSNorm(width, rngs=rngs)
        self.head = nn.Conv(width, patch * patch * task.channels, (1, 3, 3), zero=True, rngs=rngs)
        self.interval_embed = (
            Embedding(config.time_frequency, zero=True, rngs=rngs) if interval else None
        )

    def _predict(
        self, seen: Float[Array, "B T H W S"], steer: Float[Array, "B T E"], condition: Condition
    ) -> Video:
        x = self.stem(nn.patchify(seen, self.patch))
        kept = []
        for level, blocks in enumerate(self.into):
            for block in blocks:
                x = self._through(block, x, steer, condition)
                kept.append(x)
            if level < len(self.down):
                x = self.down[level](nn.patchify(x, _HALF))
        for block in self.middle:
            x = self._through(block, x, steer, condition)
        for level, blocks in enumerate(self.out):
            for block in blocks:
                x = jnp.concatenate([x, kept.pop()], axis=-1)
                x = self._through(block, x, steer, condition)
            if level < len(self.up):
                T, H, W, D = x.shape[1:]
                x = nn.unpatchify(self.up[level](x), _HALF, (T, 2 * H, 2 * W, D))
        y = self.head(jax.nn.silu(self.head_norm(x)))
        T, H, W = seen.shape[1:4]
        return nn.unpatchify(y, self.patch, (T, H, W, self.channels))


class UNetBlock(nnx.Module):
    """Two convolutions over each frame, the second steered, then attention if there is any.

    Args:
        inputs: features of a cell that comes in.
        width: features of a cell that goes out.
        heads: attention heads.
        text_width: features of a word.
        kind: as in `LevelAttention`.
        rngs: source of the initial weights.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        heads: int,
        text_width: int,
        kind: str,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.first_norm = nnx.RMSNorm(inputs, rngs=rngs)
        self.first = nn.Conv(inputs, width, (1, 3, 3), rngs=rngs)
        self.second_norm = nn.AdaptiveNorm(width, CONDITION_WIDTH, rngs=rngs)
        self.second = nn.Conv(width, width, (1, 3, 3), zero=True, rngs=rngs)
        self.past = nnx.Linear(inputs, width, rngs=rngs) if inputs != width else None
        self.attention = (
            ConditionedAttention(width, heads, CONDITION_WIDTH, text_width, kind, rngs=rngs)
            if kind != "none"
            else None
        )

    def __call__(
        self, x: Float[Array, "B T H W I"], steer: Float[Array, "B T E"], condition: Condition
    ) -> Float[Array, "B T H W D"]:
        y = self.first(jax.nn.silu(self.first_norm(x)))
        y, gate = self.second_norm(y, steer)
        y = (1.0 + gate) * self.second(jax.nn.silu(y))
        x = y + (x if self.past is None else self.past(x))
        return x if self.attention is None else self.attention(x, steer, condition)
