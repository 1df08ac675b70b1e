"""From noise to a clip: Euler, Heun, DDIM and DDPM with classifier-free guidance."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen.contract import Key
from vidgen.denoising import Process
from vidgen.generators.diffusion.config import DiffusionSampler
from vidgen.types import Condition, Video

Velocity = Callable[[Video, Float[Array, "B"]], Video]
"""The network's velocity at clips and times."""


def guided(
    told: Callable[[Condition], Velocity], condition: Condition, weight: Float[Array, ""]
) -> Velocity:
    """The velocity pushed away from what the sentence does not ask for.

    The given frames stay in both passes: they are facts, and it is the sentence that is weighed.
    A clip without a sentence is weighed against neither.
    """
    hidden = condition.keep(text=False)
    predict = told(jax.tree.map(lambda a, b: jnp.concatenate([a, b]), condition, hidden))

    def velocity(x: Video, t: Float[Array, "B"]) -> Video:
        twice = predict(jnp.concatenate([x, x]), jnp.concatenate([t, t]))
        asked, unasked = jnp.split(twice, 2)
        return unasked + weight * (asked - unasked)

    return velocity


def draw(
    told: Callable[[Condition], Velocity],
    process: Process,
    shape: tuple[int, ...],
    condition: Condition,
    keys: Key,
    sampler: DiffusionSampler,
) -> Video:
    """One clip for each row of the condition, given frames included.

    Args:
        told: the network, told a condition once for all steps.
        process: the path.
        shape: [T H W C].
        condition: B prompts.
        keys: [B] PRNG keys.
        sampler: method, steps, guidance.

    Raises:
        ValueError: if the method cannot walk this path.

    References: DDIM: Song et al. (2021), equation 12; DDPM: Ho et al. (2020), equation 7; Heun:
    Karras et al., "Elucidating the design space" (2022), algorithm 1.
    """
    method = sampler.method or process.methods[0]
    if method not in process.methods:
        raise ValueError(f"this path is walked by {process.methods}, not by {method!r}")
    velocity = guided(told, condition, jnp.asarray(sampler.guidance, jnp.float32))
    u = jnp.arange(sampler.steps + 1) / sampler.steps
    levels = process.shifted(1.0 - u**sampler.curve)

    def noise(step: Array) -> Video:
        draw_one = lambda key: jax.random.normal(  # noqa: E731
            jax.random.fold_in(key, step), shape
        )
        return jax.vmap(draw_one)(keys)

    def advance(x: Video, step: Array) -> tuple[Video, None]:
        now, then = levels[step], levels[step + 1]
        batch = jnp.full((x.shape[0],), now)
        v = velocity(x, batch)
        match method:
            case "euler":
                y = x + (then - now) * v
            case "heun":
                y = x + (then - now) * v
                last = step == sampler.steps - 1
                after = velocity(y, jnp.full_like(batch, then))
                y = jnp.where(last, y, x + (then - now) * 0.5 * (v + after))
            case "ddim":
                clip, eps = process.split(x, v, now)
                a, b = process.level(then)
                y = a * jnp.clip(clip, -1.0, 1.0) + b * eps
            case _:
                y = _ancestral(process, x, v, now, then, noise(step + 1))
        return y, None

    start = noise(jnp.zeros((), jnp.int32))
    x, _ = jax.lax.scan(advance, start, jnp.arange(sampler.steps))
    x = jnp.clip(x, -1.0, 1.0)
    K = condition.context.shape[1]
    given = condition.context_mask[:, :, None, None, None]
    return jnp.concatenate([jnp.where(given, condition.context, x[:, :K]), x[:, K:]], axis=1)


def _ancestral(
    process: Process, x: Video, v: Video, now: Array, then: Array, fresh: Video
) -> Video:
    """A draw from the posterior q(x_then | x_now, clip)."""
    clip, _ = process.split(x, v, now)
    clip = jnp.clip(clip, -1.0, 1.0)
    (a, b), (a_then, b_then) = process.level(now), process.level(then)
    ratio = a / a_then
    step_variance = jnp.maximum(b**2 - ratio**2 * b_then**2, 0.0)
    mean = (ratio * b_then**2 * x + a_then * step_variance * clip) / b**2
    return mean + jnp.sqrt(step_variance) * b_then / b * fresh
