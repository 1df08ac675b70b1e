"""The one training phase of a diffusion model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.contract import Key, TrainState
from vidgen.generators.diffusion.config import DiffusionConfig
from vidgen.generators.diffusion.denoiser import Denoiser
from vidgen.generators.diffusion.process import Process
from vidgen.motion import MotionPhase
from vidgen.optim import ema
from vidgen.types import Batch, Condition, Metrics, Params, Video

View = Callable[[Batch], tuple[Video, Condition]]


class DenoisingPhase:
    """Regress the velocity of a noisy clip.

    Args:
        name: of the phase.
        network: the denoiser.
        process: the path it walks.
        config: optimiser and rates.
        view: what it sees of a batch: a clip and its condition.
        share: fraction of the generator's budget.
        batch_size: clips a step.
        motion: motion compensation, trained by an earlier phase, of the context that `view` gives;
            None where it gives none.

    References: denoising: Lipman et al., "Flow matching for generative modeling" (2023).
    """

    def __init__(
        self,
        name: str,
        network: nn.Network[Denoiser],
        process: Process,
        config: DiffusionConfig,
        *,
        view: View,
        share: float,
        batch_size: int,
        motion: MotionPhase | None = None,
    ) -> None:
        self.name, self.share, self.batch_size = name, share, batch_size
        self._network, self._process, self._config, self._view = network, process, config, view
        self._motion = motion

    def init(self, key: Key, earlier: Mapping[str, Params]) -> TrainState:
        """Fresh weights, whose average starts there; the motion is carried along, frozen."""
        params = self._network.init(key)
        rest = {}
        if self._motion is not None:
            rest["motion"] = jax.tree.map(jnp.copy, earlier[self._motion.name])
        return TrainState.create(params, self._config.optimizer.init(params), rest=rest)

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One step on the loss of `_loss`."""
        for_drop, for_noise = jax.random.split(key)
        clip, condition = self._view(batch)
        config = self._config
        condition = condition.drop(for_drop, text=config.drop_text)
        moved = None
        if self._motion is not None:
            first = clip[:, : condition.context_mask.shape[1]]
            moved = self._motion.network.bind(state.rest["motion"])(first, condition)
        loss, grads = jax.value_and_grad(self._loss)(
            state.params, clip, condition, moved, for_noise
        )
        params, opt_state, metrics = config.optimizer.update(
            grads, state.opt_state, state.params, progress
        )
        average = ema(state.ema, params, state.step, config.ema_decay)
        state = state.replace(step=state.step + 1, params=params, opt_state=opt_state, ema=average)
        return state, {"loss": loss, **metrics}

    def export(self, state: TrainState) -> Params:
        """The averaged weights."""
        return state.ema

    def _loss(
        self, params: Params, clip: Video, condition: Condition, moved: Video | None, key: Key
    ) -> Float[Array, ""]:
        """Mean squared error of the velocity on the frames after those that are given."""
        process = self._process
        for_time, for_noise = jax.random.split(key)
        t = process.draw(for_time, clip.shape[0])
        noise = jax.random.normal(for_noise, clip.shape, clip.dtype)
        wide = t[:, None, None, None, None]
        a, b = process.level(wide)
        x = a * clip + b * noise
        velocity = self._network.bind(params)(x, t, condition, moved)
        if self._config.prediction == "x":
            velocity = process.velocity(x, velocity, wide)
        known = condition.context.shape[1]
        return jnp.square(velocity - process.target(clip, noise, wide))[:, known:].mean()
