"""From noise to a clip: levels of noise, and classifier-free guidance at some or all of them."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen.contract import Key
from vidgen.denoising import Process, held, opened, wide
from vidgen.generators.diffusion.config import DiffusionSampler, Interval
from vidgen.generators.diffusion.solvers import Velocity, walk
from vidgen.generators.diffusion.window import Known, begin
from vidgen.types import Condition, Video


def guided(
    told: Callable[[Condition], Velocity],
    condition: Condition,
    weight: Float[Array, ""] | None,
    interval: Interval | None = None,
) -> Velocity:
    """The velocity pushed away from what the sentence does not ask for.

    The given frames stay in both passes: they are facts, and it is the sentence that is weighed.
    A clip without a sentence is weighed against neither.

    Args:
        told: the network, told a condition once for all steps.
        condition: what is asked for.
        weight: 1 is no guidance, and None the same at half the price.
        interval: the lowest and the highest time at which there is any; None for all. A step
            outside of it costs one pass of the network and not two.

    References: Ho & Salimans, "Classifier-free diffusion guidance" (2022); Kynkäänniemi et al.,
    "Applying guidance in a limited interval improves sample and distribution quality in diffusion
    models" (2024).
    """
    if weight is None:
        return told(condition)
    hidden = condition.keep(text=False)
    predict = told(condition.beside(hidden))

    def pushed(x: Video, t: Float[Array, "B *each"], weight: Float[Array, "..."]) -> Video:
        twice = predict(jnp.concatenate([x, x]), jnp.concatenate([t, t]))
        asked, unasked = jnp.split(twice, 2)
        return unasked + weight * (asked - unasked)

    if interval is None:
        return lambda x, t: pushed(x, t, weight)
    (low, high), asked = interval, told(condition)

    def limited(x: Video, t: Float[Array, "B *each"]) -> Video:
        # What is at no level, as given frames are, does not move, and needs no guidance.
        inside = (low <= t) & (t <= high) & (t > 0.0)
        return jax.lax.cond(
            inside.any(),
            lambda: pushed(x, t, wide(jnp.where(inside, weight, 1.0))),
            lambda: asked(x, t),
        )

    return limited


def draw(
    told: Callable[[Condition], Velocity],
    process: Process,
    shape: tuple[int, ...],
    condition: Condition,
    keys: Key,
    sampler: DiffusionSampler,
    known: Known | None = None,
    *,
    given: Condition | None = None,
    bound: float = 1.0,
) -> Video:
    """One clip for each row of the condition, given frames included.

    Args:
        told: the network, told a condition once for all steps.
        process: the path.
        shape: [T H W C].
        condition: B prompts.
        keys: [B] PRNG keys.
        sampler: method, steps, guidance.
        known: the history of every clip, for a network that is told a level of each frame; it is
            returned as it came. None for one that is told a level of all.
        given: the prompts in the space that is drawn in, where that is not pixels: its context is
            what theirs decides there.
        bound: the largest value in that space; infinite where it has none.

    Raises:
        ValueError: if the method cannot walk this path, or has no eta and is given one.
    """
    method = sampler.method or process.methods[0]
    if method not in process.methods:
        raise ValueError(f"this path is walked by {process.methods}, not by {method!r}")
    if sampler.eta is not None and method != "ddim":
        raise ValueError(f"eta is ddim's, and this walk is by {method!r}: leave it out")
    weight = None if sampler.guidance is None else jnp.asarray(sampler.guidance, jnp.float32)
    given = condition if given is None else given
    free = guided(told, condition, weight, sampler.guidance_interval)

    def velocity(x: Video, t: Float[Array, "B *each"]) -> Video:
        return free(x, t) if known is not None else held(process, x, t, free(x, t), given)

    u = jnp.arange(sampler.steps + 1) / sampler.steps
    levels = process.shifted(1.0 - u**sampler.curve)

    def noise(step: Array) -> Video:
        draw_one = lambda key: jax.random.normal(  # noqa: E731
            jax.random.fold_in(key, step), shape
        )
        return jax.vmap(draw_one)(keys)

    start = noise(jnp.zeros((), jnp.int32))
    if known is not None:
        start, levels = begin(known, process, start, levels, sampler.lag)
    x = walk(velocity, process, start, levels, method, noise, bound, sampler.eta)
    x = jnp.clip(x, -bound, bound)
    if known is not None:
        x = jnp.concatenate([known.frames, x[:, known.frames.shape[1] :]], axis=1)
    return opened(given, x).context
