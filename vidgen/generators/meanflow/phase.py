"""The training phase of a mean flow."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.contract import Key, TrainState
from vidgen.denoising import Denoiser, Flow, Stage, StagePhase, wide
from vidgen.generators.meanflow.config import MeanFlowConfig
from vidgen.generators.meanflow.velocity import AverageVelocity, average_velocity
from vidgen.optim import value_and_grad
from vidgen.types import Batch, Condition, Metrics, Params, Video

_SMALLEST_ERROR = 1e-3  # the paper's c, here beside a mean over pixels


class MeanFlowPhase(StagePhase):
    """Regress the average velocity over an interval by what its own derivative says of it.

    Differentiating (t - r) u(z, r, t) = (integral of v from r to t) by t along the path gives the
    MeanFlow identity, u = v - (t - r) (v du/dz + du/dt). The network's own derivative stands on the
    right, and no gradient passes through that side.

    A phase that goes on from a trained denoiser learns the flow of that denoiser, which never
    changes: its velocity takes the place of a clip's, and the target is without noise. One that
    starts afresh learns from clips, and from what the network itself knows by then.

    Args:
        stage: what is learned, from what, and how.
        network: a denoiser that is told of intervals.
        config: of the objective.
        guidance: scale of the velocity that is averaged.
        start: the phase from whose weights this one goes on; fresh ones if None.

    References: Geng et al., "Mean flows for one-step generative modeling" (2025): identity and
    derivative, equations 6 and 8; target, equations 10 and 11; guidance, section 4.2 and appendix
    B.1; adaptive weights, section 4.3. With guidance, the derivative along the network's own
    velocity, which is less noisy than a clip's: Geng et al., "Improved mean flows: on the
    challenges of fastforward generative models" (2025), section 4.1.
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
        self._instants = round(config.instants * stage.batch_size)

    def init(self, key: Key, earlier: Mapping[str, Params]) -> TrainState:
        """As any stage's; what the phase goes on from is carried along as its teacher, frozen."""
        state = super().init(key, earlier)
        if self._start is None:
            return state
        teacher = jax.tree.map(jnp.copy, state.params)
        return state.replace(rest=state.rest | {"teacher": teacher})

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One step; ``loss`` is the mean squared error of the identity, before it is weighted."""
        for_drop, for_times, for_noise = jax.random.split(key, 3)
        clip, condition = self._view(batch)
        condition = condition.drop(for_drop, text=self._config.drop_text)
        moved = self._moved(state, condition)
        r, t = self._interval(for_times)
        noise = jax.random.normal(for_noise, clip.shape, clip.dtype)
        at = wide(t)
        a, b = self._process.level(at)
        z, v = a * clip + b * noise, self._process.target(clip, noise, at)
        target = self._target(state, z, r, t, v, condition, moved)
        (_, loss), grads = value_and_grad(
            lambda params, rows: self._loss(params, *rows),
            state.params,
            (z, r, t, condition, moved, target),
            microbatches=self._config.microbatches,
            has_aux=True,
        )
        return self._updated(state, loss, grads, progress)

    def _first_weights(self, key: Key, earlier: Mapping[str, Params]) -> Params:
        """Those of the phase it goes on from, and fresh ones for what that did not have."""
        fresh = self._network.init(key)
        if self._start is None:
            return fresh
        return fresh | jax.tree.map(jnp.copy, earlier[self._start])

    def _interval(self, key: Key) -> tuple[Float[Array, "B"], Float[Array, "B"]]:
        """Beginnings r and ends t of a batch, equal in its first rows."""
        for_one, for_other = jax.random.split(key)
        one = self._process.draw(for_one, self.batch_size)
        other = self._starts.draw(for_other, self.batch_size)
        instant = jnp.arange(self.batch_size) < self._instants
        t = jnp.where(instant, one, jnp.maximum(one, other))
        return jnp.where(instant, one, jnp.minimum(one, other)), t

    def _target(
        self,
        state: TrainState,
        z: Video,
        r: Float[Array, "B"],
        t: Float[Array, "B"],
        v: Video,
        condition: Condition,
        moved: Video | None,
    ) -> Video:
        """The right side of the identity, at clips `z` whose own velocity is `v`."""
        v, tangent = self._velocity(state, z, t, v, condition, moved)
        # Over an empty interval the derivative counts for nothing: it is taken of the other rows.
        at = self._instants
        if at == self.batch_size:
            return v
        rows = lambda x: x[at:]  # noqa: E731
        average = self._average(state.params, *jax.tree.map(rows, (condition, moved)))
        _, slope = jax.jvp(
            lambda z, t: average(z, rows(r), t),
            (rows(z), rows(t)),
            (rows(tangent), jnp.ones_like(rows(t))),
        )
        length = wide(rows(t - r))
        return v.at[at:].add(-length * slope)

    def _velocity(
        self,
        state: TrainState,
        z: Video,
        t: Float[Array, "B"],
        v: Video,
        condition: Condition,
        moved: Video | None,
    ) -> tuple[Video, Video]:
        """The velocity that is averaged, and that along which the target is differentiated.

        Both are guided, pushed away from what is seen in a clip without a sentence; a clip that has
        none keeps its own.
        """
        teacher, scale = state.rest.get("teacher"), self._guidance
        if scale == 1.0:
            if teacher is None:
                return v, v
            v = self._average(teacher, condition, moved)(z, t, t)
            return v, v
        silent = condition.keep(text=False)
        untold = self._moved(state, silent)
        both = None if moved is None or untold is None else jnp.concatenate([moved, untold])
        average = self._average(
            state.params if teacher is None else teacher, condition.beside(silent), both
        )
        twice = jnp.concatenate([t, t])
        asked, unasked = jnp.split(average(jnp.concatenate([z, z]), twice, twice), 2)
        if teacher is not None:
            v = unasked + scale * (asked - unasked)  # the same, where there is no sentence
            return v, v
        kappa = self._objective.mixing
        omega = scale * (1.0 - kappa)
        told = condition.text_mask.any(axis=1)[:, None, None, None, None]
        guided = omega * v + kappa * asked + (1.0 - omega - kappa) * unasked
        return jnp.where(told, guided, v), asked

    def _loss(
        self,
        params: Params,
        z: Video,
        r: Float[Array, "B"],
        t: Float[Array, "B"],
        condition: Condition,
        moved: Video | None,
        target: Video,
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Mean squared error on the frames after those that are given, weighted and not.

        The weighted one says nothing of progress: at a power of 1 each weighted error is about 1.
        """
        u = self._average(params, condition, moved)(z, r, t)
        known = condition.context.shape[1]
        error = jnp.square(u - target)[:, known:].mean(axis=(1, 2, 3, 4))
        weight = jax.lax.stop_gradient(error + _SMALLEST_ERROR) ** -self._objective.loss_power
        return (weight * error).mean(), error.mean()

    def _average(
        self, params: Params, condition: Condition, moved: Video | None
    ) -> AverageVelocity:
        return average_velocity(
            self._network.bind(params), self._config.prediction, self._process, condition, moved
        )
