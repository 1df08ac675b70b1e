"""The tokenizer's encoder and decoder: convolutions that never look ahead in time."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vidgen.nn import Conv, recomputed
from vidgen.nn.patches import patchify, unpatchify
from vidgen.tokenizers.config import AutoencoderConfig
from vidgen.types import Task


class ResidualBlock(nnx.Module):
    """A convolution over height and width, then a causal one over time.

    References: Tran et al., "A closer look at spatiotemporal convolutions" (2018).
    """

    def __init__(self, width: int, taps: tuple[int, int], *, rngs: nnx.Rngs) -> None:
        time, space = taps
        self.norm = nnx.RMSNorm(width, rngs=rngs)
        self.space = Conv(width, width, (1, space, space), rngs=rngs)
        self.time = Conv(width, width, (time, 1, 1), padding="causal", zero=True, rngs=rngs)

    def __call__(self, x: Float[Array, "B t h w D"]) -> Float[Array, "B t h w D"]:
        """One frame of cells sees itself and earlier ones."""
        return x + self.time(jax.nn.gelu(self.space(self.norm(x))))


class TokenizerNetwork(nnx.Module):
    """Encoder and decoder around a quantizer or latents, causal in time both ways.

    The first frame has codes of its own: before it the clip is continued into the past by copies of
    it, as many as make it the last frame of a patch. So a given first frame has exact codes, which
    a prior goes on from.

    References: Yu et al., "Language model beats diffusion: tokenizer is key to visual generation"
    (2024), section 3.2, for the first frame by itself.

    Args:
        config: sizes.
        task: shape of the clips.
        rngs: source of the initial weights.
    """

    def __init__(self, config: AutoencoderConfig, task: Task, *, rngs: nnx.Rngs) -> None:
        widths, blocks = config.widths, config.blocks
        pixels = config.patch[0] * config.patch[1] * config.patch[2] * task.channels
        self.patch, self.shape, self.remat = config.patch, task.video_shape, config.remat

        def stages(taps: tuple[int, int]) -> list[list[ResidualBlock]]:
            return [
                [ResidualBlock(width, taps, rngs=rngs) for _ in range(count)]
                for width, count in zip(widths, blocks, strict=True)
            ]

        steps = list(itertools.pairwise(widths))
        self.stem = nnx.Linear(pixels, widths[0], rngs=rngs)
        self.down = nnx.List([nnx.List(blocks) for blocks in stages(config.encoder_taps)])
        self.merge = nnx.List([nnx.Linear(4 * a, b, rngs=rngs) for a, b in steps])
        self.code_norm = nnx.RMSNorm(widths[-1], rngs=rngs)
        self.code_head = nnx.Linear(widths[-1], config.encoded_width, rngs=rngs)

        self.code_stem = nnx.Linear(config.decoded_width, widths[-1], rngs=rngs)
        self.up = nnx.List([nnx.List(blocks) for blocks in stages(config.decoder_taps)])
        self.split = nnx.List([nnx.Linear(b, 4 * a, rngs=rngs) for a, b in steps])
        self.pixel_norm = nnx.RMSNorm(widths[0], rngs=rngs)
        self.pixel_head = nnx.Linear(widths[0], pixels, rngs=rngs)

    def encode(self, video: Float[Array, "B T H W C"]) -> Float[Array, "B t h w E"]:
        """Vectors to be quantised, one for each code; of latents their means and variances."""
        past = jnp.repeat(video[:, :1], self.patch[0] - 1, axis=1)
        video = jnp.concatenate([past, video], axis=1)
        # Padding to the coarsest patch lets every stage halve its grid.
        coarse = (self.patch[0], *(p * 2 ** len(self.merge) for p in self.patch[1:]))
        T, H, W = (-(-n // p) * p for n, p in zip(video.shape[1:4], coarse, strict=True))
        whole = unpatchify(patchify(video, coarse), coarse, (T, H, W, video.shape[-1]))
        x = self.stem(patchify(whole, self.patch))
        for i, blocks in enumerate(self.down):
            if i:
                x = self.merge[i - 1](patchify(x, (1, 2, 2)))
            for block in blocks:
                x = self._through(block, x)
        return self.code_head(self.code_norm(x))

    def decode(self, values: Float[Array, "B t h w D"]) -> Float[Array, "B T H W C"]:
        """The clip that quantised vectors, or latents, stand for."""
        return self.shown(self.paint(values))

    def shown(self, painted: Float[Array, "B t_px h_px w_px C"]) -> Float[Array, "B T H W C"]:
        """Of painted pixels those of the clip."""
        T, H, W, _ = self.shape
        begin = self.patch[0] - 1
        return painted[:, begin : begin + T, :H, :W]

    def paint(self, values: Float[Array, "B t h w D"]) -> Float[Array, "B t_px h_px w_px C"]:
        """Every pixel that vectors stand for, those beyond the clip's ends included."""
        return self.render(self.cells(values))

    def cells(self, values: Float[Array, "B t h w D"]) -> Float[Array, "B t h_px w_px E"]:
        """What the last layer is told of each patch."""
        x = self.code_stem(values)
        for i in reversed(range(len(self.up))):
            for block in self.up[i]:
                x = self._through(block, x)
            if i:
                x = self.split[i - 1](x)
                t, h, w = x.shape[1:4]
                x = unpatchify(x, (1, 2, 2), (t, 2 * h, 2 * w, x.shape[-1] // 4))
        return self.pixel_norm(x)

    def _through(self, block: ResidualBlock, x: Array) -> Array:
        return recomputed(block.__call__, self.remat)(x)

    def render(self, cells: Float[Array, "B t h_px w_px E"]) -> Float[Array, "B t2 h2 w2 C"]:
        """The last layer: the pixels of each patch."""
        t, h, w = (n * p for n, p in zip(cells.shape[1:4], self.patch, strict=True))
        return unpatchify(self.pixel_head(cells), self.patch, (t, h, w, self.shape[-1]))
