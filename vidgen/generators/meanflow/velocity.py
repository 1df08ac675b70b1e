"""The average velocity of a flow over an interval of times, and the clips that it leads to."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen.contract import Key
from vidgen.denoising import Flow, held, wide
from vidgen.types import Condition, Video

AverageVelocity = Callable[[Video, Float[Array, "B"], Float[Array, "B"]], Video]
"""u(z, r, t): the mean of the velocity over [r, t] on the path that passes through z at t, so that
z - (t - r) u lies on it at r. Where r = t it is the velocity itself. Geng et al., "Mean flows for
one-step generative modeling" (2025), equation 3."""


def average_velocity(
    denoiser: Callable[..., Video],
    prediction: str,
    process: Flow,
    condition: Condition,
    moved: Video | None,
) -> AverageVelocity:
    """The average velocity that a denoiser predicts, or implies by a predicted clip.

    The frames of the context are known, and their paths with them: straight lines, whose velocity
    is the same over any interval.

    Args:
        denoiser: a `Denoiser` that is told of intervals.
        prediction: as in `DenoisingConfig`.
        process: the path.
        condition: what is asked for; all of its context is there.
        moved: as in `Denoiser`.

    References: an average velocity by way of a predicted clip: Lu et al., "One-step latent-free
    image generation with pixel mean flows" (2026).
    """

    def average(z: Video, r: Float[Array, "B"], t: Float[Array, "B"]) -> Video:
        u = denoiser(z, t, condition, moved, t - r)
        if prediction == "x":
            u = process.velocity(z, u, wide(t))
        return held(process, z, t, u, condition)

    return average


def draw(
    average: AverageVelocity,
    shape: tuple[int, ...],
    condition: Condition,
    keys: Key,
    *,
    steps: int,
    curve: Float[Array, ""] | float = 1.0,
) -> Video:
    """One clip for each row of the condition, whose context is part of it.

    Args:
        average: the average velocity.
        shape: [T H W C].
        condition: B prompts; all of their context is there.
        keys: [B] PRNG keys, one a clip.
        steps: network passes.
        curve: see `MeanFlowSampler`.

    References: Geng et al. (2025), equation 12 and algorithm 2.
    """
    levels = 1.0 - (jnp.arange(steps + 1) / steps) ** curve
    one = lambda key: jax.random.normal(jax.random.fold_in(key, 0), shape)  # noqa: E731

    def advance(z: Video, interval: Float[Array, "2"]) -> tuple[Video, None]:
        now, then = jnp.broadcast_to(interval[:, None], (2, len(z)))
        return z - wide(now - then) * average(z, then, now), None

    intervals = jnp.stack([levels[:-1], levels[1:]], axis=1)
    z, _ = jax.lax.scan(advance, jax.vmap(one)(keys), intervals)
    video = jnp.clip(z, -1.0, 1.0)
    return jnp.concatenate([condition.context, video[:, condition.context.shape[1] :]], axis=1)
