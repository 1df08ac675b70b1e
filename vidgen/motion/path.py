"""What carries the state of a motion from move to move: convolution or attention over time.

The third way is `vidgen.nn.GRU`. In all of them the state after a move depends on that move's input
and on earlier ones alone, so that they differ in nothing but how time is read.
"""

from __future__ import annotations

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Float

from vidgen.nn import Encoder, causal_mask

MotionPath = Literal["gru", "conv", "transformer"]

MOTION_PATHS: tuple[MotionPath, ...] = get_args(MotionPath)
"""Every kind of motion path, the default first."""

HEADS = 4
"""Attention heads of the transformer; they must divide its width."""

_DEPTH, _EXPANSION = 2, 2.0
"""Of the transformer: at the same width 2.7 times as many weights as the GRU. The convolution has
1.5 times as many at up to eight moves, and half of the GRU's more whenever moves double."""


class TemporalConvolution(nnx.Module):
    """Residual blocks of causal convolution over time, with two taps each and gaps that double.

    As many blocks as it takes for the last move to see the first. Two taps a gap apart are one
    matrix product of a move beside an earlier one, which is how they are computed.

    Args:
        width: features of a move, in and out.
        moves: M.
        rngs: source of the initial weights.

    References: van den Oord et al., "WaveNet" (2016), section 2.1; residual, as in Bai et al., "An
    empirical evaluation of generic convolutional and recurrent networks for sequence modeling"
    (2018).
    """

    def __init__(self, width: int, moves: int, *, rngs: nnx.Rngs) -> None:
        self.gaps = tuple(2**n for n in range((moves - 1).bit_length()))
        blocks = range(len(self.gaps))
        self.norms = nnx.List([nnx.RMSNorm(width, rngs=rngs) for _ in blocks])
        self.taps = nnx.List([nnx.Linear(2 * width, width, rngs=rngs) for _ in blocks])
        self.outs = nnx.List(
            [nnx.Linear(width, width, kernel_init=initializers.zeros, rngs=rngs) for _ in blocks]
        )
        self.norm = nnx.RMSNorm(width, rngs=rngs)

    def __call__(self, x: Float[Array, "B M D"]) -> Float[Array, "B M D"]:
        """The state after each move."""
        for gap, norm, taps, out in zip(self.gaps, self.norms, self.taps, self.outs, strict=True):
            now = norm(x)
            before = jnp.pad(now, [(0, 0), (gap, 0), (0, 0)])[:, : x.shape[1]]
            x = x + out(jax.nn.gelu(taps(jnp.concatenate([before, now], axis=-1))))
        return self.norm(x)


class TemporalTransformer(nnx.Module):
    """A small causal transformer over moves. Its inputs say themselves which move they are of.

    Args:
        width: features of a move, in and out.
        rngs: source of the initial weights.

    Raises:
        ValueError: if `HEADS` does not divide the width.
    """

    def __init__(self, width: int, *, rngs: nnx.Rngs) -> None:
        self.encoder = Encoder(width, HEADS, _DEPTH, expansion=_EXPANSION, rngs=rngs)

    def __call__(self, x: Float[Array, "B M D"]) -> Float[Array, "B M D"]:
        """The state after each move."""
        return self.encoder(x, mask=causal_mask(x.shape[1]))
