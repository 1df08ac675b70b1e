"""The second phase: the prior learns to predict the frozen tokenizer's codes."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float

from vidgen import optim
from vidgen.contract import Key, TrainState
from vidgen.generators.autoregressive.config import PriorConfig
from vidgen.generators.autoregressive.network import Prior
from vidgen.nn import Network, digits_of
from vidgen.nn.network import Weights
from vidgen.tokenizers import Tokenizer
from vidgen.types import Batch, Condition, Metrics, Params, Task

NAME = "prior"


def prior_network(config: PriorConfig, task: Task, tokenizer: Tokenizer) -> Network[Prior]:
    """The prior over a tokenizer's codes."""
    return Network(
        lambda rngs: Prior(
            config,
            task,
            code_grid=tokenizer.grid,
            code_patch=tokenizer.config.code_patch,
            levels=tokenizer.config.quantizer.levels,
            told_width=tokenizer.told_width,
            rngs=rngs,
        )
    )


def decided(tokenizer: Tokenizer, condition: Condition) -> Bool[Array, "B N"]:
    """Which codes, in raster order, a context that is given whole decides."""
    t, h, w = tokenizer.grid
    first = jnp.arange(t * h * w) < tokenizer.known(condition.context_mask.shape[1]) * h * w
    return jnp.all(condition.context_mask, axis=1)[:, None] & first[None]


class PriorPhase:
    """Trains the prior by maximum likelihood on the codes of clips.

    Codes that a given context decides are not asked for: when sampling they are given as well.

    Metrics: ``loss`` (cross-entropy in nats a code), ``accuracy`` (share of codes all of whose
    digits are the likeliest), ``perplexity`` (exp of the loss), and the optimiser's.

    Args:
        config: sizes.
        task: shape of the clips and captions.
        tokenizer: whose codes are learned.
        earlier: name of the phase that trained the tokenizer.
        share: fraction of the generator's budget.
    """

    name = NAME

    def __init__(
        self, config: PriorConfig, task: Task, tokenizer: Tokenizer, *, earlier: str, share: float
    ) -> None:
        self.config = config
        self.share = share
        self.batch_size = config.batch_size
        self.tokenizer = tokenizer
        self.earlier = earlier
        self.network = prior_network(config, task, tokenizer)

    def init(self, key: Key, earlier: Mapping[str, Params]) -> TrainState:
        """Fresh weights; the tokenizer is carried along, frozen."""
        params = self.network.init(key)
        tokenizer = jax.tree.map(jnp.copy, earlier[self.earlier])
        return TrainState.create(
            params,
            self.config.optimizer.init(params),
            rest={"tokenizer": tokenizer},
        )

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One step on the cross-entropy of the clips' codes."""
        frozen = state.rest["tokenizer"]
        codes = self.tokenizer.encode(frozen, batch.video)
        codes = codes.reshape(len(codes), -1)
        told = self.tokenizer.tell(frozen, codes)
        digits = digits_of(codes, self.tokenizer.config.quantizer.levels)
        condition = batch.condition.drop(key, text=self.config.drop_text, both=self.config.drop_all)
        asked = ~decided(self.tokenizer, condition)

        def objective(params: Weights) -> tuple[Array, Array]:
            network = self.network.bind(params)
            logits = network(told, digits, network.encode(condition))
            nats = optax.softmax_cross_entropy_with_integer_labels(logits, digits).sum(axis=-1)
            chosen = jnp.take_along_axis(logits, digits[..., None], axis=-1)[..., 0]
            right = jnp.all(chosen >= jnp.max(logits, axis=-1), axis=-1)
            count = jnp.maximum(jnp.sum(asked), 1)
            return jnp.sum(nats * asked) / count, jnp.sum(right & asked) / count

        (loss, accuracy), grads = jax.value_and_grad(objective, has_aux=True)(state.params)
        params, opt_state, metrics = self.config.optimizer.update(
            grads, state.opt_state, state.params, progress
        )
        state = state.replace(
            step=state.step + 1,
            params=params,
            opt_state=opt_state,
            ema=optim.ema(state.ema, params, state.step, self.config.ema),
        )
        return state, {
            "loss": loss,
            "accuracy": accuracy,
            "perplexity": jnp.exp(loss),
            **metrics,
        }

    def export(self, state: TrainState) -> Params:
        """Averaged weights."""
        return state.ema
