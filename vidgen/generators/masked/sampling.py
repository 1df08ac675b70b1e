"""Filling in codes over a few passes, the most confident first."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vidgen.contract import Key
from vidgen.generators.masked.config import Sampler
from vidgen.generators.masked.network import MaskedPrior
from vidgen.generators.masked.schedule import least, remaining
from vidgen.nn import codes_of
from vidgen.priors import Prompt, doubled, guided
from vidgen.types import Condition


def sample_codes(
    prior: MaskedPrior,
    stands_for: Callable[[Int[Array, "*axes"]], Float[Array, "*axes F"]],
    expect: Callable[[Condition, Condition, Int[Array, "B M"]], Float[Array, "R N F"]],
    condition: Condition,
    keys: Key,
    sampler: Sampler,
    *,
    opening: int,
    given: tuple[Int[Array, "B N"], Bool[Array, "B N"]],
) -> Int[Array, "B N"]:
    """The codes of one clip for each row of the condition, in raster order.

    First those of the opening, then all others, of which motion compensation of the opening tells
    what to expect. With guidance the unconditional pass runs as a second half of the batch; codes
    that are given are given to both.

    Args:
        prior: with its weights.
        stands_for: what codes stand for, `Tokenizer.stands_for`.
        expect: what is expected of clips whose first M codes are these, `Codec.expected`.
        condition: B prompts.
        keys: [B] PRNG keys, one a clip.
        sampler: how to fill in.
        opening: M, how many codes are filled in before there is anything to expect.
        given: codes that are known beforehand, and which of them are.
    """
    single = condition
    condition, _ = doubled(condition, sampler.guidance)
    prompt = prior.encode(condition)
    for_opening, for_later = (
        jax.vmap(jax.random.fold_in, (0, None))(keys, stretch) for stretch in range(2)
    )
    first = fill(
        prior,
        stands_for,
        prompt,
        None,
        given[0][:, :opening],
        ~given[1][:, :opening],
        for_opening,
        sampler,
        sampler.steps if sampler.opening_steps is None else sampler.opening_steps,
    )
    suggested = expect(single, condition, first)
    later = ~given[1] & (jnp.arange(prior.length) >= opening)[None]
    codes = jnp.where(later, 0, jnp.concatenate([first, given[0][:, opening:]], axis=1))
    return fill(
        prior, stands_for, prompt, suggested, codes, later, for_later, sampler, sampler.steps
    )


def fill(
    prior: MaskedPrior,
    stands_for: Callable[[Int[Array, "*axes"]], Float[Array, "*axes F"]],
    prompt: Prompt,
    suggested: Float[Array, "R M F"] | None,
    codes: Int[Array, "B M"],
    hidden: Bool[Array, "B M"],
    keys: Key,
    sampler: Sampler,
    steps: int,
) -> Int[Array, "B M"]:
    """The first M codes of each clip with the hidden ones filled in, the others as they are.

    Each of the steps draws all codes that are hidden, and hides again those of which it is least
    sure, as many as the schedule says. R is B, or 2 B with guidance.
    """
    copies = len(prompt.source) // len(codes)
    left = jnp.asarray(remaining(codes.shape[1], steps))[:, jnp.sum(hidden, axis=1)]

    def advance(
        carry: tuple[Int[Array, "B M"], Bool[Array, "B M"]],
        now: tuple[Int[Array, ""], Int[Array, "B"]],
    ) -> tuple[tuple[Int[Array, "B M"], Bool[Array, "B M"]], None]:
        (codes, hidden), (step, left) = carry, now
        of_step = jax.vmap(jax.random.fold_in, (0, None))(keys, step)
        told = jnp.tile(stands_for(codes), (copies, 1, 1))
        x = prior(told, jnp.tile(hidden, (copies, 1)), prompt, suggested)
        drawn, confidence = draw(prior, x, of_step, sampler)
        codes = jnp.where(hidden, drawn, codes)
        for_choice = jax.vmap(jax.random.fold_in, (0, None))(of_step, len(prior.head.levels))
        noise = jax.vmap(lambda key: jax.random.gumbel(key, codes.shape[1:]))(for_choice)
        noise = sampler.choice_temperature * (1.0 - (step + 1) / steps) * noise
        return (codes, least(confidence + noise, hidden, left)), None

    (codes, _), _ = jax.lax.scan(advance, (codes, hidden), (jnp.arange(steps), left))
    return codes


def draw(
    prior: MaskedPrior, x: Float[Array, "R M D"], keys: Key, sampler: Sampler
) -> tuple[Int[Array, "B M"], Float[Array, "B M"]]:
    """A code for each place, digit by digit, and its log-probability before temperature."""
    confidence: list[Float[Array, "B M"]] = []

    def choose(place: int, logits: Float[Array, "R M V"]) -> Int[Array, "B M"]:
        logits = guided(logits, sampler.guidance)
        of_digit = jax.vmap(jax.random.fold_in, (0, None))(keys, place)
        sharp = logits / jnp.maximum(sampler.temperature, 1e-6)
        digit = jax.vmap(jax.random.categorical)(of_digit, sharp).astype(jnp.int32)
        chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), digit[..., None], axis=-1)
        confidence.append(chosen[..., 0])
        return digit

    digits = prior.head.draw(x, choose)
    return codes_of(digits, prior.head.levels), jnp.sum(jnp.stack(confidence), axis=0)
