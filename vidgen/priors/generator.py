"""What every generator over codes is: a tokenizer, motion compensation, and a prior."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vidgen import nn
from vidgen.contract import Key, Phase
from vidgen.motion import MotionPhase
from vidgen.priors.codec import Codec
from vidgen.priors.config import CodesConfig
from vidgen.priors.expectation import Expectation
from vidgen.priors.phase import PriorPhase
from vidgen.priors.residual import ResidualPhase
from vidgen.tokenizers import TokenizerPhase
from vidgen.types import Condition, Params, Task, Video


class CodesGenerator:
    """Holds the phases; who inherits names the prior's, and adds the card, `sample` and
    the hooks.

    With a history (`CodesConfig.history`) it also has a rollout of its own, to clips of any length.

    Args:
        config: sizes and shares.
        task: shape of the clips and captions.

    Raises:
        ValueError: for a history that whole steps of the tokenizer do not hold.
    """

    prior_phase: ClassVar[type[PriorPhase[Any]]]

    def __init__(self, config: CodesConfig, task: Task) -> None:
        self.config, self.task = config, task
        unsaid = config.prior.drop_text
        self._motion = MotionPhase(config.motion, task, share=config.motion_share, drop_text=unsaid)
        if config.residual:
            self._tokenizer: TokenizerPhase = ResidualPhase(
                config.tokenizer,
                task,
                self._motion.network,
                share=config.tokenizer_share,
                drop_text=unsaid,
            )
        else:
            self._tokenizer = TokenizerPhase(config.tokenizer, task, share=config.tokenizer_share)
        expectation = Expectation(
            self._tokenizer.tokenizer,
            self._motion.network,
            task.opening_frames,
            residual=config.residual,
        )
        self._codec = Codec(self._tokenizer, task, expectation)
        self._prior = self.prior_phase(
            config.prior,
            task,
            self._codec.tokenizer,
            expectation,
            share=config.prior_share,
        )
        if config.history is not None:
            self._check(config.history)
            # Having the method says that it can (`vidgen.contract.RollsOut`).
            self.rollout = self._rollout

    def phases(self) -> Sequence[Phase]:
        """The tokenizer and motion compensation, each before what needs it, then the prior."""
        if self.config.residual:
            return [self._motion, self._tokenizer, self._prior]
        return [self._tokenizer, self._motion, self._prior]

    def reconstruct(
        self, params: Mapping[str, Params], video: Video, condition: Condition
    ) -> Video:
        """Through the tokenizer and back: the ceiling of this family."""
        return self._codec.reconstruct(params, video, condition)

    def attention(
        self, params: Mapping[str, Params], video: Video, condition: Condition, keys: Key
    ) -> Float[Array, "B L t h w"]:
        """See `vidgen.contract.Attends.attention`: of the places of codes, each told what its
        prior is told of the others in training.
        """
        codec, (t, h, w) = self._codec, self._codec.tokenizer.grid
        codes, moved = codec.codes(params, video, condition)
        expected = codec.expectation.told(params, moved)
        prior = self._prior.network.bind(params[self._prior.name])
        stands_for = functools.partial(codec.stands_for, params)
        weights = nn.observe(
            prior,
            "cross",
            lambda: self._read(prior, codes, stands_for(codes), expected, condition, keys),
        )
        # After the null key and the summary.
        words = jnp.stack(weights)[..., 2 : 2 + condition.text_mask.shape[1]].mean(axis=(0, 2))
        words = words.reshape(len(video), t, h, w, -1).transpose(0, 4, 1, 2, 3)
        # A frame at a time, since the first step holds fewer of them.
        return words[:, :, codec.tokenizer.steps(self.task.frames)]

    def _read(
        self,
        prior: Any,
        codes: Int[Array, "B N"],
        told: Float[Array, "B N F"],
        expected: Float[Array, "B N F"],
        condition: Condition,
        keys: Key,
    ) -> None:
        """Have the prior look at whole clips once.

        Args:
            prior: bound to its weights.
            codes: of the clips, in raster order.
            told: what they stand for.
            expected: what motion compensation expects, `Expectation.told`.
            condition: B prompts.
            keys: one a clip.
        """
        raise NotImplementedError

    def sample(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        sampler: Any = None,
    ) -> Video:
        """Draw one clip for each row of the condition, a context that is given included."""
        raise NotImplementedError

    def _draw(
        self, prior: Any, condition: Condition, keys: Key, sampler: Any, **known: Any
    ) -> Int[Array, "B N"]:
        """``sample_codes`` of the generator's own module, by its config's sampler for None."""
        raise NotImplementedError

    def _sampled(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        sampler: Any,
        known: Float[Array, "B M H W C"] | None = None,
    ) -> Video:
        """Clips of the codes that `_draw` draws, a context that is given included: its codes are
        given to the prior, and its pixels are pasted in.

        Args:
            params: what each phase exported, by phase name.
            condition: B prompts.
            keys: [B] PRNG keys, one a clip.
            sampler: how to draw; None for the config's.
            known: first frames, the context among them, whose codes are given; by default those of
                a context that is given.
        """
        if known is None:
            given = self._codec.given(params, condition)
        else:
            given = self._codec.known(params, known, condition)
        codes = self._draw(
            self._prior.network.bind(params[self._prior.name]),
            condition,
            keys,
            sampler,
            stands_for=functools.partial(self._codec.stands_for, params),
            expect=functools.partial(self._codec.expected, params),
            opening=self._codec.expectation.opening,
            given=given,
        )
        return self._codec.clip(params, codes, condition)

    def _rollout(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        keys: Key,
        frames: int,
        sampler: Any = None,
    ) -> Video:
        """See `vidgen.contract.RollsOut.rollout`; the first T frames are what `sample` draws."""
        assert self.config.history is not None
        K = self.task.context_frames
        clip = self.sample(params, condition, keys, sampler)

        def go_on(last: Float[Array, "B M H W C"], keys: Key) -> Video:
            # A layout speaks of the first window's frames alone.
            told = Condition.of(
                condition.text,
                condition.text_mask,
                last[:, :K],
                jnp.ones_like(condition.context_mask),
            )
            return self._sampled(params, told, keys, sampler, last)

        return nn.slide(clip, keys, frames, self.config.history, go_on)

    def _check(self, history: int) -> None:
        tokenizer = self._codec.tokenizer
        least = self._codec.expectation.steps
        held = [tokenizer.frames(steps) for steps in range(least, tokenizer.grid[0])]
        able = [frames for frames in held if frames < self.task.frames]
        if history not in able:
            raise ValueError(
                f"history={history}: of {self.task.frames} frames a window can know "
                f"{', '.join(map(str, able)) or 'none'}, which whole steps of the tokenizer hold"
            )
