"""What is known of a clip before its codes are drawn: decided by its context, or expected."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vidgen.motion import MotionNetwork
from vidgen.nn import Network
from vidgen.nn.patches import patchify
from vidgen.tokenizers import Tokenizer
from vidgen.types import Condition, Params, Video


def decided(tokenizer: Tokenizer, condition: Condition) -> Bool[Array, "B N"]:
    """Which codes, in raster order, a context that is given whole decides."""
    t, h, w = tokenizer.grid
    first = jnp.arange(t * h * w) < tokenizer.known(condition.context_mask.shape[1]) * h * w
    return jnp.all(condition.context_mask, axis=1)[:, None] & first[None]


class Expectation:
    """What motion compensation expects of a clip that begins with certain frames, and what is left
    for codes to say.

    The frames are carried into the later ones as the sentence asks. Where codes are of the clip
    itself, the tokenizer reads the moved clip too: where the motion is right, a code is to be
    copied, and the prior has to see to the rest. Where they are of a ``residual``, the moved clip
    is taken away from the later frames before these become codes, and added after: detail that the
    first frames show, which few codes could hold, need not go through them, and the prior is told
    the moved pixels beside the code that stands for nothing left. What moves is what sampling has:
    given frames as they are, and others as their codes show them. A code has one meaning then, and
    prompts from which guidance leads away expect what the asked one does.

    References: residuals of motion compensation: as in any codec of video; by learned ones Lu et
    al., "DVC: an end-to-end deep video compression framework" (2019).

    Args:
        tokenizer: of the clips or of what is left of them.
        motion: that moves them.
        frames: how many first frames a clip begins with.
        residual: whether codes are of what is left.

    Attributes:
        frames: the same.
        residual: the same.
        steps: how many steps on the codes' time axis hold these frames, the clip's opening.
        opening: how many codes they are.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        motion: Network[MotionNetwork],
        frames: int,
        *,
        residual: bool = False,
    ) -> None:
        self._tokenizer, self._motion = tokenizer, motion
        self.frames, self.residual = frames, residual
        self.steps = tokenizer.covering(frames)
        self.opening = self.steps * tokenizer.grid[1] * tokenizer.grid[2]

    def moved(
        self,
        frozen: Mapping[str, Params],
        first: Float[Array, "B K H W C"],
        condition: Condition,
    ) -> Video:
        """The first frames, and what becomes of them.

        Args:
            frozen: weights of the motion by name of the phase.
            first: the first frames.
            condition: its sentence is read.
        """
        return self._motion.bind(frozen["motion"])(first, condition)

    def begun(
        self, frozen: Mapping[str, Params], first: Float[Array, "B K H W C"], condition: Condition
    ) -> Float[Array, "B K H W C"]:
        """Real first frames as sampling has them.

        Args:
            frozen: weights of the tokenizer by name of the phase.
            first: the first frames.
            condition: tells which are given.
        """
        if not self.residual:
            return first
        weights = frozen["tokenizer"]
        back = self._tokenizer.decode(weights, self._tokenizer.encode(weights, first))
        K = condition.context_mask.shape[1]
        given = condition.context_mask[..., None, None, None]
        back = jnp.clip(back[:, : self.frames], -1.0, 1.0)
        return jnp.concatenate([jnp.where(given, first[:, :K], back[:, :K]), back[:, K:]], axis=1)

    def left(self, video: Float[Array, "B M H W C"], moved: Video) -> Float[Array, "B M H W C"]:
        """What the tokenizer is to see of a clip, or of its first M frames."""
        if not self.residual:
            return video
        later = video[:, self.frames :] - moved[:, self.frames : video.shape[1]]
        return jnp.concatenate([video[:, : self.frames], later], axis=1)

    def whole(self, left: Video, moved: Video) -> Video:
        """The clip of which this is left: the inverse of `left`."""
        if not self.residual:
            return left
        later = left[:, self.frames :] + moved[:, self.frames :]
        return jnp.concatenate([left[:, : self.frames], later], axis=1)

    def told(self, frozen: Mapping[str, Params], moved: Video) -> Float[Array, "B N F"]:
        """What the expected codes stand for, `Tokenizer.stands_for`, in raster order; where codes
        are of a residual, with the moved pixels in the place of theirs.

        Args:
            frozen: weights of the tokenizer by name of the phase.
            moved: `moved`.
        """
        tokenizer, weights = self._tokenizer, frozen["tokenizer"]
        codes = tokenizer.encode(weights, self.left(moved, moved))
        told = tokenizer.stands_for(weights, codes.reshape(len(codes), -1))
        if not self.residual:
            return told
        # The first code's patch ends with the first frame, as the tokenizer has it.
        past = jnp.repeat(moved[:, :1], tokenizer.config.patch[0] - 1, axis=1)
        pixels = patchify(jnp.concatenate([past, moved], axis=1), tokenizer.config.code_patch)
        pixels = pixels.reshape(*told.shape[:2], -1)
        return jnp.concatenate([told[..., : -pixels.shape[-1]], pixels], axis=-1)
