"""Codes that are read in training as they will be when sampling: not all of them right.

A prior that has read only true codes has never seen its own mistakes, and drifts where they pile up
(exposure bias). Two remedies: codes at random, which it must learn to mistrust, and codes that the
prior itself would have drawn. The first reaches the frames that are given, too, which in a clip
that goes on are the last ones of what was drawn before.

Neither is a gain at the size of `digits32`. Chained to 32 frames (seed 5, 512 prompts, one CPU core
each, 95% intervals over prompts), by ``vidgen compare digits32 --generators autoregressive --seeds
5 --budget 2.5e13flops --set curve= compositional=false equal_flops=none equal_parameters=none
answers=1 metrics=oracle,pixel,temporal``, without and with
``autoregressive.prior.context_noise=0.2`` or ``autoregressive.prior.scheduled_sampling=0.25``, the
slope a frame of the share of frames with the right identity, and success in clips of the task's
length::

    neither                    -0.0120 [-0.0134, -0.0106]    0.79 [0.76, 0.83]
    context_noise=0.2          -0.0113 [-0.0127, -0.0100]    0.81 [0.77, 0.84]
    scheduled_sampling=0.25    -0.0171 [-0.0185, -0.0157]    0.77 [0.73, 0.80]
"""

from __future__ import annotations

import dataclasses
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


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Replacements:
    """What may stand in the place of each code, and where it does; None for what is left out.

    Attributes:
        own: uniform numbers, below the share of the prior's own codes where one of them is read;
            and the noise by which it is drawn among the logits of each digit (Gumbel's).
        other: whether a random code is read, and which.
    """

    own: tuple[Float[Array, "B M"], Float[Array, "B M G L"]] | None
    other: tuple[Bool[Array, "B M"], Int[Array, "B M"]] | None

    @classmethod
    def draw(
        cls,
        config: CausalPriorConfig,
        begun: Int[Array, "B M G"],
        whole: Int[Array, "R N G"],
        levels: tuple[int, ...],
        key: Key,
    ) -> tuple[Replacements, Replacements]:
        """Those of the openings of all clips, and those of the first R clips, whose openings have
        the same random codes in the same places. How many of its codes are random is drawn for each
        clip, evenly up to the share that is asked for, so that some clips have next to none.

        Args:
            config: names the shares.
            begun: digits of the openings' codes.
            whole: digits of all codes.
            levels: how many values each digit takes.
            key: of all draws.
        """
        for_own, for_share, which, random = jax.random.split(key, 4)
        shape, swap, codes = (len(begun), whole.shape[1]), None, None
        if config.context_noise:
            share = config.context_noise * jax.random.uniform(for_share, (len(begun), 1))
            swap = jax.random.uniform(which, shape) < share
            codes = jax.random.randint(random, shape, 0, math.prod(levels))

        def of(digits: Int[Array, "P M G"], key: Key) -> Replacements:
            rows, length, _ = digits.shape
            own, other = None, None
            if config.scheduled_sampling:
                which_own, draw = jax.random.split(key)
                noise = jax.random.gumbel(draw, (*digits.shape, max(levels)))
                own = jax.random.uniform(which_own, digits.shape[:2]), noise
            if swap is not None and codes is not None:
                other = swap[:rows, :length], codes[:rows, :length]
            return cls(own=own, other=other)

        for_begun, for_whole = jax.random.split(for_own)
        return of(begun, for_begun), of(whole, for_whole)


def exposed(
    network: CausalPrior,
    config: CausalPriorConfig,
    stands_for: Callable[[Int[Array, "B M"]], Float[Array, "B M F"]],
    codes: Codes,
    prompt: Prompt,
    drawn: Bool[Array, "B M"],
    by: Replacements,
    progress: Float[Array, ""],
) -> Codes:
    """Codes, some of those that are read replaced; the digits, which are asked for, stay.

    The prior's own codes are drawn digit by digit, each given the true digits before it: where
    codes have many digits they err less than in sampling, where a digit follows drawn ones.

    Args:
        network: the prior, which is asked for its own codes.
        config: names the shares.
        stands_for: what codes stand for, `Tokenizer.stands_for`.
        codes: the true ones.
        prompt: what they are asked of.
        drawn: which of them are drawn when sampling; only these the prior draws here.
        by: what is replaced and by what.
        progress: share of the budget that is spent; the share of the prior's own codes grows with
            it from 0, as in the reference's schedule.

    References: scheduled sampling: Bengio et al., "Scheduled sampling for sequence prediction with
    recurrent neural networks" (2015), by a second pass over all places at once as in Mihaylova and
    Martins, "Scheduled sampling for transformers" (2019). Random codes are the discrete form of the
    noise on context of Valevski et al., "Diffusion models are real-time game engines" (2024).
    """
    told, digits = codes
    if by.own is not None:
        uniform, noise = by.own
        logits = jax.lax.stop_gradient(network(told, digits, prompt))
        own = jnp.argmax(noise + logits, axis=-1).astype(jnp.int32)
        own = stands_for(codes_of(own, network.head.levels))
        swap = drawn & (uniform < config.scheduled_sampling * progress)
        told = jnp.where(swap[..., None], own, told)
    if by.other is not None:
        swap, random = by.other
        told = jnp.where(swap[..., None], stands_for(random), told)
    return told, digits
