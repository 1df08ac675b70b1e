"""The second phase: the prior learns to predict the frozen tokenizer's codes."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vidgen.contract import Key, TrainState
from vidgen.generators.autoregressive.config import CausalPriorConfig
from vidgen.generators.autoregressive.exposure import Replacements, exposed
from vidgen.generators.autoregressive.network import CausalPrior
from vidgen.nn import codes_of
from vidgen.nn.network import Weights
from vidgen.optim import value_and_grad
from vidgen.priors import Codes, PriorPhase, Prompt, decided, tally
from vidgen.types import Batch, Condition, Metrics, Video


class CausalPriorPhase(PriorPhase[CausalPrior]):
    """Trains the prior by maximum likelihood on the codes of clips.

    Codes that a given context decides are not asked for: when sampling they are given as well. The
    openings of all clips of a batch are read, as of clips from a sentence alone, and some of the
    clips to their end.

    Metrics: ``loss`` (cross-entropy in nats a code), ``accuracy`` (share of codes all of whose
    digits are the likeliest), ``perplexity`` (exp of the loss), and the optimiser's.
    """

    prior = CausalPrior
    config: CausalPriorConfig

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One step on the cross-entropy of the clips' codes."""
        expectation, rows = self.expectation, slice(self.config.continued)
        condition = batch.condition.drop(key, text=self.config.drop_text, both=self.config.drop_all)
        for_motion = self.for_motion(batch.condition, condition)
        begun, whole, expected = self.learned(state, batch.video, for_motion)
        levels = self.tokenizer.config.quantizer.levels
        replacements = Replacements.draw(
            self.config, begun[1], whole[1], levels, jax.random.fold_in(key, 1)
        )
        if self.config.context_noise:
            first = self._misread(state, batch.video, begun, replacements[0])
            known = condition.context.shape[1]
            condition = Condition.of(
                condition.text,
                condition.text_mask,
                first[:, :known],
                condition.context_mask,
                condition.layout,
            )
            begun, whole, expected = self.learned(state, batch.video, for_motion, first)
        told = jax.tree.map(lambda x: x[rows], condition)
        opening = self.for_opening(condition)
        asked = ~decided(self.tokenizer, opening)[:, : expectation.opening]
        drawn = ~decided(self.tokenizer, told)
        exposing = functools.partial(
            exposed,
            config=self.config,
            stands_for=functools.partial(self.stands_for, state),
            progress=progress,
        )
        # Of all rows, so that a part's share is that of its rows.
        count = jnp.sum(asked) + jnp.sum(drawn[:, expectation.opening :])
        count = count.astype(jnp.float32) / self.config.microbatches

        def objective(params: Weights, rows: Any) -> tuple[Array, Array]:
            opening, told, expected, (begun, asked, own), (whole, drawn, other) = rows
            network = self.network.bind(params)
            prompts = network.encode(opening.beside(told))
            alone = jax.tree.map(lambda x: x[: len(asked)], prompts)
            prompt = jax.tree.map(lambda x: x[len(asked) :], prompts)
            prompt = network.expecting(prompt, expected, expectation.opening)
            read = exposing(network, codes=begun, prompt=alone, drawn=asked, by=own)
            first = _examine(network, read, alone, asked, 0)
            read = exposing(network, codes=whole, prompt=prompt, drawn=drawn, by=other)
            nats, right = first + _examine(network, read, prompt, drawn, expectation.opening)
            return nats / count, right / count

        openings, clips = (begun, asked, replacements[0]), (whole, drawn, replacements[1])
        (loss, accuracy), grads = value_and_grad(
            objective,
            state.params,
            (opening, told, expected, openings, clips),
            microbatches=self.config.microbatches,
            has_aux=True,
        )
        state, metrics = self.moved(state, grads, progress)
        return state, {
            "loss": loss,
            "accuracy": accuracy,
            "perplexity": jnp.exp(loss),
            **metrics,
        }

    def _misread(
        self, state: TrainState, video: Video, begun: Codes, by: Replacements
    ) -> Float[Array, "B K H W C"]:
        """The first frames of clips, and what it adds to them that some codes of their openings are
        replaced by random ones; nothing to those of which none is.
        """
        assert by.other is not None
        swap, random = by.other
        frames, cells = self.expectation.frames, self.tokenizer.grid[1:]

        def shown(codes: Int[Array, "B M"]) -> Float[Array, "B K H W C"]:
            grid = codes.reshape(len(codes), -1, *cells)
            return self.tokenizer.decode(state.rest["tokenizer"], grid)[:, :frames]

        codes = codes_of(begun[1], self.tokenizer.config.quantizer.levels)
        added = shown(jnp.where(swap, random, codes)) - shown(codes)
        return jnp.clip(video[:, :frames] + added, -1.0, 1.0)


def _examine(
    network: CausalPrior, codes: Codes, prompt: Prompt, asked: Bool[Array, "B M"], begin: int
) -> Float[Array, "2"]:
    """`tally` of the codes asked for, of those from `begin` on."""
    told, digits = codes
    logits = network(told, digits, prompt, begin)
    return tally(logits, digits[:, begin:], asked[:, begin:])
