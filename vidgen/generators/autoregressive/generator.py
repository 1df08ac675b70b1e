"""The autoregressive generator: a video tokenizer and a transformer over its codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from vidgen.contract import Card, Key, Phase
from vidgen.generators.autoregressive.config import AutoregressiveConfig, Sampler
from vidgen.generators.autoregressive.phase import NAME, Expectation, PriorPhase, decided
from vidgen.generators.autoregressive.sampling import sample_codes
from vidgen.motion import MotionPhase
from vidgen.registry import register
from vidgen.tokenizers import TokenizerPhase
from vidgen.types import Condition, Params, Task, Video


@register("autoregressive", AutoregressiveConfig)
class Autoregressive:
    """Codes of a causal video tokenizer, drawn one after another by a transformer.

    Args:
        config: sizes.
        task: shape of the clips and captions.
    """

    card: ClassVar[Card] = Card(
        name="autoregressive",
        family="autoregressive",
        summary="An encoder-decoder transformer predicts the codes of a causal video tokenizer "
        "one after another, each digit by digit.",
        paper="Yan et al., VideoGPT (2021); Mentzer et al., Finite scalar quantization (2023)",
        matches_reference="no: the same method at a small size; the tokenizer is causal and uses "
        "scalar quantisation, the prior reads text, is told each code's neighbours and what motion "
        "compensation expects outright, and draws a code digit by digit; what a given first frame "
        "decides is given, not drawn",
    )

    def __init__(self, config: AutoregressiveConfig, task: Task) -> None:
        self.config = config
        self.task = task
        self._tokenizer = TokenizerPhase(config.tokenizer, task, share=config.tokenizer_share)
        tokenizer = self._tokenizer.tokenizer
        self._motion = MotionPhase(
            config.motion, task, share=config.motion_share, drop_text=config.prior.drop_text
        )
        self._expectation = Expectation(tokenizer, self._motion.network, task.opening_frames)
        self._prior = PriorPhase(
            config.prior,
            task,
            tokenizer,
            self._expectation,
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
        tokenizer, weights = self._tokenizer.tokenizer, params[self._tokenizer.name]
        prior = self._prior.network.bind(params[NAME])
        K, T = self.task.context_frames, self.task.frames
        mask = decided(tokenizer, condition)
        first = jnp.zeros(mask.shape, jnp.int32)
        if K:
            # Codes never look ahead, so whatever follows the context leaves its own as they are.
            still = condition.context[:, np.minimum(np.arange(T), K - 1)]
            first = tokenizer.encode(weights, still).reshape(mask.shape)

        def expect(condition: Condition, opening: Int[Array, "B M"]) -> Int[Array, "B N"]:
            codes = opening.reshape(len(opening), -1, *tokenizer.grid[1:])
            begun = tokenizer.decode(weights, codes)[:, : self._expectation.frames]
            begun = jnp.concatenate([self._given(condition, begun), begun[:, K:]], axis=1)
            return self._expectation(params, begun, condition)

        codes = sample_codes(
            prior,
            tokenizer.dictionary(weights),
            expect,
            condition,
            keys,
            sampler,
            opening=self._expectation.opening,
            given=(first, mask),
        )
        video = tokenizer.decode(weights, codes.reshape(-1, *tokenizer.grid))
        video = jnp.clip(video, -1.0, 1.0)
        return jnp.concatenate([self._given(condition, video), video[:, K:]], axis=1)

    def reconstruct(self, params: Mapping[str, Params], video: Video) -> Video:
        """Through the tokenizer and back: the ceiling of this family."""
        tokenizer, weights = self._tokenizer.tokenizer, params[self._tokenizer.name]
        return jnp.clip(tokenizer.decode(weights, tokenizer.encode(weights, video)), -1.0, 1.0)

    def _given(self, condition: Condition, video: Video) -> Float[Array, "B K H W C"]:
        """The first K frames: those that are given, and the video's where they are not."""
        mask = condition.context_mask[..., None, None, None]
        return jnp.where(mask, condition.context, video[:, : self.task.context_frames])
