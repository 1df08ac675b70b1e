"""What a prior over codes is made of, and how its generator's budget is shared."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from vidgen.motion import MotionConfig
from vidgen.optim import Optimizer, check_microbatches
from vidgen.space import Range, Space, Width, Widths
from vidgen.tokenizers import TokenizerConfig
from vidgen.types import ADDED_LATER

C = TypeVar("C", bound="PriorConfig")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PriorConfig:
    """A transformer encoder over the condition, and layers over codes that who inherits describes.

    Attributes:
        width: features of a token.
        heads: attention heads.
        encoder_depth: blocks over text and context.
        expansion: of the feed-forward networks.
        code_width: features of each code before those around a place are joined.
        digit_width: features of each digit of a code in the head.
        drop_text: probability that a training clip loses its text, for guidance.
        drop_all: probability that it loses text and context.
        batch_size: clips a step whose openings, the first frames, are learned.
        continued: how many of them are learned to their end. Openings hold all that the sentence
            says of looks, and cost a fraction of a clip.
        microbatches: parts of a batch whose gradients are computed one after another and averaged:
            the same step but for rounding, in the memory of one part and, with scheduled sampling,
            of noise as large as the logits of all. They divide `batch_size` and `continued`.
        remat: whether what a block of a transformer computes on the way forward is computed again
            for its gradient rather than kept.
        ema: decay of the averaged weights that sample.
        optimizer: moves all weights.

    Raises:
        ValueError: if a size is below 1, the heads do not divide the width, or microbatches do not
            divide the rows.
    """

    width: int = 160
    heads: int = 4
    encoder_depth: int = 1
    expansion: float = 3.0
    code_width: int = 32
    digit_width: int = 64
    drop_text: float = 0.05
    drop_all: float = 0.05
    batch_size: int = 32
    continued: int = 8
    microbatches: int = dataclasses.field(default=1, metadata=ADDED_LATER)
    remat: bool = dataclasses.field(default=False, metadata=ADDED_LATER)
    ema: float = 0.99
    optimizer: Optimizer = dataclasses.field(
        default=Optimizer(kind="muon", learning_rate=4e-3, adam_learning_rate=3e-3)
    )

    def __post_init__(self) -> None:
        sizes = (self.width, self.heads, self.code_width, self.digit_width, self.batch_size)
        if min(sizes) < 1:
            raise ValueError(f"sizes of the prior must be at least 1: {self}")
        if not 1 <= self.continued <= self.batch_size:
            raise ValueError(
                f"continued must lie in [1, batch_size = {self.batch_size}], got {self.continued}"
            )
        check_microbatches(self.microbatches, self.batch_size, self.continued)
        if self.width % (2 * self.heads):
            raise ValueError(f"{self.heads} heads need a width that 2 * heads divides: {self}")

    @classmethod
    def tiny(cls: type[C]) -> C:
        """A network for tests."""
        return cls(
            width=24,
            heads=2,
            code_width=8,
            digit_width=8,
            batch_size=3,
            continued=2,
            expansion=2.0,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class CodesConfig:
    """A tokenizer, motion compensation and a prior, and how they share the budget.

    The defaults of all but the prior are the same for every generator over codes, so that under one
    seed and a budget in steps or FLOPs they train the same tokenizer and the same motion
    compensation. Under one in seconds they may take another number of steps.

    Attributes:
        tokenizer: the tokenizer.
        prior: the transformer.
        motion: of the motion compensation that tells the prior what to expect.
        motion_share: fraction of the budget that it is trained for.
        tokenizer_share: fraction of the budget that the tokenizer is trained for.
        residual: whether codes are of what motion compensation leaves of the frames after the
            first, see `Expectation`, and not of the clip. The motion is trained first then.
        history: of clips longer than the task, how many of the last frames a window knows that
            slides along them: the codes of these are given, those of the frames that follow drawn.
            As many as whole steps of the tokenizer hold, 1 + n * patch[0]. None leaves such clips
            to chained sampling, which hands on the context's frames alone.

    Raises:
        ValueError: if the shares leave nothing for a phase; if a residual is to be looked at by
            networks that know pictures.
    """

    tokenizer: TokenizerConfig = dataclasses.field(default=TokenizerConfig())
    prior: PriorConfig = PriorConfig()
    motion: MotionConfig = dataclasses.field(default=MotionConfig())
    motion_share: float = 0.125
    tokenizer_share: float = 0.2
    residual: bool = dataclasses.field(default=False, metadata=ADDED_LATER)
    history: int | None = dataclasses.field(default=None, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        shares = (self.tokenizer_share, self.motion_share)
        if min(*shares, self.prior_share) <= 0.0:
            raise ValueError(
                "tokenizer_share and motion_share must be above 0 and leave something for the "
                f"prior, got {shares[0]} and {shares[1]}"
            )
        if self.residual and (self.tokenizer.perceptual or self.tokenizer.adversarial):
            raise ValueError(
                "residual: LPIPS and a discriminator look at pictures, not at what is left of "
                "them; set tokenizer.perceptual=none and tokenizer.adversarial=none"
            )

    @property
    def prior_share(self) -> float:
        """What is left of the budget for the prior."""
        return 1.0 - self.tokenizer_share - self.motion_share

    @classmethod
    def search_space(cls) -> Space:
        """The rates of tokenizer and prior, and how the phases share the budget."""
        return {
            "tokenizer.optimizer.learning_rate": Range(1.5e-3, 1.5e-2, log=True),
            "prior.optimizer.learning_rate": Range(1.2e-3, 1.2e-2, log=True),
            "tokenizer_share": Range(0.1, 0.4),
            "motion_share": Range(0.05, 0.25),
        }

    def widths(self) -> Widths:
        """Of tokenizer, prior and motion compensation; the codes themselves stay as they are.

        A head of the prior turns its features in pairs, on three axes.
        """
        heads = self.prior.heads
        return {
            **{f"tokenizer.{path}": width for path, width in self.tokenizer.scalable().items()},
            "prior.width": Width(2 * heads, least=6 * heads),
            "prior.code_width": Width(4),
            "prior.digit_width": Width(4),
            "motion.width": Width(4),
            "motion.features": Width(4),
        }
