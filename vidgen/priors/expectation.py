"""What is known of a clip's codes before any is drawn: decided by its context, or expected."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from vidgen.motion import MotionNetwork
from vidgen.nn import Network
from vidgen.tokenizers import Tokenizer
from vidgen.types import Condition, Params


def decided(tokenizer: Tokenizer, condition: Condition) -> Bool[Array, "B N"]:
    """Which codes, in raster order, a context that is given whole decides."""
    t, h, w = tokenizer.grid
    first = jnp.arange(t * h * w) < tokenizer.known(condition.context_mask.shape[1]) * h * w
    return jnp.all(condition.context_mask, axis=1)[:, None] & first[None]


class Expectation:
    """What motion compensation expects of a clip that begins with certain frames, in codes.

    The frames are carried into the later ones as the sentence asks, and the tokenizer reads the
    result: where the motion is right, a code is to be copied, and the prior has to see to the rest.

    Args:
        tokenizer: that reads the moved clip.
        motion: that moves it.
        frames: how many first frames a clip begins with.

    Attributes:
        frames: the same.
        steps: how many steps on the codes' time axis hold these frames, the clip's opening.
        opening: how many codes they are.
    """

    def __init__(self, tokenizer: Tokenizer, motion: Network[MotionNetwork], frames: int) -> None:
        self._tokenizer, self._motion, self.frames = tokenizer, motion, frames
        self.steps = tokenizer.covering(frames)
        self.opening = self.steps * tokenizer.grid[1] * tokenizer.grid[2]

    def __call__(
        self, frozen: Mapping[str, Params], first: Float[Array, "B K H W C"], condition: Condition
    ) -> Int[Array, "B N"]:
        """The expected codes, in raster order.

        Args:
            frozen: weights of the tokenizer and the motion by name of the phase.
            first: the first frames.
            condition: its sentence is read.
        """
        moved = self._motion.bind(frozen["motion"])(first, condition)
        codes = self._tokenizer.encode(frozen["tokenizer"], moved)
        return codes.reshape(len(codes), -1)
