"""What every generator over codes is: a tokenizer, motion compensation, and a prior."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from jaxtyping import Array, Int

from vidgen.contract import Key, Phase
from vidgen.motion import MotionPhase
from vidgen.priors.codec import Codec
from vidgen.priors.config import CodesConfig
from vidgen.priors.phase import PriorPhase
from vidgen.tokenizers import TokenizerPhase
from vidgen.types import Condition, Params, Task, Video


class CodesGenerator:
    """Holds the phases; who inherits names the prior's, and adds the card and `sample`.

    Args:
        config: sizes and shares.
        task: shape of the clips and captions.
    """

    prior_phase: ClassVar[type[PriorPhase[Any]]]

    def __init__(self, config: CodesConfig, task: Task) -> None:
        self.config, self.task = config, task
        self._tokenizer = TokenizerPhase(config.tokenizer, task, share=config.tokenizer_share)
        self._motion = MotionPhase(
            config.motion, task, share=config.motion_share, drop_text=config.prior.drop_text
        )
        self._codec = Codec(self._tokenizer, self._motion, task)
        self._prior = self.prior_phase(
            config.prior,
            task,
            self._codec.tokenizer,
            self._codec.expectation,
            share=config.prior_share,
        )

    def phases(self) -> Sequence[Phase]:
        """The tokenizer, motion compensation, then the prior over the tokenizer's codes."""
        return [self._tokenizer, self._motion, self._prior]

    def reconstruct(self, params: Mapping[str, Params], video: Video) -> Video:
        """Through the tokenizer and back: the ceiling of this family."""
        return self._codec.reconstruct(params, video)

    def _sampled(
        self,
        draw: Callable[..., Int[Array, "B N"]],
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        sampler: Any,
    ) -> Video:
        """Clips of the codes that `draw` draws, a context that is given included: its codes are
        given to the prior, and its pixels are pasted in.

        Args:
            draw: ``sample_codes`` of the generator's own module.
            params: what each phase exported, by phase name.
            condition: B prompts.
            keys: [B] PRNG keys, one a clip.
            sampler: how to draw.
        """
        codes = draw(
            self._prior.network.bind(params[self._prior.name]),
            functools.partial(self._codec.stands_for, params),
            functools.partial(self._codec.expected, params),
            condition,
            keys,
            sampler,
            opening=self._codec.expectation.opening,
            given=self._codec.given(params, condition),
        )
        return self._codec.clip(params, codes, condition)
