"""From a condition to the codes that it fixes or suggests, and from codes to the clip."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from vidgen.priors.expectation import Expectation, decided
from vidgen.tokenizers import TokenizerPhase
from vidgen.types import Condition, Params, Task, Video


class Codec:
    """A tokenizer with motion compensation, as generators over codes sample through it.

    Two generators that build it from phases of the same configuration train the same codec: the
    phases bear the same names, and so draw the same first weights and see the same clips.

    Args:
        tokenizer: the phase that trains the tokenizer.
        task: shape of the clips.
        expectation: what motion compensation expects of a clip.

    Attributes:
        tokenizer: the tokenizer.
        expectation: the same.
    """

    def __init__(self, tokenizer: TokenizerPhase, task: Task, expectation: Expectation) -> None:
        self._name, self._task = tokenizer.name, task
        self.tokenizer, self.expectation = tokenizer.tokenizer, expectation

    def stands_for(
        self, params: Mapping[str, Params], codes: Int[Array, "*axes"]
    ) -> Float[Array, "*axes F"]:
        """What codes stand for, `Tokenizer.stands_for`."""
        return self.tokenizer.stands_for(params[self._name], codes)

    def given(
        self, params: Mapping[str, Params], condition: Condition
    ) -> tuple[Int[Array, "B N"], Bool[Array, "B N"]]:
        """Codes in raster order, and which of them the context decides; the others mean nothing."""
        mask = decided(self.tokenizer, condition)
        codes = jnp.zeros(mask.shape, jnp.int32)
        K = self._task.context_frames
        if K:
            still = self._still(condition.context)
            codes = self.tokenizer.encode(params[self._name], still).reshape(mask.shape)
        return codes, mask

    def known(
        self,
        params: Mapping[str, Params],
        frames: Float[Array, "B M H W C"],
        condition: Condition,
    ) -> tuple[Int[Array, "B N"], Bool[Array, "B N"]]:
        """The same of clips that are known beyond their context, in all of their first M frames."""
        codes, _ = self.codes(params, self._still(frames), condition)
        there = jnp.ones(frames.shape[:2], bool)
        given = dataclasses.replace(condition, context=frames, context_mask=there)
        return codes, decided(self.tokenizer, given)

    def expected(
        self,
        params: Mapping[str, Params],
        condition: Condition,
        doubled: Condition,
        opening: Int[Array, "B M"],
    ) -> Float[Array, "R N F"]:
        """What clips whose first codes are these are expected to be, `Expectation.told`.

        Args:
            params: weights by phase.
            condition: B prompts.
            doubled: the same, and with guidance those that it leads away from beside them.
            opening: the first codes.
        """
        copies = doubled.batch_size // condition.batch_size
        codes = opening.reshape(len(opening), -1, *self.tokenizer.grid[1:])
        if self.expectation.residual:
            shown = self.tokenizer.decode(params[self._name], codes)
            told = self.expectation.told(params, self._moved(params, shown, condition))
            return jnp.tile(told, (copies, 1, 1))
        shown = self.tokenizer.decode(params[self._name], jnp.tile(codes, (copies, 1, 1, 1)))
        return self.expectation.told(params, self._moved(params, shown, doubled))

    def clip(
        self, params: Mapping[str, Params], codes: Int[Array, "B N"], condition: Condition
    ) -> Video:
        """What the codes stand for, with the pixels of frames that are given pasted in."""
        video = self.tokenizer.decode(params[self._name], codes.reshape(-1, *self.tokenizer.grid))
        if self.expectation.residual:
            video = self.expectation.whole(video, self._moved(params, video, condition))
        return self._with_context(condition, jnp.clip(video, -1.0, 1.0))

    def codes(
        self, params: Mapping[str, Params], video: Video, condition: Condition
    ) -> tuple[Int[Array, "B N"], Video]:
        """The codes of real clips in raster order, and what is expected of them: `moved`."""
        expectation = self.expectation
        first = expectation.begun(params, video[:, : expectation.frames], condition)
        moved = expectation.moved(params, first, condition)
        codes = self.tokenizer.encode(params[self._name], expectation.left(video, moved))
        return codes.reshape(len(codes), -1), moved

    def reconstruct(
        self, params: Mapping[str, Params], video: Video, condition: Condition
    ) -> Video:
        """Through the tokenizer and back."""
        codes, moved = self.codes(params, video, condition)
        back = self.tokenizer.decode(params[self._name], codes.reshape(-1, *self.tokenizer.grid))
        return jnp.clip(self.expectation.whole(back, moved), -1.0, 1.0)

    def _moved(
        self, params: Mapping[str, Params], video: Float[Array, "B M H W C"], condition: Condition
    ) -> Video:
        """What is expected of clips that begin as these do; their context is pasted in."""
        begun = video[:, : self.expectation.frames]
        if self.expectation.residual:
            begun = jnp.clip(begun, -1.0, 1.0)
        return self.expectation.moved(params, self._with_context(condition, begun), condition)

    def _still(self, frames: Float[Array, "B M H W C"]) -> Video:
        """Clips that begin so, and stand still. Codes never look ahead: whatever follows leaves
        those of these frames as they are.
        """
        return frames[:, np.minimum(np.arange(self._task.frames), frames.shape[1] - 1)]

    def _with_context(self, condition: Condition, video: Video) -> Video:
        K = self._task.context_frames
        mask = condition.context_mask[..., None, None, None]
        first = jnp.where(mask, condition.context, video[:, :K])
        return jnp.concatenate([first, video[:, K:]], axis=1)
