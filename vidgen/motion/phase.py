"""The training phase of motion compensation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import Array, Float

from vidgen.contract import Key, TrainState
from vidgen.motion.config import MotionConfig
from vidgen.motion.flow import photometric_error
from vidgen.motion.network import MotionNetwork
from vidgen.nn import Network
from vidgen.nn.network import Weights
from vidgen.optim import ema, value_and_grad
from vidgen.types import Batch, Metrics, Params, Task


class MotionPhase:
    """Trains the motion: real first frames, moved, are laid beside their real continuation.

    Metrics: ``loss`` (`photometric_error`), ``still`` (the same of a frame that does not move: what
    the motion must beat), and the optimiser's.

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
        params, opt_state, metrics = self.config.optimizer.update(
            grads, state.opt_state, state.params, progress
        )
        average = ema(state.ema, params, state.step, self.config.ema)
        state = state.replace(step=state.step + 1, params=params, opt_state=opt_state, ema=average)
        still = jax.numpy.broadcast_to(first[:, -1:], later.shape)
        return state, {
            "loss": loss,
            "still": photometric_error(still, later).mean(),
            **metrics,
        }

    def export(self, state: TrainState) -> Params:
        """Averaged weights."""
        return state.ema
