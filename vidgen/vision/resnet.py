"""Residual networks: of clips, by 3-D convolutions or (2+1)-D ones; and of frames, one by one.

References:
    He et al., "Deep residual learning for image recognition" (2016), and "Identity mappings in deep
    residual networks" (2016): the order within a block.
    Hara, Kataoka & Satoh, "Can spatiotemporal 3D CNNs retrace the history of 2D CNNs and
    ImageNet?" (2018): 3-D ResNets.
    Tran et al., "A closer look at spatiotemporal convolutions for action recognition" (2018):
    R(2+1)D.
"""

from __future__ import annotations

import math
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vidgen import nn

Convolutions = Literal["resnet3d", "resnet2plus1d", "resnet2d"]
"""Over time and space at once, over space and then over time, or over space alone."""

_CELLS = 8
"""Cells a side, at the most, that the first layer makes of a frame."""


class Stages(nnx.Module):
    """Clips into maps of features.

    A first layer turns patches into cells (at most 8x8 a frame), and two residual stages follow,
    the second at half the resolution in space, and in time where convolutions reach over it.

    Args:
        convolutions: which ones.
        shape: [H W C] of a frame.
        width: features of the maps, a multiple of 4; the first stage has a quarter of them.
        rngs: source of the initial weights.
    """

    def __init__(
        self, convolutions: Convolutions, shape: tuple[int, ...], width: int, *, rngs: nnx.Rngs
    ) -> None:
        self.patch = max(1, -(-max(shape[:2]) // _CELLS))
        stem = (self.patch, self.patch)
        self.stem = nn.Conv(shape[2], width // 4, stem, padding="valid", strides=stem, rngs=rngs)
        self.first = Residual(convolutions, width // 4, width // 4, rngs=rngs)
        self.second = Residual(convolutions, width // 4, width, rngs=rngs)
        self.third = Residual(convolutions, width, width, rngs=rngs)

    def maps(self, video: Float[Array, "B T H W C"]) -> Float[Array, "B t h w D"]:
        """The features of each cell, pixels in [-1, 1]."""
        B, T, H, W, _ = video.shape
        rest = [(0, 0), (0, 0), (0, -H % self.patch), (0, -W % self.patch), (0, 0)]
        video = jnp.pad(video, rest, mode="edge")
        frames = self.stem(video.reshape(B * T, *video.shape[2:]))
        x = self.first(frames.reshape(B, T, *frames.shape[1:]))
        return jax.nn.relu(self.third(self.second(x)))


class ResNet(Stages):
    """Clips into vectors, and vectors into logits. The vector is the mean over all cells.

    Args:
        convolutions: over time and space.
        shape: [H W C] of a frame.
        width: of the vector, a multiple of 4.
        classes: logits.
        rngs: source of the initial weights.
    """

    def __init__(
        self,
        convolutions: Convolutions,
        shape: tuple[int, ...],
        width: int,
        classes: int,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        super().__init__(convolutions, shape, width, rngs=rngs)
        self.head = nnx.Linear(width, classes, rngs=rngs)

    def features(self, video: Float[Array, "B T H W C"]) -> Float[Array, "B D"]:
        """The vector of each clip, pixels in [-1, 1]."""
        return self.maps(video).mean(axis=(1, 2, 3))

    def __call__(self, video: Float[Array, "B T H W C"]) -> Float[Array, "B K"]:
        """Logits of each clip."""
        return self.head(self.features(video))


class FrameResNet(Stages):
    """A vector a frame, of all its cells side by side: a mean would forget where things are.

    Args:
        shape: [H W C] of a frame.
        width: of the vector, a multiple of 4.
        rngs: source of the initial weights.
    """

    def __init__(self, shape: tuple[int, ...], width: int, *, rngs: nnx.Rngs) -> None:
        super().__init__("resnet2d", shape, width, rngs=rngs)
        cells = [math.ceil(math.ceil(side / self.patch) / 2) for side in shape[:2]]
        self.gather = nnx.Linear(cells[0] * cells[1] * width, width, rngs=rngs)

    def __call__(self, video: Float[Array, "B T H W C"]) -> Float[Array, "B T D"]:
        """The vector of each frame, pixels in [-1, 1]."""
        maps = self.maps(video)
        return self.gather(maps.reshape(*maps.shape[:2], -1))


class Residual(nnx.Module):
    """A pre-activation block; where it widens, it halves space, and time if it reaches over it."""

    def __init__(
        self, convolutions: Convolutions, inputs: int, outputs: int, *, rngs: nnx.Rngs
    ) -> None:
        halved = (1, 2, 2) if convolutions == "resnet2d" else (2, 2, 2)
        strides = (1, 1, 1) if inputs == outputs else halved
        self.norm_in = nnx.RMSNorm(inputs, rngs=rngs)
        self.conv_in = Convolution(convolutions, inputs, outputs, strides, rngs=rngs)
        self.norm_out = nnx.RMSNorm(outputs, rngs=rngs)
        self.conv_out = Convolution(convolutions, outputs, outputs, (1, 1, 1), rngs=rngs)
        self.skip = (
            None
            if inputs == outputs
            else nn.Conv(inputs, outputs, (1, 1, 1), strides=strides, bias=False, rngs=rngs)
        )

    def __call__(self, x: Float[Array, "B T H W I"]) -> Float[Array, "B t h w O"]:
        y = self.conv_in(jax.nn.relu(self.norm_in(x)))
        y = self.conv_out(jax.nn.relu(self.norm_out(y)))
        return (x if self.skip is None else self.skip(x)) + y


class Convolution(nnx.Module):
    """3x3x3 at once; or 1x3x3, a ReLU and 3x1x1; or 1x3x3 alone."""

    def __init__(
        self,
        convolutions: Convolutions,
        inputs: int,
        outputs: int,
        strides: tuple[int, int, int],
        *,
        rngs: nnx.Rngs,
    ) -> None:
        time, *space = strides
        if convolutions == "resnet3d":
            self.whole = nn.Conv(inputs, outputs, (3, 3, 3), strides=strides, rngs=rngs)
        else:
            self.whole = nn.Conv(inputs, outputs, (1, 3, 3), strides=(1, *space), rngs=rngs)
        self.time = (
            nn.Conv(outputs, outputs, (3, 1, 1), strides=(time, 1, 1), rngs=rngs)
            if convolutions == "resnet2plus1d"
            else None
        )

    def __call__(self, x: Float[Array, "B T H W I"]) -> Float[Array, "B t h w O"]:
        y = self.whole(x)
        return y if self.time is None else self.time(jax.nn.relu(y))
