"""The prior: a transformer that reads the condition and predicts codes, digit after digit."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Bool, Float, Int

from vidgen.generators.autoregressive.config import PriorConfig
from vidgen.generators.autoregressive.neighbours import NEIGHBOURS, neighbours, surroundings
from vidgen.nn import Conv, Decoder, Encoder, KeyValues, grid, rotary_angles
from vidgen.nn.patches import Sizes, patchify
from vidgen.types import Condition, Task


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Prompt:
    """A condition as the decoder reads it.

    Attributes:
        source: float [B M D], the encoder's tokens.
        mask: bool [B M], which of them are there.
        local: float [B N D], what each code is told of the condition.
    """

    source: Float[Array, "B M D"]
    mask: Bool[Array, "B M"]
    local: Float[Array, "B N D"]


class DigitHead(nnx.Module):
    """The distribution of a code, digit by digit: each digit given a feature and those before it.

    A code of many values is a number of few-valued digits (the features of finite scalar
    quantisation; one digit for a codebook of vectors). Their product may have far more values than
    a softmax could learn one by one, and what is learned of a digit serves all codes that share it.
    In training all digits are seen at once through a mask, as in MADE.

    Args:
        width: features of a token.
        hidden: features of each digit.
        levels: how many values each of the G digits takes, at most L.
        rngs: source of the initial weights.

    References: Germain et al., "MADE: masked autoencoder for distribution estimation" (2015).
    """

    def __init__(self, width: int, hidden: int, levels: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        G, L = len(levels), max(levels)
        self.levels, self.hidden = levels, hidden
        self.wide = nnx.Linear(width, G * hidden, rngs=rngs)
        draw = initializers.normal(0.1)
        self.earlier_embed = nnx.Param(draw(rngs.params(), (G, L, G, hidden)))
        self.out_head = nnx.Param(initializers.zeros(rngs.params(), (G, hidden, L)))
        self.bias_head = nnx.Param(jnp.zeros((G, L)))

    def __call__(
        self, x: Float[Array, "*axes D"], digits: Int[Array, "*axes G"]
    ) -> Float[Array, "*axes G L"]:
        """Logits of every digit given the feature and the digits before it; -inf beyond a level."""
        return self.logits(self.features(x) + self.told(digits))

    def features(self, x: Float[Array, "*axes D"]) -> Float[Array, "*axes G E"]:
        """What the token says to each digit."""
        return self.wide(x).reshape(*x.shape[:-1], len(self.levels), self.hidden)

    def told(self, digits: Int[Array, "*axes G"]) -> Float[Array, "*axes G E"]:
        """What each digit is told of those before it."""
        G, L = len(self.levels), max(self.levels)
        before = jnp.triu(jnp.ones((G, G)), k=1)[:, None, :, None]
        table = (self.earlier_embed.get_value() * before).reshape(G * L, -1)
        chosen = jax.nn.one_hot(digits, L).reshape(*digits.shape[:-1], -1)
        return (chosen @ table).reshape(*digits.shape[:-1], G, self.hidden)

    def logits(self, features: Float[Array, "*axes G E"]) -> Float[Array, "*axes G L"]:
        """From the sum of `features` and `told`."""
        out = self.out_head.get_value()
        logits = jnp.einsum("...ge,gel->...gl", jax.nn.gelu(features), out)
        logits = logits + jnp.expand_dims(self.bias_head.get_value(), tuple(range(logits.ndim - 2)))
        valid = np.arange(max(self.levels)) < np.asarray(self.levels)[:, None]
        valid = jnp.expand_dims(valid, tuple(range(logits.ndim - 2)))
        return jnp.where(valid, logits.astype(jnp.float32), -jnp.inf)


class Prior(nnx.Module):
    """Encoder over text and context, decoder over codes.

    The encoder's tokens are a summary, the words, and for each column of the code grid one token
    that holds the context's pixels there. The decoder attends to all of them. Besides, each code is
    told outright the summary, its own column's token, the codes around it and, after the first
    frames, what motion compensation expects in its place, so that these correspondences need not be
    discovered.

    Args:
        config: sizes.
        task: shape of the clips and captions.
        code_grid: (t, h, w) codes of a clip, N in all.
        code_patch: (frames, height, width) in pixels that a code stands for.
        levels: how many values each of the G digits of a code takes.
        told_width: features of what a code stands for, `Tokenizer.dictionary`.
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
        levels: tuple[int, ...],
        told_width: int,
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

        self.code_stem = nnx.Linear(told_width, config.code_width, rngs=rngs)
        self.nowhere_embed = nnx.Param(draw(rngs.params(), (1, config.code_width)))
        self.join = nnx.Linear(len(NEIGHBOURS) * config.code_width, width, rngs=rngs)
        self.place_embed = nnx.Param(draw(rngs.params(), (self.length, width)))
        self.expected_stem = nnx.Linear(told_width, width, rngs=rngs)
        self.decoder = Decoder(
            width,
            heads,
            config.decoder_depth,
            source_width=width,
            expansion=config.expansion,
            rngs=rngs,
        )
        self.head = DigitHead(width, config.digit_width, levels, rngs=rngs)

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
        local = jnp.tile(local, (1, self.code_grid[0], 1))
        return Prompt(source=source, mask=mask, local=local)

    def expecting(self, prompt: Prompt, told: Float[Array, "B N F"], opening: int) -> Prompt:
        """The prompt with what is expected in the place of each code.

        Args:
            prompt: the condition.
            told: what the expected codes stand for, `Tokenizer.dictionary`.
            opening: how many codes come before the expectation begins, and must not be told it.
        """
        later = (jnp.arange(self.length) >= opening)[None, :, None]
        local = prompt.local + jnp.where(later, self.expected_stem(told), 0.0)
        return dataclasses.replace(prompt, local=local)

    def __call__(
        self,
        told: Float[Array, "B M F"],
        digits: Int[Array, "B M G"],
        prompt: Prompt,
    ) -> Float[Array, "B M G L"]:
        """Logits of every digit given the codes and digits before it (teacher forcing).

        Args:
            told: what the first M codes stand for, `Tokenizer.dictionary`, in raster order over
                (t, h, w); whole steps on the time axis.
            digits: of the same codes.
            prompt: the condition.
        """
        B, M, _ = told.shape
        grid_of_codes = self.read(told).reshape(B, -1, *self.cells, self.nowhere_embed.shape[-1])
        around = surroundings(grid_of_codes, self.nowhere_embed.get_value()[0])
        x = self.join(around.reshape(B, M, -1)) + prompt.local[:, :M] + self.place_embed[None, :M]
        x = self.decoder(x, prompt.source, source_mask=prompt.mask, angles=self.angles[:M])
        return self.head(x, digits)

    def step(
        self,
        read: Float[Array, "B N1 E"],
        index: Int[Array, ""],
        prompt: Prompt,
        caches: Sequence[KeyValues],
        memory: Sequence[KeyValues],
    ) -> tuple[Float[Array, "B D"], Sequence[KeyValues]]:
        """The feature from which `head` draws the code at `index`, and the grown caches.

        Args:
            read: `read` of the codes so far; rows not drawn yet, and the last one, are `nowhere`.
            index: of the code asked for.
            prompt: the condition.
            caches: `decoder.empty_caches`, or what the step at index - 1 returned.
            memory: `decoder.memory` of the prompt's source.
        """
        around = read[:, jnp.asarray(neighbours(self.code_grid))[index]]
        local = jnp.take(prompt.local, index, axis=1)
        place = jnp.take(self.place_embed.get_value(), index, axis=0)
        x = self.join(around.reshape(len(read), -1)) + local + place[None]
        angles = jnp.take(self.angles, index, axis=0)[None]
        x, caches = self.decoder.step(
            x[:, None], caches, index, memory, source_mask=prompt.mask, angles=angles
        )
        return x[:, 0], caches

    def read(self, told: Float[Array, "*axes F"]) -> Float[Array, "*axes E"]:
        """What neighbours see of a code."""
        return jax.nn.gelu(self.code_stem(told))

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
