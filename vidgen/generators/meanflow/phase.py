"""The training phase of a mean flow."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.contract import Key, TrainState
from vidgen.denoising import Denoiser, Flow, Stage, StagePhase
from vidgen.generators.meanflow.config import MeanFlowConfig
from vidgen.generators.meanflow.velocity import average_velocity
from vidgen.types import Batch, Condition, Metrics, Params, Video

_SMALLEST_ERROR = 1e-3  # the paper's c, here beside a mean over pixels

Told = tuple[Condition, Video | None]
"""A condition, and its context as motion compensation moves it."""


class MeanFlowPhase(StagePhase):
    """Regress the average velocity over an interval by what its own derivative says of it.

    Differentiating (t - r) u(z, r, t) = (integral of v from r to t) by t along the path gives the
    MeanFlow identity, u = v - (t - r) (v du/dz + du/dt). The network's own derivative stands on the
    right, and no gradient passes through that side.

    Args:
        stage: what is learned, from what, and how.
        network: a denoiser that is told of intervals.
        config: of the objective.
        guidance: scale of the velocity that is averaged.
        start: the phase from whose weights this one goes on; fresh ones if None.

    References: Geng et al., "Mean flows for one-step generative modeling" (2025): section 4.1,
    guidance as in section 4.2, adaptive weights as in section 4.3.
    """

    def __init__(
        self,
        stage: Stage,
        network: nn.Network[Denoiser],
        config: MeanFlowConfig,
        *,
        guidance: float,
        start: str | None = None,
    ) -> None:
        super().__init__(stage, network)
        self._process = Flow(stage.config.time_mean, stage.config.time_std)
        self._starts = Flow(config.start_mean, config.start_std)
        self._objective, self._guidance, self._start = config, guidance, start

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One step; ``loss`` is the mean squared error of the identity, before it is weighted."""
        for_drop, for_noise = jax.random.split(key)
        clip, condition = self._view(batch)
        asked = condition.drop(for_drop, text=self._config.drop_text)
        silent = asked.keep(text=False)
        loss, grads = jax.value_and_grad(self._loss)(
            state.params,
            clip,
            (asked, self._moved(state, asked)),
            (silent, self._moved(state, silent)),
            for_noise,
        )
        return self._updated(state, loss, grads, progress)

    def _first_weights(self, key: Key, earlier: Mapping[str, Params]) -> Params:
        """Those of the phase it goes on from, and fresh ones for what that did not have."""
        fresh = self._network.init(key)
        if self._start is None:
            return fresh
        return fresh | jax.tree.map(jnp.copy, earlier[self._start])

    def _loss(
        self, params: Params, clip: Video, asked: Told, silent: Told, key: Key
    ) -> Float[Array, ""]:
        """Mean squared error of the identity on the frames after those that are given.

        The gradient is that of the adaptively weighted errors. Their own sum would say nothing: at
        a power of 1 each weighted error is about 1.
        """
        for_times, for_noise = jax.random.split(key)
        r, t = self._interval(for_times, clip.shape[0])
        noise = jax.random.normal(for_noise, clip.shape, clip.dtype)
        wide, length = (s[:, None, None, None, None] for s in (t, t - r))
        a, b = self._process.level(wide)
        z = a * clip + b * noise
        denoiser, prediction = self._network.bind(params), self._config.prediction
        average = average_velocity(denoiser, prediction, self._process, *asked)
        v = self._guided(params, z, t, self._process.target(clip, noise, wide), asked, silent)
        u, slope = jax.jvp(lambda z, t: average(z, r, t), (z, t), (v, jnp.ones_like(t)))
        target = jax.lax.stop_gradient(v - length * slope)
        known = asked[0].context.shape[1]
        error = jnp.square(u - target)[:, known:].mean(axis=(1, 2, 3, 4))
        weight = jax.lax.stop_gradient(error + _SMALLEST_ERROR) ** -self._objective.loss_power
        weighted = (weight * error).mean()
        return weighted + jax.lax.stop_gradient(error.mean() - weighted)

    def _interval(self, key: Key, count: int) -> tuple[Float[Array, "B"], Float[Array, "B"]]:
        """Beginnings r and ends t, of which a fixed share of the rows are equal."""
        for_one, for_other = jax.random.split(key)
        one, other = self._process.draw(for_one, count), self._starts.draw(for_other, count)
        instant = jnp.arange(count) < round(self._objective.instants * count)
        t = jnp.where(instant, one, jnp.maximum(one, other))
        return jnp.where(instant, one, jnp.minimum(one, other)), t

    def _guided(
        self, params: Params, z: Video, t: Float[Array, "B"], v: Video, asked: Told, silent: Told
    ) -> Video:
        """The velocity that is averaged: the clip's, pushed away from what is seen of it without a
        sentence; a clip without one keeps its own.
        """
        if self._guidance == 1.0:
            return v
        kappa = self._objective.mixing
        omega = self._guidance * (1.0 - kappa)
        twice, moved = jax.tree.map(lambda x, y: jnp.concatenate([x, y]), asked, silent)
        average = average_velocity(
            self._network.bind(jax.lax.stop_gradient(params)),
            self._config.prediction,
            self._process,
            twice,
            moved,
        )
        t = jnp.concatenate([t, t])
        own, unasked = jnp.split(average(jnp.concatenate([z, z]), t, t), 2)
        guided = omega * v + kappa * own + (1.0 - omega - kappa) * unasked
        told = asked[0].text_mask.any(axis=1)[:, None, None, None, None]
        return jnp.where(told, guided, v)
