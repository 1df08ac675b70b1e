"""Classifier-free guidance of logits: the unconditional rows run as a second half of the batch.

References: Gafni et al., "Make-A-Scene" (2022), section 3.4; of masked transformers: Chang et al.,
"Muse" (2023), section 2.7.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen.types import Condition

Guidance = float | Float[Array, ""] | None
"""Scale of what the condition changes; None follows it at half the price."""


def doubled(condition: Condition, guidance: Guidance) -> tuple[Condition, int]:
    """The rows that a pass needs, and how many copies of each clip they are: R = copies * B."""
    if guidance is None:
        return condition, 1
    return condition.beside(condition.unconditional()), 2


def guided(logits: Float[Array, "R *axes"], guidance: Guidance) -> Float[Array, "B *axes"]:
    """One row a clip: unconditional + guidance * (conditional - unconditional)."""
    if guidance is None:
        return logits
    conditional, unconditional = jnp.split(logits, 2)
    return unconditional + guidance * (conditional - unconditional)
