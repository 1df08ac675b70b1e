"""Drawing codes from the prior, digit after digit, over a cache of keys and values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vidgen.contract import Key
from vidgen.generators.autoregressive.config import Sampler, Scalar
from vidgen.generators.autoregressive.network import CausalPrior
from vidgen.nn import codes_of
from vidgen.priors import Prompt, doubled, guided
from vidgen.types import Condition

_FEW = 64
"""Values of a digit up to which the noise of all codes is drawn before the first of them."""


def keep_top_k(logits: Float[Array, "B V"], k: int) -> Float[Array, "B V"]:
    """Logits of all but the `k` largest of each row set to -inf; ties with the k-th stay."""
    k = min(k, logits.shape[-1])
    least = jax.lax.top_k(logits, k)[0][:, -1:]
    return jnp.where(logits >= least, logits, -jnp.inf)


def keep_top_p(logits: Float[Array, "B V"], p: Scalar) -> Float[Array, "B V"]:
    """Logits outside the nucleus of each row set to -inf.

    The nucleus is the smallest set of the likeliest values whose probabilities reach `p`; it is
    never empty, and ties with its last member stay.
    """
    ordered = -jnp.sort(-logits, axis=-1)
    probabilities = jax.nn.softmax(ordered, axis=-1)
    before = jnp.cumsum(probabilities, axis=-1) - probabilities
    # The first is kept whatever p is; p of 1 or more keeps all, however the sum is rounded.
    kept = ((before < p) | (p >= 1.0)).at[:, 0].set(True)
    least = jnp.min(jnp.where(kept, ordered, jnp.inf), axis=-1, keepdims=True)
    return jnp.where(logits >= least, logits, -jnp.inf)


def filtered(logits: Float[Array, "B V"], sampler: Sampler) -> Float[Array, "B V"]:
    """Logits to draw from, after temperature, top-k and top-p, in this order."""
    logits = logits / jnp.maximum(sampler.temperature, 1e-4)
    if sampler.top_k is not None:
        logits = keep_top_k(logits, sampler.top_k)
    if isinstance(sampler.top_p, float) and sampler.top_p >= 1.0:
        return logits
    return keep_top_p(logits, sampler.top_p)


def gumbel(keys: Key, codes: Int[Array, "N"], levels: tuple[int, ...]) -> Float[Array, "N B G L"]:
    """The noise by which each digit of each code is drawn.

    To hash keys code by code takes as long as a block of the prior.

    Args:
        keys: [B] PRNG keys, one a clip.
        codes: which codes of a clip it is for.
        levels: how many values each of the G digits takes, at most L.
    """

    def of_digit(key: Key, index: Int[Array, ""], place: Int[Array, ""]) -> Float[Array, "L"]:
        of_code = jax.random.fold_in(key, index)
        return jax.random.gumbel(jax.random.fold_in(of_code, place), (max(levels),))

    of_code = jax.vmap(of_digit, (None, None, 0))
    of_clips = jax.vmap(of_code, (0, None, None))
    return jax.vmap(of_clips, (None, 0, None))(keys, codes, jnp.arange(len(levels)))


def sample_codes(
    prior: CausalPrior,
    stands_for: Callable[[Int[Array, "*axes"]], Float[Array, "*axes F"]],
    expect: Callable[[Condition, Condition, Int[Array, "B M"]], Float[Array, "R N F"]],
    condition: Condition,
    keys: Key,
    sampler: Sampler,
    *,
    opening: int,
    given: tuple[Int[Array, "B N"], Bool[Array, "B N"]],
) -> Int[Array, "B N"]:
    """Draw the codes of one clip for each row of the condition, in raster order, digit by digit.

    With guidance the unconditional pass runs as a second half of the batch; codes that are given
    are given to both.

    Args:
        prior: with its weights.
        stands_for: what codes stand for, `Tokenizer.stands_for`.
        expect: what is expected of clips whose first M codes are these, `Codec.expected`.
        condition: B prompts.
        keys: [B] PRNG keys, one a clip.
        sampler: how to draw.
        opening: M, how many codes are drawn before there is anything to expect.
        given: codes that are known beforehand, and which of them are.
    """
    N, levels = prior.length, prior.head.levels
    single = condition
    condition, copies = doubled(condition, sampler.guidance)
    rows = condition.batch_size
    asked = prior.encode(condition)
    memory = prior.decoder.memory(asked.source)
    # Of many values, as a codebook of one digit has, all noise at once would fill the memory.
    beforehand = gumbel(keys, jnp.arange(N), levels) if max(levels) <= _FEW else None

    def drawing(prompt: Prompt) -> Callable[[Any, Int[Array, ""]], tuple[Any, Int[Array, "B"]]]:
        def draw(carry: Any, index: Int[Array, ""]) -> tuple[Any, Int[Array, "B"]]:
            read, caches = carry
            x, caches = prior.step(read, index, prompt, caches, memory)
            if beforehand is None:
                (noise,) = gumbel(keys, index[None], levels)
            else:
                noise = beforehand[index]

            def choose(place: int, logits: Float[Array, "R V"]) -> Int[Array, "B"]:
                sharp = filtered(guided(logits, sampler.guidance), sampler)
                return jnp.argmax(sharp + noise[:, place, : levels[place]], axis=-1)

            drawn = codes_of(prior.head.draw(x, choose), levels)
            codes = jnp.where(given[1][:, index], given[0][:, index], drawn)
            new = jnp.tile(prior.read(stands_for(codes)), (copies, 1))[:, None]
            read = jax.lax.dynamic_update_slice_in_dim(read, new, index, axis=1)
            return (read, caches), codes

        return draw

    # The last row is never written: it stays what neighbours beyond the border are.
    start = (prior.nowhere(rows, N + 1), prior.decoder.empty_caches(rows, N))
    carry, first = jax.lax.scan(drawing(asked), start, jnp.arange(opening))
    expected = expect(single, condition, first.T)
    prompt = prior.expecting(asked, expected, opening)
    _, later = jax.lax.scan(drawing(prompt), carry, jnp.arange(opening, N))
    return jnp.concatenate([first, later]).T
