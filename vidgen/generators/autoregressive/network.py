"""The prior: a transformer that reads the condition and predicts codes, digit after digit."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Float, Int

from vidgen.generators.autoregressive.config import CausalPriorConfig
from vidgen.generators.autoregressive.neighbours import NEIGHBOURS, neighbours, surroundings
from vidgen.nn import Cache, Decoder
from vidgen.priors import DigitHead, Prior, Prompt
from vidgen.tokenizers import Tokenizer
from vidgen.types import Task


class CausalPrior(Prior):
    """Encoder over text and context, decoder over codes.

    The decoder attends to all of the encoder's tokens. Besides, each code is told outright the
    codes around it and, after the first frames, what motion compensation expects in its place, so
    that these correspondences need not be discovered.

    Args:
        config: sizes.
        task: shape of the clips and captions.
        tokenizer: over whose codes, N a clip, each of G digits.
        rngs: source of the initial weights.

    References: Vaswani et al., "Attention is all you need" (2017); on codes of video: Yan et al.,
    "VideoGPT" (2021).
    """

    def __init__(
        self, config: CausalPriorConfig, task: Task, tokenizer: Tokenizer, *, rngs: nnx.Rngs
    ) -> None:
        super().__init__(config, task, tokenizer, rngs=rngs)
        width, heads, told_width = config.width, config.heads, tokenizer.told_width
        draw = initializers.normal(0.02)
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
            remat=config.remat,
            rngs=rngs,
        )
        self.head = DigitHead(
            width, config.digit_width, tokenizer.config.quantizer.levels, rngs=rngs
        )

    def expecting(self, prompt: Prompt, told: Float[Array, "B N F"], opening: int) -> Prompt:
        """The prompt with what is expected in the place of each code.

        Args:
            prompt: the condition.
            told: what the expected codes stand for, `Tokenizer.stands_for`.
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
        begin: int = 0,
    ) -> Float[Array, "B M0 G L"]:
        """Logits of every digit given the codes and digits before it (teacher forcing).

        Of the codes before it a place sees those that stand around it or around an earlier place:
        all but the last one of each row, which is seen from the end of the next row on. It is a
        distribution over clips none the less, one of a little less memory.

        Args:
            told: what the first M codes stand for, `Tokenizer.stands_for`, in raster order over
                (t, h, w); whole steps on the time axis.
            digits: of the same codes.
            prompt: the condition.
            begin: of which code on they are asked for, M0 = M - begin.
        """
        B, M, _ = told.shape
        grid_of_codes = self.read(told).reshape(B, -1, *self.cells, self.nowhere_embed.shape[-1])
        around = surroundings(grid_of_codes, self.nowhere_embed.get_value()[0])
        x = self.join(around.reshape(B, M, -1)) + prompt.local[:, :M] + self.place_embed[None, :M]
        x = self.decoder(x, prompt.source, source_mask=prompt.mask, angles=self.angles[:M])
        return self.head(x[:, begin:], digits[:, begin:])

    def step(
        self,
        read: Float[Array, "B N1 E"],
        index: Int[Array, ""],
        prompt: Prompt,
        caches: Sequence[Cache],
        memory: Sequence[Cache],
    ) -> tuple[Float[Array, "B D"], Sequence[Cache]]:
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
