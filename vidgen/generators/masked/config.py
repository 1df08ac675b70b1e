"""What the masked generator is made of, and what can be turned when it samples."""

from __future__ import annotations

import dataclasses

import jax
from jaxtyping import Array, Float

from vidgen.motion import MotionConfig
from vidgen.priors import CodesConfig, PriorConfig
from vidgen.tokenizers import TokenizerConfig
from vidgen.types import ADDED_LATER

Scalar = float | Float[Array, ""]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampler:
    """How codes are filled in.

    All but the steps are traced, so that a sweep over the others compiles once.

    Attributes:
        steps: passes of the network over the codes after the opening. Static.
        opening_steps: the same over the opening, which is drawn from the sentence alone and costs a
            fraction of a clip; None takes `steps`. Static.
        temperature: divides the logits of each digit; at 0 the likeliest is taken.
        choice_temperature: weight of the Gumbel noise on a code's log-probability where the most
            confident codes are kept; it falls linearly to 0 at the last step.
        guidance: logits are unconditional + guidance * (conditional - unconditional). None is 1
            at half the price, because the unconditional pass is left out.

    References: Chang et al., "MaskGIT" (2022), section 3.2; guidance of masked transformers: Chang
    et al., "Muse" (2023), section 2.7.

    Raises:
        ValueError: if there is no step.
    """

    steps: int = dataclasses.field(default=8, metadata={"static": True})
    temperature: Scalar = 0.3
    choice_temperature: Scalar = 1.0
    guidance: Scalar | None = 1.5
    opening_steps: int | None = dataclasses.field(
        default=None, metadata={"static": True, **ADDED_LATER}
    )

    def __post_init__(self) -> None:
        steps = (self.steps, self.steps if self.opening_steps is None else self.opening_steps)
        if min(steps) < 1:
            raise ValueError(
                f"Sampler.steps must be at least 1, got {steps[0]}, and {steps[1]} of openings"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedPriorConfig(PriorConfig):
    """A transformer encoder over the condition, and bidirectional blocks over the codes.

    Attributes:
        depth: blocks over codes.

    Raises:
        ValueError: as `PriorConfig`, and if there is no block.
    """

    depth: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1, got {self.depth}")

    @classmethod
    def tiny(cls) -> MaskedPriorConfig:
        """A network for tests."""
        return dataclasses.replace(super().tiny(), depth=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedConfig(CodesConfig):
    """A tokenizer, motion compensation, a masked prior, and how they share the budget.

    Attributes:
        sampler: how codes are filled in if the caller does not say.
    """

    prior: MaskedPriorConfig = MaskedPriorConfig()
    sampler: Sampler = Sampler()

    @classmethod
    def tiny(cls) -> MaskedConfig:
        """A network for tests."""
        return cls(
            tokenizer=TokenizerConfig.tiny(),
            prior=MaskedPriorConfig.tiny(),
            motion=MotionConfig.tiny(),
            sampler=Sampler(steps=2),
        )
