"""From a condition to the codes that it fixes or suggests, and from codes to the clip."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from vidgen.motion import MotionPhase
from vidgen.priors.expectation import Expectation, decided
from vidgen.tokenizers import TokenizerPhase
from vidgen.types import Condition, Params, Task, Video


class Codec:
    """A tokenizer with motion compensation, as generators over codes sample through it.

    Two generators that build it from phases of the same configuration train the same codec: the
    phases bear the same names, and so draw the same first weights and see the same clips.

    Args:
        tokenizer: the phase that trains the tokenizer.
        motion: the phase that trains motion compensation.
        task: shape of the clips.

    Attributes:
        tokenizer: the tokenizer.
        expectation: what motion compensation expects of a clip's codes.
    """

    def __init__(self, tokenizer: TokenizerPhase, motion: MotionPhase, task: Task) -> None:
        self._name, self._task = tokenizer.name, task
        self.tokenizer = tokenizer.tokenizer
        self.expectation = Expectation(self.tokenizer, motion.network, task.opening_frames)

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
            # Codes never look ahead, so whatever follows the context leaves its own as they are.
            still = condition.context[:, np.minimum(np.arange(self._task.frames), K - 1)]
            codes = self.tokenizer.encode(params[self._name], still).reshape(mask.shape)
        return codes, mask

    def expected(
        self, params: Mapping[str, Params], condition: Condition, opening: Int[Array, "B M"]
    ) -> Int[Array, "B N"]:
        """The codes expected of a clip whose first codes are these, `Expectation`."""
        codes = opening.reshape(len(opening), -1, *self.tokenizer.grid[1:])
        begun = self.tokenizer.decode(params[self._name], codes)[:, : self.expectation.frames]
        return self.expectation(params, self._with_context(condition, begun), condition)

    def clip(
        self, params: Mapping[str, Params], codes: Int[Array, "B N"], condition: Condition
    ) -> Video:
        """What the codes stand for, with the pixels of frames that are given pasted in."""
        video = self.tokenizer.decode(params[self._name], codes.reshape(-1, *self.tokenizer.grid))
        return self._with_context(condition, jnp.clip(video, -1.0, 1.0))

    def reconstruct(self, params: Mapping[str, Params], video: Video) -> Video:
        """Through the tokenizer and back."""
        weights = params[self._name]
        return jnp.clip(
            self.tokenizer.decode(weights, self.tokenizer.encode(weights, video)), -1.0, 1.0
        )

    def _with_context(self, condition: Condition, video: Video) -> Video:
        K = self._task.context_frames
        mask = condition.context_mask[..., None, None, None]
        first = jnp.where(mask, condition.context, video[:, :K])
        return jnp.concatenate([first, video[:, K:]], axis=1)
