"""Inception-v3 in the variant that FID is measured on, from weights that users bring.

It is TensorFlow's network of 2015-12-05, with its 1008 classes, as the field's PyTorch code carries
it: as torchvision's, but that average pools do not count their padding and that the last block
pools by maxima. The features are the 2048 of the last average pool.

References: Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016;
Heusel et al., "GANs trained by a two time-scale update rule ...", 2017.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt8

from vidgen import nn
from vidgen.evaluation.features.brought import BROUGHT
from vidgen.evaluation.features.feature import UnsuitableClipsError, check_pictures
from vidgen.evaluation.features.i3d import resize
from vidgen.pretrained.batches import Batched
from vidgen.pretrained.weights import Entry, WrongWeightsError, digest, port, read

SIDE = 299
"""Pixels a side that every frame is resized to, whatever its shape."""

WIDTH = 2048
CLASSES = 1008

_EPSILON = 1e-3
"""Of the batch normalisation that the weights were trained with."""

_FRAMES_AT_ONCE = {"cpu": 8}
_FRAMES_AT_ONCE_ELSEWHERE = 64


def average(x: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
    """Means over 3x3 windows of what lies inside the picture."""
    inside = jnp.ones((1, *x.shape[1:3], 1))
    total, count = (
        jax.lax.reduce_window(y, 0.0, jax.lax.add, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")
        for y in (x, inside)
    )
    return total / count


def maximum(x: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
    """Maxima over 3x3 windows of what lies inside the picture."""
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")


def shrink(x: Float[Array, "B H W C"]) -> Float[Array, "B h w C"]:
    """Maxima over 3x3 windows at every second place."""
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID")


@dataclasses.dataclass(frozen=True)
class _Conv:
    """A convolution and its ReLU.

    Attributes:
        name: in the file, below that of its block.
        outputs: channels.
        taps: along height and width.
        stride: along both.
        same: whether padding keeps the size.
    """

    name: str
    outputs: int
    taps: tuple[int, int] = (1, 1)
    stride: int = 1
    same: bool = True


_Step = _Conv | tuple[_Conv, ...] | Callable[[Array], Array]
"""A convolution, some of the same input side by side, or a pool."""

_Branch = tuple[_Step, ...]


def _block_a(pooled: int) -> tuple[_Branch, ...]:
    return (
        (_Conv("branch1x1", 64),),
        (_Conv("branch5x5_1", 48), _Conv("branch5x5_2", 64, (5, 5))),
        (
            _Conv("branch3x3dbl_1", 64),
            _Conv("branch3x3dbl_2", 96, (3, 3)),
            _Conv("branch3x3dbl_3", 96, (3, 3)),
        ),
        (average, _Conv("branch_pool", pooled)),
    )


def _block_c(narrow: int) -> tuple[_Branch, ...]:
    return (
        (_Conv("branch1x1", 192),),
        (
            _Conv("branch7x7_1", narrow),
            _Conv("branch7x7_2", narrow, (1, 7)),
            _Conv("branch7x7_3", 192, (7, 1)),
        ),
        (
            _Conv("branch7x7dbl_1", narrow),
            _Conv("branch7x7dbl_2", narrow, (7, 1)),
            _Conv("branch7x7dbl_3", narrow, (1, 7)),
            _Conv("branch7x7dbl_4", narrow, (7, 1)),
            _Conv("branch7x7dbl_5", 192, (1, 7)),
        ),
        (average, _Conv("branch_pool", 192)),
    )


def _block_e(pool: Callable[[Array], Array]) -> tuple[_Branch, ...]:
    return (
        (_Conv("branch1x1", 320),),
        (
            _Conv("branch3x3_1", 384),
            (_Conv("branch3x3_2a", 384, (1, 3)), _Conv("branch3x3_2b", 384, (3, 1))),
        ),
        (
            _Conv("branch3x3dbl_1", 448),
            _Conv("branch3x3dbl_2", 384, (3, 3)),
            (_Conv("branch3x3dbl_3a", 384, (1, 3)), _Conv("branch3x3dbl_3b", 384, (3, 1))),
        ),
        (pool, _Conv("branch_pool", 192)),
    )


_STEM: _Branch = (
    _Conv("Conv2d_1a_3x3", 32, (3, 3), stride=2, same=False),
    _Conv("Conv2d_2a_3x3", 32, (3, 3), same=False),
    _Conv("Conv2d_2b_3x3", 64, (3, 3)),
    shrink,
    _Conv("Conv2d_3b_1x1", 80),
    _Conv("Conv2d_4a_3x3", 192, (3, 3), same=False),
    shrink,
)

_BLOCKS: Mapping[str, tuple[_Branch, ...]] = {
    "Mixed_5b": _block_a(32),
    "Mixed_5c": _block_a(64),
    "Mixed_5d": _block_a(64),
    "Mixed_6a": (
        (_Conv("branch3x3", 384, (3, 3), stride=2, same=False),),
        (
            _Conv("branch3x3dbl_1", 64),
            _Conv("branch3x3dbl_2", 96, (3, 3)),
            _Conv("branch3x3dbl_3", 96, (3, 3), stride=2, same=False),
        ),
        (shrink,),
    ),
    "Mixed_6b": _block_c(128),
    "Mixed_6c": _block_c(160),
    "Mixed_6d": _block_c(160),
    "Mixed_6e": _block_c(192),
    "Mixed_7a": (
        (_Conv("branch3x3_1", 192), _Conv("branch3x3_2", 320, (3, 3), stride=2, same=False)),
        (
            _Conv("branch7x7x3_1", 192),
            _Conv("branch7x7x3_2", 192, (1, 7)),
            _Conv("branch7x7x3_3", 192, (7, 1)),
            _Conv("branch7x7x3_4", 192, (3, 3), stride=2, same=False),
        ),
        (shrink,),
    ),
    "Mixed_7b": _block_e(average),
    "Mixed_7c": _block_e(maximum),
}
"""The blocks in their order, by the branches whose results stand side by side."""


class Unit(nnx.Module):
    """A convolution, batch normalisation folded into it, and a ReLU."""

    def __init__(self, inputs: int, conv: _Conv) -> None:
        self.stride = conv.stride
        self.padding: nn.Padding = "same" if conv.same else "valid"
        self.kernel = nnx.Param(jnp.zeros((*conv.taps, inputs, conv.outputs)))
        self.bias = nnx.Param(jnp.zeros(conv.outputs))

    def __call__(self, x: Float[Array, "B H W I"]) -> Float[Array, "B h w O"]:
        y = nn.convolve(
            x, self.kernel.get_value(), padding=self.padding, strides=(self.stride,) * 2
        )
        return jax.nn.relu(y + self.bias.get_value()[None, None, None])


class Branched(nnx.Module):
    """Branches of units, each under its name in the file."""

    def __init__(self, inputs: int, branches: tuple[_Branch, ...]) -> None:
        self.branches = branches
        self.outputs = sum(self._add(inputs, branch) for branch in branches)

    def _add(self, width: int, branch: _Branch) -> int:
        for step in branch:
            if not callable(step):
                convs = (step,) if isinstance(step, _Conv) else step
                for conv in convs:
                    setattr(self, conv.name, Unit(width, conv))
                width = sum(conv.outputs for conv in convs)
        return width

    def __call__(self, x: Float[Array, "B H W I"]) -> Float[Array, "B h w O"]:
        return jnp.concatenate([self._along(branch, x) for branch in self.branches], axis=-1)

    def _along(self, branch: _Branch, x: Array) -> Array:
        for step in branch:
            if callable(step):
                x = step(x)
            else:
                convs = (step,) if isinstance(step, _Conv) else step
                x = jnp.concatenate([getattr(self, conv.name)(x) for conv in convs], axis=-1)
        return x


class InceptionV3(Branched):
    """The network without its classifier."""

    def __init__(self) -> None:
        super().__init__(3, (_STEM,))
        width = self.outputs
        for name, branches in _BLOCKS.items():
            block = Branched(width, branches)
            setattr(self, name, block)
            width = block.outputs

    def __call__(self, x: Float[Array, "B 299 299 3"]) -> Float[Array, "B 2048"]:
        """Features of pictures in [-1, 1]."""
        x = super().__call__(x)
        for name in _BLOCKS:
            x = getattr(self, name)(x)
        return x.mean(axis=(1, 2))


class Inception:
    """The feature network: uint8 clips of one frame in, 2048 features each out.

    Every frame is squashed to 299x299 (bilinear, half-pixel centres, no antialiasing) and grey is
    repeated on three channels, as in the PyTorch code that the field cites. TensorFlow's own
    resizing had no half-pixel centres, so that values do not compare with those of 2017.

    Args:
        path: the state dict, in one of `weights.FORMATS`; its keys are those of
            pt_inception-2015-12-05.

    Raises:
        MissingWeightsError: if there is no such file.
        WrongWeightsError: if it holds anything else, ImageNet's Inception-v3 included.
    """

    width = WIDTH

    def __init__(self, path: Path) -> None:
        self.name = f"inception-v3-fid-{digest(path)[:8]}"
        network = nn.Network(lambda _: InceptionV3())
        self._run = Batched(
            lambda _, frames: resize(frames, side=SIDE)[:, 0],
            lambda weights, frames: network.bind(weights)(frames),
            rows=_FRAMES_AT_ONCE.get(jax.default_backend(), _FRAMES_AT_ONCE_ELSEWHERE),
        )
        self._weights = self._run.place(port(_without_classifier(read(path)), table()))

    def __call__(self, video: UInt8[np.ndarray, "N T H W C"]) -> Float[np.ndarray, "N 2048"]:
        """Features of N frames, float32. A first call compiles.

        Raises:
            UnsuitableClipsError: for more than one frame a clip, or channels other than 1 or 3.
        """
        if video.shape[1] != 1:
            raise UnsuitableClipsError(
                f"Inception looks at one frame, and these have {video.shape[1]}"
            )
        check_pictures("Inception", video)
        if not len(video):
            return np.zeros((0, WIDTH), np.float32)
        return self._run(self._weights, video)


def load_inception(path: Path | None = None) -> Inception:
    """The network of a file, read and compiled once a process; by default of the file where
    `BROUGHT` says that it belongs. Raises as `Inception`.
    """
    return _loaded(BROUGHT["inception-v3-fid"].find() if path is None else Path(path))


@functools.cache
def _loaded(path: Path) -> Inception:
    return Inception(path)


def table() -> list[Entry]:
    """How the arrays of `InceptionV3` come from those of the state dict."""
    units = nnx.iter_modules(nnx.eval_shape(InceptionV3))
    return [
        entry
        for path, unit in units
        if isinstance(unit, Unit)
        for entry in _unit(".".join(map(str, path)), unit.kernel.get_value().shape)
    ]


def _unit(name: str, shape: tuple[int, ...]) -> list[Entry]:
    *taps, inputs, outputs = shape
    scale = {f"{name}.bn.weight": (outputs,), f"{name}.bn.running_var": (outputs,)}
    shift = {f"{name}.bn.bias": (outputs,), f"{name}.bn.running_mean": (outputs,)}

    def factor(weight: np.ndarray, variance: np.ndarray) -> np.ndarray:
        return weight / np.sqrt(variance.astype(np.float64) + _EPSILON)

    return [
        Entry(
            target=f"{name}.kernel",
            sources={f"{name}.conv.weight": (outputs, inputs, *taps)} | scale,
            make=lambda kernel, *bn: kernel.transpose(2, 3, 1, 0) * factor(*bn)[None, None, None],
        ),
        Entry(
            target=f"{name}.bias",
            sources=scale | shift,
            make=lambda weight, variance, bias, mean: bias - mean * factor(weight, variance),
        ),
    ]


def _without_classifier(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays but the classifier's, by which alone this variant is told from ImageNet's, and
    but the counters of the batch normalisation.
    """
    wanted = {"fc.weight": (CLASSES, WIDTH), "fc.bias": (CLASSES,)}
    found = {key: weights[key].shape if key in weights else None for key in wanted}
    if found != wanted:
        raise WrongWeightsError(
            f"FID needs Inception-v3 of {CLASSES} classes, whose file holds {wanted}; this one "
            f"holds {found}"
        )
    return {
        key: array
        for key, array in weights.items()
        if key not in wanted and not key.endswith(".num_batches_tracked")
    }
