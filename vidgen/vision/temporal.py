"""What becomes of a clip's frames, one vector each: recurrent, or by attention over time."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vidgen import nn

Memory = Literal["gru", "lstm", "transformer"]

_HEADS, _DEPTH = 4, 2


class OverTime(nnx.Module):
    """The vectors of a clip's frames into one: the last state of a recurrent network, or the mean
    of a transformer's, whose rotary places are those of the frames.

    Args:
        memory: which.
        width: of the vectors, of frames and clip alike; a multiple of 8 for a transformer.
        rngs: source of the initial weights.

    References: Donahue et al., "Long-term recurrent convolutional networks for visual recognition
        and description" (2015); Neimark et al., "Video transformer network" (2021).
    """

    def __init__(self, memory: Memory, width: int, *, rngs: nnx.Rngs) -> None:
        self.memory, self.head_width = memory, width // _HEADS
        if memory == "transformer":
            self.network: nnx.Module = nn.Encoder(width, _HEADS, _DEPTH, rngs=rngs)
        else:
            kind = nn.GRU if memory == "gru" else nn.LSTM
            self.network = kind(width, width, rngs=rngs)

    def __call__(self, frames: Float[Array, "B T D"]) -> Float[Array, "B D"]:
        """The vector of each clip."""
        network = self.network
        if isinstance(network, nn.Encoder):
            angles = nn.rotary_angles(jnp.asarray(nn.grid(frames.shape[1])), self.head_width)
            return network(frames, angles=angles).mean(axis=1)
        assert isinstance(network, nn.GRU | nn.LSTM)
        states, _ = network(frames)
        return states[:, -1]
