"""The exponential moving average of weights that sampling reads."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from vidgen.types import Params


def ema(average: Params, params: Params, step: Int[Array, ""], decay: float) -> Params:
    """The average after one more step.

    The decay warms up as (1 + step) / (10 + step), so that short runs are not dominated by their
    initial weights.

    Args:
        average: the average so far, a tree like `params`.
        params: the newest weights.
        step: steps taken before this one.
        decay: the decay in the long run, in [0, 1).
    """
    rate = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda a, p: a + (1.0 - rate) * (p - a), average, params)
