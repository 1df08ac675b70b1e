"""Codes that are read in training as they will be when sampling: not all of them right.

A prior that has read only true codes has never seen its own mistakes, and drifts where they pile up
(exposure bias). Two remedies: codes at random, which it must learn to mistrust, and codes that the
prior itself would have drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vidgen.contract import Key
from vidgen.generators.autoregressive.config import CausalPriorConfig
from vidgen.generators.autoregressive.network import CausalPrior
from vidgen.nn import codes_of
from vidgen.priors import Codes, Prompt


def exposed(
    network: CausalPrior,
    config: CausalPriorConfig,
    stands_for: Callable[[Int[Array, "B M"]], Float[Array, "B M F"]],
    codes: Codes,
    prompt: Prompt,
    drawn: Bool[Array, "B M"],
    key: Key,
    progress: Float[Array, ""],
) -> Codes:
    """Codes, some of those that are read replaced; the digits, which are asked for, stay.

    Args:
        network: the prior, which is asked for its own codes.
        config: names the shares.
        stands_for: what codes stand for, `Tokenizer.stands_for`.
        codes: the true ones.
        prompt: what they are asked of.
        drawn: which of them are drawn when sampling; those that are given stay true.
        key: of what is replaced and by what.
        progress: share of the budget that is spent; the share of the prior's own codes grows with
            it from 0, as in the reference's schedule.

    References: scheduled sampling: Bengio et al., "Scheduled sampling for sequence prediction with
    recurrent neural networks" (2015), by a second pass over all places at once as in Mihaylova and
    Martins, "Scheduled sampling for transformers" (2019). Random codes are the discrete form of the
    noise on context of Valevski et al., "Diffusion models are real-time game engines" (2024).
    """
    told, digits = codes
    levels = network.head.levels
    which_own, draw, which_random, random = jax.random.split(key, 4)
    if config.scheduled_sampling:
        logits = network(told, digits, prompt)
        own = jax.random.categorical(draw, jax.lax.stop_gradient(logits)).astype(jnp.int32)
        own = stands_for(codes_of(own, levels))
        told = _replaced(told, own, drawn, which_own, config.scheduled_sampling * progress)
    if config.context_noise:
        noise = stands_for(jax.random.randint(random, drawn.shape, 0, math.prod(levels)))
        told = _replaced(told, noise, drawn, which_random, config.context_noise)
    return told, digits


def _replaced(
    told: Float[Array, "B M F"],
    by: Float[Array, "B M F"],
    drawn: Bool[Array, "B M"],
    key: Key,
    share: float | Float[Array, ""],
) -> Float[Array, "B M F"]:
    swap = drawn & jax.random.bernoulli(key, share, drawn.shape)
    return jnp.where(swap[..., None], by, told)
