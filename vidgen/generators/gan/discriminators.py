"""The discriminators: one sees whole clips, the other single frames; both see the condition."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from vidgen.generators.gan.config import GanConfig
from vidgen.generators.gan.network import PATCH
from vidgen.nn import Caption, Conv, LayoutMap, patchify
from vidgen.types import Condition, Task, Video

JudgeName = Literal["clip", "frame"]

_FINE = PATCH // 2
"""Side, in pixels, of the patches that the frame discriminator sees."""

_LAYOUT_FEATURES = 8
"""Of each patch's part of a layout."""


class Merge(nnx.Module):
    """Halves every axis: a convolution whose kernel of 2 is also its stride, as a matrix product.

    Gradient penalties differentiate twice, which makes dilated convolutions of overlapping strided
    ones, for which XLA's CPU back end takes longer than for the product here
    (``benchmarks/optimisations.py``).

    Raises:
        ValueError: when called with an odd size.
    """

    def __init__(self, axes: int, inputs: int, outputs: int, *, rngs: nnx.Rngs) -> None:
        self.project = nnx.Linear(2**axes * inputs, outputs, rngs=rngs)

    def __call__(self, x: Float[Array, "B *axes I"]) -> Float[Array, "B *half O"]:
        sizes = x.shape[1:-1]
        if any(size % 2 for size in sizes):
            raise ValueError(f"axes of {sizes} cannot be halved")
        axes = len(sizes)
        split = x.reshape(x.shape[0], *(n for size in sizes for n in (size // 2, 2)), x.shape[-1])
        order = (0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1)
        return self.project(
            split.transpose(order).reshape(x.shape[0], *(n // 2 for n in sizes), -1)
        )


class Projection(nnx.Module):
    """A logit from features and a caption: what is real, plus what fits the caption.

    References: Miyato & Koyama, "cGANs with projection discriminator" (2018).
    """

    def __init__(self, features: int, caption_width: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.hidden = nnx.Linear(features, width, rngs=rngs)
        self.real = nnx.Linear(width, 1, use_bias=False, rngs=rngs)
        self.match = nnx.Linear(caption_width, width, use_bias=False, rngs=rngs)

    def __call__(
        self, features: Float[Array, "B F"], caption: Float[Array, "B E"]
    ) -> Float[Array, "B"]:
        x = self._hidden(features)
        fit = jnp.sum(x * self.match(caption), axis=-1) / x.shape[-1] ** 0.5
        return self.real(x)[:, 0] + fit

    def fits(
        self, features: Float[Array, "B F"], captions: Float[Array, "N E"]
    ) -> Float[Array, "B N"]:
        """How well each of the features fits each of the captions."""
        x = self._hidden(features)
        return x @ self.match(captions).T / x.shape[-1] ** 0.5

    def _hidden(self, features: Float[Array, "B F"]) -> Float[Array, "B D"]:
        return jax.nn.leaky_relu(self.hidden(features), 0.2)


class ClipDiscriminator(nnx.Module):
    """3-D convolutions over whole clips, the inner ones factorised into space and time.

    The context it judges by is the clip's own beginning: a clip that does not go on from there has
    a break in it. It is told the layout; the discriminator of frames is not, since to tell a
    picture from one in another place is so easy that nothing else was learned from it (on
    `digits`).
    """

    def __init__(self, config: GanConfig, task: Task, *, rngs: nnx.Rngs) -> None:
        base, patch = config.discriminator_width, task.channels * PATCH**2
        self.places = (
            LayoutMap(task.text_width, _LAYOUT_FEATURES, rngs=rngs) if task.objects else None
        )
        patch += _LAYOUT_FEATURES if task.objects else 0
        self.layers = nnx.List(
            [
                Conv(patch, base, (1, 3, 3), rngs=rngs),
                Merge(3, base, 2 * base, rngs=rngs),
                Conv(2 * base, 2 * base, (1, 3, 3), rngs=rngs),
                Conv(2 * base, 2 * base, (3, 1, 1), rngs=rngs),
                Merge(3, 2 * base, 3 * base, rngs=rngs),
            ]
        )
        cells = _quarter(task.frames) * _cells(task)
        self.head = Projection(cells * 3 * base, config.motion_width, 4 * base, rngs=rngs)

    def features(self, video: Video, condition: Condition) -> Float[Array, "B F"]:
        """What is seen in the clips and their layout, whatever their captions."""
        x = patchify(video, (1, PATCH, PATCH))
        if self.places is not None:
            places = jnp.zeros((*x.shape[:-1], _LAYOUT_FEATURES), x.dtype)
            if condition.layout is not None:
                places = self.places(condition.layout, *x.shape[2:4])
            x = jnp.concatenate([x, places], axis=-1)
        return _through(self.layers, x)


class FrameDiscriminator(nnx.Module):
    """2-D convolutions over one frame, beside the last context frame and its mask.

    It begins on patches of half the side that the clip discriminator sees, and convolves between
    all halvings: what an object is must be told wherever it stands.
    """

    def __init__(self, config: GanConfig, task: Task, *, rngs: nnx.Rngs) -> None:
        base, patch = config.discriminator_width, task.channels * _FINE**2
        inputs = patch + (patch + 1 if task.context_frames else 0)
        self.layers = nnx.List(
            [
                Conv(inputs, base, (3, 3), rngs=rngs),
                Merge(2, base, base, rngs=rngs),
                Conv(base, 2 * base, (3, 3), rngs=rngs),
                Merge(2, 2 * base, 2 * base, rngs=rngs),
                Conv(2 * base, 3 * base, (3, 3), rngs=rngs),
                Merge(2, 3 * base, 3 * base, rngs=rngs),
            ]
        )
        self.head = Projection(_cells(task) * 3 * base, config.motion_width, 4 * base, rngs=rngs)

    def features(self, frame: Float[Array, "B H W C"], condition: Condition) -> Float[Array, "B F"]:
        """What is seen in the frames and their context, whatever their captions."""
        x = _fine(frame)
        if condition.context_mask.shape[1]:
            flag = condition.context_mask[:, -1].astype(x.dtype)[:, None, None, None]
            flag = jnp.broadcast_to(flag, (*x.shape[:-1], 1))
            x = jnp.concatenate([x, _fine(condition.context[:, -1]), flag], axis=-1)
        return _through(self.layers, x)


Judge = ClipDiscriminator | FrameDiscriminator


class Discriminators(nnx.Module):
    """Both discriminators and their common reading of captions.

    Args:
        config: widths.
        task: what the clips look like.
        rngs: source of the initial weights.
    """

    def __init__(self, config: GanConfig, task: Task, *, rngs: nnx.Rngs) -> None:
        self.caption = Caption(task.text_length, task.text_width, config.motion_width, rngs=rngs)
        self.clip = ClipDiscriminator(config, task, rngs=rngs)
        self.frame = FrameDiscriminator(config, task, rngs=rngs)

    @property
    def judges(self) -> dict[JudgeName, Judge]:
        """The discriminators by what they look at."""
        return {"clip": self.clip, "frame": self.frame}

    def captions(self, condition: Condition) -> Float[Array, "B E"]:
        """A vector for each caption."""
        return self.caption(condition.text, condition.text_mask)


def _fine(picture: Float[Array, "B H W C"]) -> Float[Array, "B h w P"]:
    return patchify(picture[:, None], (1, _FINE, _FINE))[:, 0]


def _through(layers: Iterable[Conv | Merge], x: Float[Array, "B *axes C"]) -> Float[Array, "B F"]:
    """All layers, after zeros at the end of every axis that their halvings do not divide."""
    layers = list(layers)
    whole = 2 ** sum(isinstance(layer, Merge) for layer in layers)
    x = jnp.pad(x, [(0, 0), *((0, -size % whole) for size in x.shape[1:-1]), (0, 0)])
    for layer in layers:
        x = jax.nn.leaky_relu(layer(x), 0.2)
    return x.reshape(x.shape[0], -1)


def _quarter(size: int) -> int:
    """What two halvings leave of an axis, each rounded up."""
    return -(-size // 4)


def _cells(task: Task) -> int:
    return _quarter(task.height // PATCH) * _quarter(task.width // PATCH)
