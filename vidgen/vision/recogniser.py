"""Recognisers of clips by name: vectors, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

from flax import nnx
from jaxtyping import Array, Float

from vidgen.vision.resnet import FrameResNet, ResNet
from vidgen.vision.temporal import Memory, OverTime
from vidgen.vision.vit import FrameViT

Architecture = Literal[
    "resnet3d",
    "resnet2plus1d",
    "resnet-gru",
    "resnet-lstm",
    "resnet-transformer",
    "vit-gru",
    "vit-lstm",
    "vit-transformer",
]
"""Residual networks that convolve over time; or a network of frames, and what remembers them."""


class FrameByFrame(nnx.Module):
    """A network of frames, what remembers them, and a head.

    Args:
        frames: kind of the first.
        memory: kind of the second.
        shape: [H W C] of a frame.
        width: of the vectors.
        classes: logits.
        rngs: source of the initial weights.
    """

    def __init__(
        self,
        frames: Literal["resnet", "vit"],
        memory: Memory,
        shape: tuple[int, ...],
        width: int,
        classes: int,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        self.frames = (FrameResNet if frames == "resnet" else FrameViT)(shape, width, rngs=rngs)
        self.over_time = OverTime(memory, width, rngs=rngs)
        self.head = nnx.Linear(width, classes, rngs=rngs)

    def features(self, video: Float[Array, "B T H W C"]) -> Float[Array, "B D"]:
        """The vector of each clip, pixels in [-1, 1]."""
        return self.over_time(self.frames(video))

    def __call__(self, video: Float[Array, "B T H W C"]) -> Float[Array, "B K"]:
        """Logits of each clip."""
        return self.head(self.features(video))


_PARTS: Mapping[str, tuple[Literal["resnet", "vit"], Memory]] = MappingProxyType(
    {
        "resnet-gru": ("resnet", "gru"),
        "resnet-lstm": ("resnet", "lstm"),
        "resnet-transformer": ("resnet", "transformer"),
        "vit-gru": ("vit", "gru"),
        "vit-lstm": ("vit", "lstm"),
        "vit-transformer": ("vit", "transformer"),
    }
)

ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)


def recogniser(
    architecture: Architecture,
    shape: tuple[int, ...],
    width: int,
    classes: int,
    *,
    rngs: nnx.Rngs,
) -> ResNet | FrameByFrame:
    """A recogniser, untrained.

    Args:
        architecture: which.
        shape: [H W C] of a frame.
        width: of the vector, a multiple of 16.
        classes: logits.
        rngs: source of the initial weights.
    """
    if architecture in ("resnet3d", "resnet2plus1d"):
        return ResNet(architecture, shape, width, classes, rngs=rngs)
    return FrameByFrame(*_PARTS[architecture], shape, width, classes, rngs=rngs)
