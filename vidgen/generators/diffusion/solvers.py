"""Along a path from noise to a clip: Euler, Heun, DDIM, DDPM and DPM-Solver++(2M)."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen.denoising import Process, wide
from vidgen.types import Video

Velocity = Callable[[Video, Float[Array, "B *each"]], Video]
"""The network's velocity at clips and their times, or [B T] those of their frames."""


def walk(
    velocity: Velocity,
    process: Process,
    start: Video,
    levels: Float[Array, "levels *each"],
    method: str,
    noise: Callable[[Array], Video],
    bound: float = 1.0,
    eta: Float[Array, ""] | float | int | None = None,
) -> Video:
    """Where the path through `start` ends.

    Args:
        velocity: of the path, as the network knows it.
        process: the path.
        start: clips at the first level.
        levels: times that fall to 0, one more than steps; [S + 1, T] where each frame has some of
            its own, which a step that does not lower its level leaves as it is.
        method: one of the process's.
        noise: of a step by its number from 1 on, what DDPM adds, and DDIM by its eta.
        bound: the largest value of a known clip; infinite where it has none.
        eta: DDIM's, see `DiffusionSampler`; None for 0.

    References: Heun: Karras et al., "Elucidating the design space" (2022), algorithm 1; DDIM: Song
    et al. (2021), equations 12 and 16; DDPM: Ho et al. (2020), equation 7; DPM-Solver++(2M): Lu et
    al., "DPM-Solver++: fast solver for guided sampling of diffusion probabilistic models" (2022),
    algorithm 2, from the clips that the network predicts, kept in range as a known one is.
    """
    each = levels.ndim == 2

    def times(level: Array) -> Float[Array, "B *each"]:
        return jnp.broadcast_to(level, (len(start), *level.shape))

    def beside(level: Array) -> Array:
        return wide(level[None]) if each else level

    def advance(carry: tuple[Video, Video | None], step: Array) -> tuple[tuple, None]:
        x, before = carry
        earlier, now, then = (beside(levels[n]) for n in (jnp.maximum(step - 1, 0), step, step + 1))
        v = velocity(x, times(levels[step]))
        match method:
            case "euler":
                y = x + (then - now) * v
            case "heun":
                y = x + (then - now) * v
                after = velocity(y, times(levels[step + 1]))
                y = jnp.where(then <= 0.0, y, x + (then - now) * 0.5 * (v + after))
            case "ddim":
                clip, eps = process.split(x, v, now)
                a, b = process.level(then)
                y = a * jnp.clip(clip, -bound, bound)
                if eta is None:
                    y = y + b * eps
                else:
                    added = jnp.square(eta) * _posterior_variance(process, now, then)
                    y = y + jnp.sqrt(b**2 - added) * eps + jnp.sqrt(added) * noise(step + 1)
            case "dpmpp_2m":
                assert before is not None
                clip = jnp.clip(process.split(x, v, now)[0], -bound, bound)
                y = _multistep(process, x, clip, before, earlier, now, then)
                before = clip
            case _:
                y = _ancestral(process, x, v, now, then, noise(step + 1), bound)
        return (jnp.where(then < now, y, x) if each else y, before), None

    before = jnp.zeros_like(start) if method == "dpmpp_2m" else None
    (x, _), _ = jax.lax.scan(advance, (start, before), jnp.arange(len(levels) - 1))
    return x


def _multistep(
    process: Process,
    x: Video,
    clip: Video,
    before: Video,
    earlier: Array,
    now: Array,
    then: Array,
) -> Video:
    """The exact solution for a predicted clip that changes evenly with lambda = log(a / b).

    How it changes is told by the step before. The first step has none, the last one, to a clip
    without noise, goes infinitely far in lambda, and on the flow path the second has an infinite
    one behind it: they take the predicted clip as it is. The error
    of a walk falls with the square of its steps in lambda; near both ends of a path, where steps
    that are even in t are not short in lambda, a little slower.
    """
    (a, b), (a_then, b_then) = process.level(now), process.level(then)
    ahead = _log_ratio(process, then) - _log_ratio(process, now)
    behind = _log_ratio(process, now) - _log_ratio(process, earlier)
    known = jnp.isfinite(ahead) & (behind > 0.0)  # neither of two levels without a clip in them
    ratio = jnp.where(known, 0.5 * ahead / behind, 0.0)
    middle = clip + ratio * (clip - before)
    return b_then / b * x + (a_then - a * b_then / b) * middle


def _log_ratio(process: Process, t: Array) -> Array:
    a, b = process.level(t)
    return jnp.log(a) - jnp.log(b)


def _ancestral(
    process: Process, x: Video, v: Video, now: Array, then: Array, fresh: Video, bound: float
) -> Video:
    """A draw from the posterior q(x_then | x_now, clip)."""
    clip, _ = process.split(x, v, now)
    clip = jnp.clip(clip, -bound, bound)
    (a, b), (a_then, b_then) = process.level(now), process.level(then)
    mean = (a / a_then * b_then**2 * x + a_then * _step_variance(process, now, then) * clip) / b**2
    return mean + jnp.sqrt(_posterior_variance(process, now, then)) * fresh


def _step_variance(process: Process, now: Array, then: Array) -> Array:
    """Of q(x_now | x_then), the step from the lower level to the higher one."""
    (a, b), (a_then, b_then) = process.level(now), process.level(then)
    return jnp.maximum(b**2 - (a / a_then * b_then) ** 2, 0.0)


def _posterior_variance(process: Process, now: Array, then: Array) -> Array:
    """Of q(x_then | x_now, clip)."""
    (_, b), (_, b_then) = process.level(now), process.level(then)
    return _step_variance(process, now, then) * (b_then / b) ** 2
