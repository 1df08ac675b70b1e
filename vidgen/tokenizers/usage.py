"""How evenly a tokenizer's codes are used: of all codes, and of the values of each digit."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from vidgen.nn import digits_of, histogram, perplexity, usage
from vidgen.types import Metrics

_MEMORY = 0.99
"""Decay of the shares: about a hundred steps are remembered."""

_COUNTED = 2**16
"""The most codes whose shares are kept. A hundred steps read a few times as many; of more codes
most would be missing whatever the tokenizer does."""

_BITS = 0.4
"""Share of the bits that digits could carry below which they count as collapsed."""

Shares = dict[str, jax.Array]
"""Of values of digits, one digit after another, and, where they are counted, of codes."""


class Usage:
    """Shares of codes over the last hundred steps or so, as explicit arrays.

    Args:
        levels: how many values each digit of a code takes.

    Attributes:
        floors: by metric, the value below which it means a collapse, see
            `vidgen.contract.Collapses`.
    """

    def __init__(self, levels: tuple[int, ...]) -> None:
        self.levels, self.size = levels, math.prod(levels)
        bits = sum(n**_BITS for n in levels) / len(levels)
        self.floors = {"digit_perplexity": bits}
        if self.size <= _COUNTED:
            # Of few codes perplexity tells, of many usage.
            self.floors |= {"perplexity": 1.5, "usage": 0.01}

    def even(self) -> Shares:
        """The shares at step 0: all alike."""
        digits = [jnp.full(n, 1.0 / n, jnp.float32) for n in self.levels]
        shares = {"digits": jnp.concatenate(digits)}
        if self.size <= _COUNTED:
            shares["codes"] = jnp.full(self.size, 1.0 / self.size, jnp.float32)
        return shares

    def after(self, shares: Shares, codes: Int[Array, "*axes"]) -> Shares:
        """The shares after a step that gave these codes."""
        first = np.cumsum((0, *self.levels[:-1])).astype(np.int32)
        digits = digits_of(codes.reshape(-1), self.levels) + first[None]
        # Of as many places as digits, so that those of each digit add up to 1.
        new = {"digits": len(self.levels) * histogram(digits, sum(self.levels))}
        if "codes" in shares:
            new["codes"] = histogram(codes, self.size)
        return {name: _MEMORY * old + (1.0 - _MEMORY) * new[name] for name, old in shares.items()}

    def metrics(self, shares: Shares) -> Metrics:
        """``digit_perplexity`` and ``digit_usage``, means over digits; and ``perplexity`` and
        ``usage`` of whole codes where they are counted.
        """
        each = jnp.split(shares["digits"], np.cumsum(self.levels)[:-1])
        metrics = {
            "digit_perplexity": jnp.mean(jnp.stack([perplexity(digit) for digit in each])),
            "digit_usage": jnp.mean(jnp.stack([usage(digit) for digit in each])),
        }
        if "codes" in shares:
            metrics["perplexity"] = perplexity(shares["codes"])
            metrics["usage"] = usage(shares["codes"])
        return metrics
