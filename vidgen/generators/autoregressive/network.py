"""The prior: a transformer that reads the condition and predicts the codes one after another."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Bool, Float, Int

from vidgen.generators.autoregressive.config import PriorConfig
from vidgen.generators.autoregressive.neighbours import neighbours
from vidgen.nn import Conv, Decoder, Encoder, KeyValues, grid, rotary_angles
from vidgen.tokenizers import patchify
from vidgen.tokenizers.patches import Sizes
from vidgen.types import Condition, Task


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Prompt:
    """A condition as the decoder reads it.

    Attributes:
        source: float [B M D], the encoder's tokens.
        mask: bool [B M], which of them are there.
        local: float [B S D], what each of the S columns of the code grid is told of the condition.
    """

    source: Float[Array, "B M D"]
    mask: Bool[Array, "B M"]
    local: Float[Array, "B S D"]


class Prior(nnx.Module):
    """Encoder over text and context, decoder over codes.

    The encoder's tokens are a summary, the words, and for each column of the code grid one token
    that holds the context's pixels there. The decoder attends to all of them. Besides, each code is
    told outright the summary, its own column's token and the codes around it, so that these
    correspondences need not be discovered.

    Args:
        config: sizes.
        task: shape of the clips and captions.
        code_grid: (t, h, w) codes of a clip, N in all.
        code_patch: (frames, height, width) in pixels that a code stands for.
        size: V, codes to choose from.
        table_width: features of what a code stands for.
        rngs: source of the initial weights.

    References: Vaswani et al., "Attention is all you need" (2017); on codes of video: Yan et al.,
    "VideoGPT" (2021).
    """

    def __init__(
        self,
        config: PriorConfig,
        task: Task,
        *,
        code_grid: Sizes,
        code_patch: Sizes,
        size: int,
        table_width: int,
        rngs: nnx.Rngs,
    ) -> None:
        width, heads = config.width, config.heads
        self.code_grid, self.heads = code_grid, heads
        self.length, self.cells = code_grid[0] * code_grid[1] * code_grid[2], code_grid[1:]
        columns = code_grid[1] * code_grid[2]
        draw = initializers.normal(0.02)

        self.summary_embed = nnx.Param(draw(rngs.params(), (1, width)))
        self.text_stem = nnx.Linear(task.text_width, width, rngs=rngs)
        self.text_embed = nnx.Param(draw(rngs.params(), (task.text_length, width)))
        self.context_patch = (task.context_frames, *code_patch[1:])
        if task.context_frames:
            pixels = code_patch[1] * code_patch[2] * task.channels + 1
            # What moves into a column comes from the columns around it.
            self.context_stem = Conv(task.context_frames * pixels, width, (3, 3), rngs=rngs)
            self.context_embed = nnx.Param(draw(rngs.params(), (columns, width)))
        self.encoder = Encoder(
            width, heads, config.encoder_depth, expansion=config.expansion, rngs=rngs
        )
        self.summary_out = nnx.Linear(width, width, rngs=rngs)
        self.context_out = nnx.Linear(width, width, rngs=rngs) if task.context_frames else None

        around = neighbours(code_grid).shape[1]
        self.code_stem = nnx.Linear(table_width, config.code_width, rngs=rngs)
        self.code_embed = nnx.Param(draw(rngs.params(), (size, config.code_width)))
        self.nowhere_embed = nnx.Param(draw(rngs.params(), (1, config.code_width)))
        self.join = nnx.Linear(around * config.code_width, width, rngs=rngs)
        self.place_embed = nnx.Param(draw(rngs.params(), (self.length, width)))
        self.decoder = Decoder(
            width,
            heads,
            config.decoder_depth,
            source_width=width,
            expansion=config.expansion,
            rngs=rngs,
        )
        self.code_head = nnx.Linear(width, size, use_bias=False, kernel_init=draw, rngs=rngs)
        self.table_head = nnx.Linear(table_width, width, rngs=rngs)
        self.table_stem = nnx.Linear(table_width, width, rngs=rngs)
        self.table_mix = nnx.Linear(width, width + 1, kernel_init=initializers.zeros, rngs=rngs)

    def encode(self, condition: Condition) -> Prompt:
        """Read the condition, once a clip."""
        B = condition.batch_size
        summary = jnp.broadcast_to(self.summary_embed[None], (B, *self.summary_embed.shape))
        text = self.text_stem(condition.text) + self.text_embed[None]
        parts, masks = [summary, text], [jnp.ones((B, 1), bool), condition.text_mask]
        if self.context_out is not None:
            parts.append(self._columns(condition))
            # An absent context is told by its features, so that columns always carry positions.
            masks.append(jnp.ones(parts[-1].shape[:2], bool))
        mask = jnp.concatenate(masks, axis=1)
        source = self.encoder(
            jnp.concatenate(parts, axis=1),
            mask=jnp.broadcast_to(mask[:, None], (B, mask.shape[1], mask.shape[1])),
        )
        local = self.summary_out(source[:, :1])
        columns = self.cells[0] * self.cells[1]
        if self.context_out is not None:
            local = local + self.context_out(source[:, -columns:])
        local = jnp.broadcast_to(local, (B, columns, local.shape[-1]))
        return Prompt(source=source, mask=mask, local=local)

    def __call__(
        self, codes: Int[Array, "B N"], table: Float[Array, "V F"], prompt: Prompt
    ) -> Float[Array, "B N V"]:
        """Logits of every code given the ones before it (teacher forcing).

        Args:
            codes: in raster order over (t, h, w).
            table: what each of the V codes stands for, `Tokenizer.table`.
            prompt: the condition.
        """
        told = jnp.concatenate([self.tell(table)[codes], self.nowhere(len(codes), 1)], axis=1)
        around = told[:, neighbours(self.code_grid)]
        local = jnp.tile(prompt.local, (1, self.code_grid[0], 1))
        x = self.join(around.reshape(*codes.shape, -1)) + local + self.place_embed[None]
        x = self.decoder(x, prompt.source, source_mask=prompt.mask, angles=self.angles)
        return self._logits(x, table)

    def step(
        self,
        told: Float[Array, "B N1 E"],
        index: Int[Array, ""],
        table: Float[Array, "V F"],
        prompt: Prompt,
        caches: Sequence[KeyValues],
        memory: Sequence[KeyValues],
    ) -> tuple[Float[Array, "B V"], Sequence[KeyValues]]:
        """Logits of the code at `index`, and the grown caches.

        Args:
            told: rows of `tell` of the codes so far; the last row is `nowhere`.
            index: of the code asked for.
            table: what each of the V codes stands for, `Tokenizer.table`.
            prompt: the condition.
            caches: `decoder.empty_caches`, or what the step at index - 1 returned.
            memory: `decoder.memory` of the prompt's source.
        """
        around = told[:, jnp.asarray(neighbours(self.code_grid))[index]]
        local = jnp.take(prompt.local, index % prompt.local.shape[1], axis=1)
        place = jnp.take(self.place_embed.get_value(), index, axis=0)
        x = self.join(around.reshape(len(told), -1)) + local + place[None]
        angles = jnp.take(self.angles, index, axis=0)[None]
        x, caches = self.decoder.step(
            x[:, None], caches, index, memory, source_mask=prompt.mask, angles=angles
        )
        return self._logits(x, table)[:, 0], caches

    def tell(self, table: Float[Array, "V F"]) -> Float[Array, "V E"]:
        """What neighbours are told of each code: what it stands for, and what is its own."""
        return self.code_stem(table) + self.code_embed.get_value()

    def nowhere(self, batch: int, rows: int) -> Float[Array, "B N E"]:
        """What stands in for codes that are not there or not drawn yet."""
        nowhere = self.nowhere_embed.get_value()[None]
        return jnp.broadcast_to(nowhere, (batch, rows, nowhere.shape[-1]))

    @property
    def angles(self) -> Float[Array, "N half"]:
        """Rotary angles of the codes."""
        width = self.place_embed.shape[-1]
        return rotary_angles(jnp.asarray(grid(*self.code_grid)), width // self.heads)

    def _columns(self, condition: Condition) -> Float[Array, "B S D"]:
        cut = patchify(condition.context, self.context_patch)[:, 0]
        given = condition.context_mask.astype(cut.dtype)[:, None, None]
        given = jnp.broadcast_to(given, (*cut.shape[:3], given.shape[-1]))
        x = self.context_stem(jnp.concatenate([cut, given], axis=-1))
        return x.reshape(len(x), -1, x.shape[-1]) + self.context_embed[None]

    def _logits(
        self, x: Float[Array, "B N D"], table: Float[Array, "V F"]
    ) -> Float[Array, "B N V"]:
        # A code's weights are its own plus a function of what it stands for: what is learned of
        # one code serves those like it, most of which are rare. The linear part can look for the
        # code nearest to what is wanted, the last of the mixed features being its bias.
        mixed = self.table_mix(jax.nn.gelu(self.table_stem(table)))
        shared = (self.table_head(table) + mixed[:, :-1]).T / x.shape[-1] ** 0.5
        weights = self.code_head.kernel.get_value() + shared
        logits = x @ weights + mixed[None, None, :, -1]
        return logits.astype(jnp.float32)
