"""Normalisations beyond those of Flax: the adaptive one, steered by a condition."""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Float


class AdaptiveNorm(nnx.Module):
    """Root-mean-square normalisation whose scale and shift come from a condition, with a gate.

    Starts as a plain normalisation with a gate of zero, so that a residual block which is
    multiplied by the gate starts as the identity (adaLN-Zero).

    Args:
        width: features normalised.
        condition_width: features of the condition.
        rngs: source of the initial weights.

    References: Peebles & Xie, "Scalable diffusion models with transformers" (2023), section 3.2.
    """

    def __init__(self, width: int, condition_width: int, *, rngs: nnx.Rngs) -> None:
        self.norm = nnx.RMSNorm(width, use_scale=False, rngs=rngs)
        self.steer = nnx.Linear(
            condition_width, 3 * width, kernel_init=initializers.zeros, rngs=rngs
        )

    def __call__(
        self, x: Float[Array, "B *axes D"], condition: Float[Array, "B *some E"]
    ) -> tuple[Float[Array, "B *axes D"], Float[Array, "B *ones D"]]:
        """The modulated normalised features, and the gate that broadcasts against them.

        A condition may also be one for each entry of the first axes of `x`, as [B T E] for
        [B T H W D].
        """
        axes = tuple(range(condition.ndim - 1, x.ndim - 1))
        shift, scale, gate = (
            jnp.expand_dims(part, axes) for part in jnp.split(self.steer(condition), 3, axis=-1)
        )
        return self.norm(x) * (1.0 + scale) + shift, gate
