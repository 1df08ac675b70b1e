"""The one training phase of a diffusion model."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.contract import Key, TrainState
from vidgen.generators.diffusion.config import DiffusionConfig
from vidgen.generators.diffusion.denoiser import Denoiser
from vidgen.generators.diffusion.process import Process
from vidgen.optim import ema
from vidgen.types import Batch, Metrics, Params


class DenoisingPhase:
    """Regress the velocity of a noisy clip.

    Args:
        network: the denoiser.
        process: the path it walks.
        config: optimiser, rates and sizes.
    """

    name = "denoiser"
    share = 1.0

    def __init__(
        self, network: nn.Network[Denoiser], process: Process, config: DiffusionConfig
    ) -> None:
        self.batch_size = config.batch_size
        self._network, self._process, self._config = network, process, config

    def init(self, key: Key, earlier: Mapping[str, Params]) -> TrainState:
        """Fresh weights; their average starts there."""
        params = self._network.init(key)
        return TrainState.create(params, self._config.optimizer.init(params))

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One step on the loss of `_loss`."""
        loss, grads = jax.value_and_grad(self._loss)(state.params, batch, key)
        params, opt_state, metrics = self._config.optimizer.update(
            grads, state.opt_state, state.params, progress
        )
        average = ema(state.ema, params, state.step, self._config.ema_decay)
        state = state.replace(step=state.step + 1, params=params, opt_state=opt_state, ema=average)
        return state, {"loss": loss, **metrics}

    def export(self, state: TrainState) -> Params:
        """The averaged weights."""
        return state.ema

    def _loss(self, params: Params, batch: Batch, key: Key) -> Float[Array, ""]:
        """Mean squared error of the velocity on the frames that were not given."""
        config, process, clip = self._config, self._process, batch.video
        for_time, for_noise, for_drop = jax.random.split(key, 3)
        t = process.draw(for_time, clip.shape[0])
        noise = jax.random.normal(for_noise, clip.shape, clip.dtype)
        condition = batch.condition.drop(for_drop, text=config.drop_text, both=config.drop_both)
        wide = t[:, None, None, None, None]
        a, b = process.level(wide)
        x = a * clip + b * noise
        velocity = self._network.bind(params)(x, t, condition)
        if config.prediction == "x":
            velocity = process.velocity(x, velocity, wide)
        error = jnp.square(velocity - process.target(clip, noise, wide)).mean(axis=(2, 3, 4))
        asked = jnp.pad(
            ~condition.context_mask,
            [(0, 0), (0, clip.shape[1] - condition.context_mask.shape[1])],
            constant_values=True,
        )
        return jnp.sum(error * asked) / jnp.sum(asked)
