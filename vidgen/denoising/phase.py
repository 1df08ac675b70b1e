"""The training phases of denoisers: what all of them share, and flow matching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vidgen import nn
from vidgen.contract import Key, TrainState
from vidgen.denoising.denoiser import Denoiser
from vidgen.denoising.forcing import Forcing
from vidgen.denoising.objective import convert, min_snr_weight, wide
from vidgen.denoising.process import Process
from vidgen.denoising.stage import Stage
from vidgen.optim import ema, value_and_grad
from vidgen.types import Batch, Condition, Metrics, Params, Video


class StagePhase:
    """What any training of a stage's denoiser does around its objective.

    Args:
        stage: what is learned, from what, and how.
        network: the denoiser.
    """

    def __init__(self, stage: Stage, network: nn.Network[Denoiser]) -> None:
        self.name, self.share, self.batch_size = stage.name, stage.share, stage.batch_size
        self._network, self._config = network, stage.config
        self._view, self._stage = stage.view, stage

    def init(self, key: Key, earlier: Mapping[str, Params]) -> TrainState:
        """First weights, whose average starts there; the motion, and the tokenizer of latents, are
        carried along, frozen.
        """
        params = self._first_weights(key, earlier)
        rest = {name: jax.tree.map(jnp.copy, earlier[name]) for name in self._stage.frozen}
        return TrainState.create(params, self._config.optimizer.init(params), rest=rest)

    def export(self, state: TrainState) -> Params:
        """The averaged weights."""
        return state.ema

    def _first_weights(self, key: Key, earlier: Mapping[str, Params]) -> Params:
        """Fresh ones."""
        del earlier
        return self._network.init(key)

    def _moved(self, state: TrainState, condition: Condition) -> Video | None:
        """As `Stage.moved`."""
        return self._stage.moved(state.rest, condition)

    def _updated(
        self, state: TrainState, loss: Array, grads: Params, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """The state one step further, and what a step reports."""
        params, opt_state, metrics = self._config.optimizer.update(
            grads, state.opt_state, state.params, progress
        )
        average = ema(state.ema, params, state.step, self._config.ema_decay)
        state = state.replace(step=state.step + 1, params=params, opt_state=opt_state, ema=average)
        return state, {"loss": loss, **metrics}


class DenoisingPhase(StagePhase):
    """Regress the velocity of a noisy clip, or the clip or the noise, as the config's `loss` says.

    Args:
        stage: what is learned, from what, and how.
        network: the denoiser.
        process: the path it walks.
        forcing: levels of noise of their own for all frames; None for one of a clip. The loss is
            still a mean over all frames after those that are given, of which those of a history
            count as 0.

    References: denoising: Lipman et al., "Flow matching for generative modeling" (2023); clips and
    single frames together: Ho et al., "Video diffusion models" (2022), section 3.
    """

    def __init__(
        self,
        stage: Stage,
        network: nn.Network[Denoiser],
        process: Process,
        forcing: Forcing | None = None,
    ) -> None:
        super().__init__(stage, network)
        self._process, self._stills, self._forcing = process, stage.stills, forcing

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One step on the loss of `_loss`, of clips and of what single frames there are."""
        stills = self._stills(batch)
        for_drop, for_noise, *for_stills = jax.random.split(key, 2 if stills is None else 4)
        clip, condition = self._view(batch)
        condition = condition.drop(for_drop, text=self._config.drop_text)
        moved = self._moved(state, condition)
        clip, condition = self._encoded(state, clip, condition)

        rows: tuple[Any, Any] = (
            (clip, condition, moved, *self._drawn(for_noise, clip, condition)),
            None,
        )
        if stills is not None:
            (video, told), (still_drop, still_noise) = stills, for_stills
            told = told.drop(still_drop, text=self._config.drop_text)
            video, told = self._encoded(state, video, told)
            rows = (rows[0], (video, told, None, *self._drawn(still_noise, video, told)))

        def objective(params: Params, rows: tuple[Any, Any]) -> Float[Array, ""]:
            clips, beside = rows
            loss = self._loss(params, *clips)
            if beside is None:
                return loss
            # A frame that is predicted counts the same wherever it stands.
            learned, stills = clips[0].shape[1] - clips[1].context.shape[1], len(beside[0])
            frames = len(clips[0]) * learned
            return (frames * loss + stills * self._loss(params, *beside)) / (frames + stills)

        loss, grads = value_and_grad(
            objective, state.params, rows, microbatches=self._config.microbatches
        )
        return self._updated(state, loss, grads, progress)

    def _encoded(
        self, state: TrainState, clip: Video, condition: Condition
    ) -> tuple[Float[Array, "B t h w D"], Condition]:
        """A clip where it is drawn, and the condition with what its context decides there."""
        latents = self._stage.latents
        if latents is None:
            return clip, condition
        clip = latents.encode(state.rest, clip)
        return clip, latents.decided(condition, clip)

    def _drawn(
        self, key: Key, clip: Video, condition: Condition
    ) -> tuple[Float[Array, "B *each"], Bool[Array, "B T"] | None, Video]:
        """As `_levels`, and noise."""
        for_time, for_noise = jax.random.split(key)
        t, learned = self._levels(for_time, clip, condition.context.shape[1])
        return t, learned, jax.random.normal(for_noise, clip.shape, clip.dtype)

    def _loss(
        self,
        params: Params,
        clip: Video,
        condition: Condition,
        moved: Video | None,
        t: Float[Array, "B *each"],
        learned: Bool[Array, "B T"] | None,
        noise: Video,
    ) -> Float[Array, ""]:
        """Mean squared error, weighted if asked for, on the frames after those that are given."""
        process, config = self._process, self._config
        known = condition.context.shape[1]
        at = wide(t)
        a, b = process.level(at)
        x = a * clip + b * noise
        predicted = convert(
            process,
            x,
            self._network.bind(params)(x, t, condition, moved),
            at,
            given=config.prediction,
            wanted=config.loss,
        )
        match config.loss:
            case "x":
                target = clip
            case "epsilon":
                target = noise
            case _:
                target = process.target(clip, noise, at)
        error = jnp.square(predicted - target)
        if config.min_snr is not None:
            error = min_snr_weight(process, config.loss, at, config.min_snr) * error
        if learned is not None:
            error = jnp.where(learned[..., None, None, None], error, 0.0)
        return error[:, known:].mean()

    def _levels(
        self, key: Key, clip: Video, given: int
    ) -> tuple[Float[Array, "B *each"], Bool[Array, "B T"] | None]:
        """A level for every clip, or for every frame and whether it is learned."""
        count, frames = clip.shape[:2]
        if self._forcing is None:
            return self._process.draw(key, count), None
        return self._forcing.draw(self._process, key, count, frames, given)
