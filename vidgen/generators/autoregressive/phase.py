"""The second phase: the prior learns to predict the frozen tokenizer's codes."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from vidgen import optim
from vidgen.contract import Key, TrainState
from vidgen.generators.autoregressive.config import PriorConfig
from vidgen.generators.autoregressive.network import Prior
from vidgen.nn import Network
from vidgen.nn.network import Weights
from vidgen.tokenizers import Tokenizer
from vidgen.types import Batch, Metrics, Params, Task

NAME = "prior"


def prior_network(config: PriorConfig, task: Task, tokenizer: Tokenizer) -> Network[Prior]:
    """The prior over a tokenizer's codes."""
    return Network(
        lambda rngs: Prior(
            config,
            task,
            code_grid=tokenizer.grid,
            code_patch=tokenizer.config.code_patch,
            size=tokenizer.size,
            table_width=tokenizer.table_width,
            rngs=rngs,
        )
    )


class PriorPhase:
    """Trains the prior by maximum likelihood on the codes of clips.

    Metrics: ``loss`` (cross-entropy in nats a code), ``accuracy``, ``perplexity`` (exp of the
    loss), and the optimiser's.

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
        """Fresh weights; the tokenizer is carried along, frozen, with the table of its codes."""
        params = self.network.init(key)
        tokenizer = jax.tree.map(jnp.copy, earlier[self.earlier])
        return TrainState.create(
            params,
            self.config.optimizer.init(params),
            rest={"tokenizer": tokenizer, "table": self.tokenizer.table(tokenizer)},
        )

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One step on the cross-entropy of the clips' codes."""
        codes = self.tokenizer.encode(state.rest["tokenizer"], batch.video)
        codes = codes.reshape(len(codes), -1)
        table = state.rest["table"]
        condition = batch.condition.drop(key, text=self.config.drop_text, both=self.config.drop_all)

        def objective(params: Weights) -> tuple[Array, Array]:
            network = self.network.bind(params)
            logits = network(codes, table, network.encode(condition))
            nats = optax.softmax_cross_entropy_with_integer_labels(logits, codes)
            chosen = jnp.take_along_axis(logits, codes[..., None], axis=-1)[..., 0]
            # Cheaper than an argmax, which on a CPU takes as long as a layer of the transformer.
            right = chosen >= jnp.max(logits, axis=-1)
            return jnp.mean(nats), jnp.mean(right)

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
