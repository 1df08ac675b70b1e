"""Learning-rate schedules over progress in [0, 1]."""

from __future__ import annotations

import dataclasses
from typing import Literal

import jax.numpy as jnp
from jaxtyping import Array, Float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schedule:
    """A linear warm-up, a plateau, and a fall: a factor on the learning rate.

    It runs on the share of the budget that is spent, because under a budget in seconds nobody
    knows the number of steps.

    Attributes:
        warmup: share of the budget spent warming up from a hundredth.
        hold: share of the budget at which the fall begins.
        shape: "cosine", "linear" or "constant" (no fall).
        final: the factor at the end of the fall.
    """

    warmup: float = 0.02
    hold: float = 0.0
    shape: Literal["cosine", "linear", "constant"] = "cosine"
    final: float = 0.01

    def __post_init__(self) -> None:
        if not (0 <= self.warmup < 1 and 0 <= self.hold < 1):
            raise ValueError(f"warmup and hold are shares of the budget in [0, 1): {self}")
        if self.shape not in ("cosine", "linear", "constant"):
            raise ValueError(f"shape must be cosine, linear or constant, got {self.shape!r}")

    def __call__(self, progress: Float[Array, ""]) -> Float[Array, ""]:
        """The factor at this share of the budget."""
        rise = jnp.minimum(1.0, 0.01 + progress / max(self.warmup, 1e-6))
        if self.shape == "constant":
            return rise
        start = max(self.hold, self.warmup)
        fallen = jnp.clip((progress - start) / (1.0 - start), 0.0, 1.0)
        left = 0.5 * (1.0 + jnp.cos(jnp.pi * fallen)) if self.shape == "cosine" else 1.0 - fallen
        return rise * (self.final + (1.0 - self.final) * left)
