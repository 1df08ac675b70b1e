"""The phase in which the masked prior learns to fill in the frozen tokenizer's codes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vidgen.contract import Key, TrainState
from vidgen.generators.masked.config import MaskedPriorConfig
from vidgen.generators.masked.network import MaskedPrior
from vidgen.generators.masked.schedule import hide
from vidgen.nn.network import Weights
from vidgen.optim import value_and_grad
from vidgen.priors import Codes, PriorPhase, Prompt, decided, tally
from vidgen.types import Batch, Metrics


class MaskedPriorPhase(PriorPhase[MaskedPrior]):
    """Trains the prior to predict codes that are hidden from those that are not.

    As in sampling, openings are filled in from the condition alone, and the codes after them from
    a whole opening and from what motion compensation makes of it. Codes that a given context
    decides are never hidden.

    COMMIT, the conditional masking of MAGVIT, puts the condition's tokens in the place of masks
    inside the region that it covers, and asks for every code: what is masked, what the condition
    stands for (to be refined), and what is seen (to be reconstructed). Here the suggestion of
    motion compensation covers the clip and stands beside the mask, not in its place, so that it is
    still there where a code is known; hidden codes, which are asked for, are
    the first two of the three at once. Seen codes are not asked for: they are told.

    Metrics: ``loss`` (cross-entropy in nats a hidden code), ``accuracy`` (share of hidden codes all
    of whose digits are the likeliest), ``perplexity`` (exp of the loss), and the optimiser's.

    References: Yu et al., "MAGVIT: masked generative video transformer" (2023), section 3.2.
    """

    prior = MaskedPrior
    config: MaskedPriorConfig

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One step on the cross-entropy of hidden codes."""
        for_drop, for_opening, for_later = jax.random.split(key, 3)
        expectation, rows = self.expectation, slice(self.config.continued)
        condition = batch.condition.drop(
            for_drop, text=self.config.drop_text, both=self.config.drop_all
        )
        begun, whole, suggested = self.learned(
            state, batch.video, self.for_motion(batch.condition, condition)
        )
        told = jax.tree.map(lambda x: x[rows], condition)
        alone = self.for_opening(condition)
        first = hide(for_opening, ~decided(self.tokenizer, alone)[:, : expectation.opening])
        places = jnp.arange(suggested.shape[1]) >= expectation.opening
        later = hide(for_later, jnp.broadcast_to(places[None], suggested.shape[:2]))

        # Of all rows, so that a part's share is that of its rows.
        count = jnp.sum(first) + jnp.sum(later[:, expectation.opening :])
        count = count.astype(jnp.float32) / self.config.microbatches

        def objective(params: Weights, rows: Any) -> tuple[Array, Array]:
            alone, told, suggested, (begun, first), (whole, later) = rows
            network = self.network.bind(params)
            prompts = network.encode(alone.beside(told))
            prompt = jax.tree.map(lambda x: x[: len(first)], prompts)
            sums = _examine(network, begun, first, prompt, None, 0)
            prompt = jax.tree.map(lambda x: x[len(first) :], prompts)
            nats, right = sums + _examine(
                network, whole, later, prompt, suggested, expectation.opening
            )
            return nats / count, right / count

        (loss, accuracy), grads = value_and_grad(
            objective,
            state.params,
            (alone, told, suggested, (begun, first), (whole, later)),
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


def _examine(
    network: MaskedPrior,
    codes: Codes,
    hidden: Bool[Array, "B M"],
    prompt: Prompt,
    suggested: Float[Array, "B M F"] | None,
    begin: int,
) -> Float[Array, "2"]:
    """`tally` of the hidden codes, all of which come at `begin` or later."""
    told, digits = codes
    x, digits = network(told, hidden, prompt, suggested)[:, begin:], digits[:, begin:]
    return tally(network.head(x, digits), digits, hidden[:, begin:])
