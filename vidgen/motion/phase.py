"""The training phase of motion compensation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vidgen.contract import Key, TrainState
from vidgen.motion.config import MotionConfig
from vidgen.motion.flow import photometric_error
from vidgen.motion.network import MotionNetwork
from vidgen.nn import Network
from vidgen.nn.network import Weights
from vidgen.optim import ema, value_and_grad
from vidgen.types import Batch, Condition, Metrics, Params, Task, Video

_STRAY = 0.05
"""How often a hypothesis learns that is not the best one, as in Rupprecht et al., "Learning in an
uncertain world: representing ambiguity through multiple hypotheses" (2017), section 3.2, so that
none is left behind for good."""

_TRIED = 16
"""Of so many clips of a microbatch one is moved by all hypotheses, and at least one of all."""

_OWN = "codebook."
"""What names of weights that belong to the hypotheses begin with."""

_FAINT = 1e-3
"""Scale of their gradients. Adam, which moves them, makes nothing of it, but the norm of all
gradients, by which those of the other weights are clipped, stays theirs."""


class MotionPhase:
    """Trains the motion: real first frames, moved, are laid beside their real continuation.

    The first rows of a batch are also moved by every hypothesis, without their sentence; the best
    of them learns to stand for it, and how often it is the best.

    Metrics: ``loss`` (`photometric_error`), ``still`` (the same of a frame that does not move: what
    the motion must beat), with hypotheses ``hypotheses`` (how many of them as equals would be as
    hard to guess: the exponential of the entropy of their shares; all of them where no clip has a
    sentence), and the optimiser's.

    Args:
        config: sizes.
        task: shape of the clips.
        share: fraction of the generator's budget.
        drop_text: share of training clips whose sentence is hidden, so that it is of use without.
    """

    name = "motion"

    def __init__(
        self, config: MotionConfig, task: Task, *, share: float, drop_text: float = 0.1
    ) -> None:
        self.config, self.share, self.batch_size = config, share, config.batch_size
        self._known, self._drop_text = task.opening_frames, drop_text
        self.network = Network(lambda rngs: MotionNetwork(config, task, rngs=rngs))

    def init(self, key: Key, earlier: Mapping[str, Params]) -> TrainState:
        """Fresh weights; their average starts there."""
        del earlier
        params = self.network.init(key)
        return TrainState.create(params, self.config.optimizer.init(params))

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One step on the photometric error."""
        first, later = batch.video[:, : self._known], batch.video[:, self._known :]
        condition = batch.condition.drop(key, text=self._drop_text)

        def objective(weights: Weights, rows: Any) -> Array:
            first, later, condition = rows
            moved = self.network.bind(weights)(first, condition)
            return photometric_error(moved[:, self._known :], later).mean()

        loss, grads = value_and_grad(
            objective,
            state.params,
            (first, later, condition),
            microbatches=self.config.microbatches,
        )
        if self.config.hypotheses:
            tried = max(1, self.batch_size // self.config.microbatches // _TRIED)
            rows = jax.tree.map(lambda x: x[:tried], (first, later, batch.condition))
            grads = grads | self._of_hypotheses(jax.random.fold_in(key, 1), state.params, *rows)
        params, opt_state, metrics = self.config.optimizer.update(
            grads, state.opt_state, state.params, progress
        )
        average = ema(state.ema, params, state.step, self.config.ema)
        state = state.replace(step=state.step + 1, params=params, opt_state=opt_state, ema=average)
        still = jnp.broadcast_to(first[:, -1:], later.shape)
        report = {"loss": loss, "still": photometric_error(still, later).mean(), **metrics}
        if self.config.hypotheses:
            own = self.network.bind(params).codebook
            chances = jax.nn.log_softmax(own.chances()[:-1])
            report["hypotheses"] = jnp.exp(-jnp.sum(jnp.exp(chances) * chances))
        return state, report

    def _of_hypotheses(
        self,
        key: Key,
        params: Weights,
        first: Float[Array, "R K H W C"],
        later: Video,
        condition: Condition,
    ) -> Weights:
        """Gradients of what belongs to the hypotheses, and of nothing else.

        What a sentence moves is learned as if there were none of them.
        """
        best, learns = self._tried(key, params, first, later, condition)

        def objective(own: Weights) -> Array:
            network = self.network.bind(params | own)
            told = network.caption(condition.text, condition.text_mask)
            apart = jnp.square(network.codebook(learns) - told).mean(axis=-1)
            apart = jnp.where(learns >= 0, apart, 0.0)
            likely = jax.nn.one_hot(best, self.config.hypotheses + 1) @ network.codebook.chances()
            return _FAINT * jnp.mean(apart - likely)

        own = {name: value for name, value in params.items() if name.startswith(_OWN)}
        return jax.grad(objective)(own)

    def _tried(
        self,
        key: Key,
        params: Params,
        first: Float[Array, "R K H W C"],
        later: Video,
        condition: Condition,
    ) -> tuple[Int[Array, "R"], Int[Array, "R"]]:
        """Which hypothesis describes each clip best, and which one is to learn from it: as a rule
        the same. Of clips that never had a sentence the best is none, their number, and none, -1,
        learns.
        """
        count, each = self.config.hypotheses, jnp.arange(self.config.hypotheses)
        rows = len(first)
        begins, ends, untold = jax.tree.map(
            lambda x: jnp.repeat(x, count, axis=0), (first, later, condition.keep(text=False))
        )
        moved = self.network.bind(params)(begins, untold, jnp.tile(each, rows))
        error = photometric_error(moved[:, self._known :], ends).reshape(rows, count)
        best = jnp.argmin(error, axis=1)
        at_random, which = jax.random.split(key)
        strays = jax.random.bernoulli(at_random, _STRAY, (rows,))
        learns = jnp.where(strays, jax.random.randint(which, (rows,), 0, count), best)
        told = jnp.any(condition.text_mask, axis=1)
        return jnp.where(told, best, count), jnp.where(told, learns, -1)

    def export(self, state: TrainState) -> Params:
        """Averaged weights."""
        return state.ema
