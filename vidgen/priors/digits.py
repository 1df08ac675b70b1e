"""The distribution of a code, digit by digit."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Bool, Float, Int


class DigitHead(nnx.Module):
    """The distribution of a code, digit by digit: each digit given a feature and those before it.

    A code of many values is a number of few-valued digits (the features of finite scalar
    quantisation; one digit for a codebook of vectors). Their product may have far more values than
    a softmax could learn one by one, and what is learned of a digit serves all codes that share it.
    In training all digits are seen at once through a mask, as in MADE.

    Args:
        width: features of a token.
        hidden: features of each digit.
        levels: how many values each of the G digits takes, at most L.
        rngs: source of the initial weights.

    References: Germain et al., "MADE: masked autoencoder for distribution estimation" (2015).
    """

    def __init__(self, width: int, hidden: int, levels: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        G, L = len(levels), max(levels)
        self.levels, self.hidden = levels, hidden
        self.wide = nnx.Linear(width, G * hidden, rngs=rngs)
        draw = initializers.normal(0.1)
        self.earlier_embed = nnx.Param(draw(rngs.params(), (G, L, G, hidden)))
        self.out_head = nnx.Param(initializers.zeros(rngs.params(), (G, hidden, L)))
        self.bias_head = nnx.Param(jnp.zeros((G, L)))

    def __call__(
        self, x: Float[Array, "*axes D"], digits: Int[Array, "*axes G"]
    ) -> Float[Array, "*axes G L"]:
        """Logits of every digit given the feature and the digits before it; -inf beyond a level."""
        return self.logits(self.features(x) + self.told(digits))

    def draw(
        self,
        x: Float[Array, "R *axes D"],
        choose: Callable[[int, Float[Array, "R *axes V"]], Int[Array, "B *axes"]],
    ) -> Int[Array, "B *axes G"]:
        """Digits one after another, each given the feature and those chosen before it.

        Args:
            x: features of R = copies * B rows.
            choose: given the place of a digit and its logits, takes a value for each of B rows, of
                which all copies are told.
        """
        told, digits = self.features(x), []
        G, L = len(self.levels), max(self.levels)
        out, bias = self.out_head.get_value(), self.bias_head.get_value()
        rows = self.earlier_embed.get_value().reshape(G * L, G, self.hidden)
        for place, values in enumerate(self.levels):
            logits = jax.nn.gelu(told[..., 0, :]) @ out[place, :, :values]
            ones = tuple(range(logits.ndim - 1))
            logits = logits.astype(jnp.float32) + jnp.expand_dims(bias[place, :values], ones)
            digit = choose(place, logits)
            digits.append(digit)
            later = jnp.take(rows[:, place + 1 :], place * L + digit, axis=0, mode="clip")
            copies = (len(told) // len(digit), *(1,) * (told.ndim - 1))
            told = told[..., 1:, :] + jnp.tile(later, copies)
        return jnp.stack(digits, axis=-1)

    def features(self, x: Float[Array, "*axes D"]) -> Float[Array, "*axes G E"]:
        """What the token says to each digit."""
        return self.wide(x).reshape(*x.shape[:-1], len(self.levels), self.hidden)

    def told(self, digits: Int[Array, "*axes G"]) -> Float[Array, "*axes G E"]:
        """What each digit is told of those before it."""
        G, L = len(self.levels), max(self.levels)
        before = jnp.triu(jnp.ones((G, G)), k=1)[:, None, :, None]
        table = (self.earlier_embed.get_value() * before).reshape(G * L, -1)
        chosen = jax.nn.one_hot(digits, L).reshape(*digits.shape[:-1], -1)
        return (chosen @ table).reshape(*digits.shape[:-1], G, self.hidden)

    def logits(self, features: Float[Array, "*axes G E"]) -> Float[Array, "*axes G L"]:
        """From the sum of `features` and `told`."""
        G, L = len(self.levels), max(self.levels)
        # One product with a matrix that is 0 off its diagonal blocks: for a product a digit, digits
        # would be brought to the front and back, which takes longer. Its zeros count as FLOPs.
        apart = jnp.eye(G)[:, None, :, None]
        out = (self.out_head.get_value()[:, :, None] * apart).reshape(-1, G * L)
        inside = jax.nn.gelu(features).reshape(*features.shape[:-2], -1)
        logits = (inside @ out).reshape(*features.shape[:-1], L)
        logits = logits + jnp.expand_dims(self.bias_head.get_value(), tuple(range(logits.ndim - 2)))
        valid = np.arange(max(self.levels)) < np.asarray(self.levels)[:, None]
        valid = jnp.expand_dims(valid, tuple(range(logits.ndim - 2)))
        return jnp.where(valid, logits.astype(jnp.float32), -jnp.inf)


def tally(
    logits: Float[Array, "B M G L"], digits: Int[Array, "B M G"], asked: Bool[Array, "B M"]
) -> Float[Array, "2"]:
    """Sums over the codes asked for: their cross-entropy in nats, and how many were the likeliest
    digit by digit.
    """
    nats = optax.softmax_cross_entropy_with_integer_labels(logits, digits).sum(axis=-1)
    right = jnp.all(jnp.argmax(logits, axis=-1) == digits, axis=-1)
    return jnp.stack([jnp.sum(nats * asked), jnp.sum(right & asked)])
