"""The masked generator: a video tokenizer and a transformer that fills in its codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from jaxtyping import Array, Int

from vidgen.contract import Card, Key, Phase
from vidgen.generators.masked.config import MaskedConfig, Sampler
from vidgen.generators.masked.phase import MaskedPriorPhase
from vidgen.generators.masked.sampling import sample_codes
from vidgen.motion import MotionPhase
from vidgen.priors import Codec
from vidgen.registry import register
from vidgen.tokenizers import TokenizerPhase
from vidgen.types import Condition, Params, Task, Video


@register("masked", MaskedConfig)
class Masked:
    """Codes of a causal video tokenizer, filled in many at a time by a bidirectional transformer.

    Args:
        config: sizes.
        task: shape of the clips and captions.
    """

    card: ClassVar[Card] = Card(
        name="masked",
        family="masked",
        summary="A bidirectional transformer fills in the codes of a causal video tokenizer over a "
        "few passes, the most confident first.",
        paper="Chang et al., MaskGIT (2022); Yu et al., MAGVIT (2023)",
        matches_reference="no: schedule and choice of codes are the papers'; the tokenizer is "
        "causal and uses scalar quantisation, a code is predicted digit by digit, the opening is "
        "filled in before what follows it, and what a context suggests of later codes is motion "
        "compensation of it, not the context padded with a constant",
    )

    def __init__(self, config: MaskedConfig, task: Task) -> None:
        self.config = config
        self.task = task
        self._tokenizer = TokenizerPhase(config.tokenizer, task, share=config.tokenizer_share)
        self._motion = MotionPhase(
            config.motion, task, share=config.motion_share, drop_text=config.prior.drop_text
        )
        self._codec = Codec(self._tokenizer, self._motion, task)
        self._prior = MaskedPriorPhase(
            config.prior,
            task,
            self._codec.tokenizer,
            self._codec.expectation,
            share=1.0 - config.tokenizer_share - config.motion_share,
        )

    def phases(self) -> Sequence[Phase]:
        """The tokenizer, motion compensation, then the prior over the tokenizer's codes."""
        return [self._tokenizer, self._motion, self._prior]

    def sample(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        sampler: Sampler | None = None,
    ) -> Video:
        """Draw one clip for each row of the condition, a context that is given included: its codes
        are given to the prior, and its pixels are pasted in.
        """
        sampler = self.config.sampler if sampler is None else sampler

        def expect(condition: Condition, opening: Int[Array, "B M"]) -> Int[Array, "B N"]:
            return self._codec.expected(params, condition, opening)

        codes = sample_codes(
            self._prior.network.bind(params[self._prior.name]),
            self._codec.dictionary(params),
            expect,
            condition,
            keys,
            sampler,
            opening=self._codec.expectation.opening,
            given=self._codec.given(params, condition),
        )
        return self._codec.clip(params, codes, condition)

    def reconstruct(self, params: Mapping[str, Params], video: Video) -> Video:
        """Through the tokenizer and back: the ceiling of this family."""
        return self._codec.reconstruct(params, video)
