"""What the masked generator is made of, and what can be turned when it samples."""

from __future__ import annotations

import dataclasses

import jax
from jaxtyping import Array, Float

from vidgen.motion import MotionConfig
from vidgen.optim import Optimizer
from vidgen.tokenizers import TokenizerConfig

Scalar = float | Float[Array, ""]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampler:
    """How codes are filled in.

    All but `steps` are traced, so that a sweep over them compiles once.

    Attributes:
        steps: passes of the network over the opening, and as many over the codes after it. Static.
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

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"Sampler.steps must be at least 1, got {self.steps}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedPriorConfig:
    """A transformer encoder over the condition, and bidirectional blocks over the codes.

    Attributes:
        width: features of a token.
        heads: attention heads.
        encoder_depth: blocks over text and context.
        depth: blocks over codes.
        expansion: of the feed-forward networks.
        code_width: features of each code before those around a place are joined.
        digit_width: features of each digit of a code in the head.
        drop_text: probability that a training clip loses its text, for guidance.
        drop_all: probability that it loses text and context.
        batch_size: clips a step whose openings, the first frames, are filled in.
        continued: how many of them are filled in to their end. Openings hold all that the sentence
            says of looks, and cost a fraction of a clip.
        ema: decay of the averaged weights that sample.
        optimizer: moves all weights.

    Raises:
        ValueError: if a size is below 1, or the heads do not divide the width.
    """

    width: int = 160
    heads: int = 4
    encoder_depth: int = 1
    depth: int = 3
    expansion: float = 3.0
    code_width: int = 32
    digit_width: int = 64
    drop_text: float = 0.05
    drop_all: float = 0.05
    batch_size: int = 32
    continued: int = 8
    ema: float = 0.99
    optimizer: Optimizer = dataclasses.field(
        default=Optimizer(kind="muon", learning_rate=4e-3, adam_learning_rate=3e-3)
    )

    def __post_init__(self) -> None:
        sizes = (self.width, self.heads, self.depth, self.code_width, self.digit_width)
        if min(*sizes, self.batch_size) < 1:
            raise ValueError(f"sizes of the prior must be at least 1: {self}")
        if not 1 <= self.continued <= self.batch_size:
            raise ValueError(
                f"continued must lie in [1, batch_size = {self.batch_size}], got {self.continued}"
            )
        if self.width % (2 * self.heads):
            raise ValueError(f"{self.heads} heads need a width that 2 * heads divides: {self}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskedConfig:
    """A tokenizer, motion compensation and a masked prior, and how they share the budget.

    Tokenizer and motion are by default those of the autoregressive generator, and so are their
    shares: under one seed and budget both generators train the same ones.

    Attributes:
        tokenizer: the tokenizer.
        prior: the transformer.
        motion: of the motion compensation that suggests codes to the prior.
        motion_share: fraction of the budget that it is trained for.
        tokenizer_share: fraction of the budget that the tokenizer is trained for.
        sampler: how codes are filled in if the caller does not say.

    Raises:
        ValueError: if the shares leave nothing for a phase.
    """

    tokenizer: TokenizerConfig = dataclasses.field(default=TokenizerConfig())
    prior: MaskedPriorConfig = MaskedPriorConfig()
    motion: MotionConfig = dataclasses.field(default=MotionConfig())
    motion_share: float = 0.125
    tokenizer_share: float = 0.2
    sampler: Sampler = Sampler()

    def __post_init__(self) -> None:
        shares = (self.tokenizer_share, self.motion_share)
        if min(*shares, 1.0 - sum(shares)) <= 0.0:
            raise ValueError(
                "tokenizer_share and motion_share must be above 0 and leave something for the "
                f"prior, got {shares[0]} and {shares[1]}"
            )

    @classmethod
    def tiny(cls) -> MaskedConfig:
        """A network for tests."""
        prior = MaskedPriorConfig(
            width=24,
            heads=2,
            depth=1,
            code_width=8,
            digit_width=8,
            batch_size=3,
            continued=2,
            expansion=2.0,
        )
        return cls(
            tokenizer=TokenizerConfig.tiny(),
            prior=prior,
            motion=MotionConfig.tiny(),
            sampler=Sampler(steps=2),
        )
