"""What the autoregressive generator is made of, and what can be turned when it samples."""

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
    """How codes are drawn from the prior; all of it acts on one digit of a code after another.

    All but `top_k` are traced, so that a sweep over them compiles once.

    Attributes:
        temperature: divides the logits; at 0 the likeliest digit is taken.
        top_p: only the likeliest digits that together reach this probability; 1 for all.
        guidance: logits are unconditional + guidance * (conditional - unconditional). None is 1
            at half the price, because the unconditional pass is left out.
        top_k: only the `top_k` likeliest digits; None for all. Static.

    References: nucleus sampling: Holtzman et al., "The curious case of neural text degeneration"
    (2020); guidance of logits: Gafni et al., "Make-A-Scene" (2022), section 3.4.

    Raises:
        ValueError: if top_k is below 1.
    """

    temperature: Scalar = 0.15
    top_p: Scalar = 1.0
    guidance: Scalar | None = 1.5
    top_k: int | None = dataclasses.field(default=None, metadata={"static": True})

    def __post_init__(self) -> None:
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"Sampler.top_k must be at least 1, got {self.top_k}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CausalPriorConfig(PriorConfig):
    """A transformer encoder over the condition and a transformer decoder over the codes.

    Two remedies for drift, see `exposure.exposed`; both are off by default.

    Attributes:
        decoder_depth: blocks over codes.
        context_noise: up to which share of a clip's codes that are read in training random ones
            take the place, evenly drawn a clip. Those of the first frames are among them, which are
            then shown as the tokenizer shows such codes, to the prior and to the motion.
        scheduled_sampling: share of them that the prior's own draws have replaced at the end of
            training; it costs a second pass forward.

    Raises:
        ValueError: as `PriorConfig`, if there is no block, and if a share lies outside [0, 1].
    """

    decoder_depth: int = 3
    context_noise: float = dataclasses.field(default=0.0, metadata=ADDED_LATER)
    scheduled_sampling: float = dataclasses.field(default=0.0, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decoder_depth < 1:
            raise ValueError(f"decoder_depth must be at least 1, got {self.decoder_depth}")
        if not (0 <= self.context_noise <= 1 and 0 <= self.scheduled_sampling <= 1):
            raise ValueError(
                "context_noise and scheduled_sampling must lie in [0, 1], got "
                f"{self.context_noise} and {self.scheduled_sampling}"
            )

    @classmethod
    def tiny(cls) -> CausalPriorConfig:
        """A network for tests."""
        return dataclasses.replace(super().tiny(), decoder_depth=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AutoregressiveConfig(CodesConfig):
    """A tokenizer, motion compensation, a prior over codes, and how they share the budget.

    Attributes:
        sampler: how codes are drawn if the caller does not say.
    """

    prior: CausalPriorConfig = CausalPriorConfig()
    sampler: Sampler = Sampler()

    @classmethod
    def tiny(cls) -> AutoregressiveConfig:
        """A network for tests."""
        return cls(
            tokenizer=TokenizerConfig.tiny(),
            prior=CausalPriorConfig.tiny(),
            motion=MotionConfig.tiny(),
        )
