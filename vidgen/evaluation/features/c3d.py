"""C3D fine-tuned on UCF-101: what the Inception score of clips is measured on, from weights that
users bring.

The network, its files and how clips are laid before it are those of TGAN: a clip of 16 frames loses
the mean clip of the training data and becomes the probabilities of 101 actions. Both files are
read as they are published, conv3d_deepnetA_ucf.npz as Chainer saved it (``conv1a/W`` to
``fc8/b``), and mean2.npz, whose ``mean`` is [3 16 128 171] in the order blue, green, red.

References: Tran et al., "Learning spatiotemporal features with 3D convolutional networks", ICCV
2015; Saito et al., "Temporal generative adversarial nets with singular value clipping", ICCV 2017.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt8

from vidgen import nn
from vidgen.evaluation.features.brought import BROUGHT
from vidgen.evaluation.features.feature import check_length, check_pictures
from vidgen.evaluation.features.i3d import Unit, max_pool
from vidgen.pretrained.batches import Batched
from vidgen.pretrained.weights import Entry, digest, port, read

FRAMES = 16
SIDE = 112
"""Pixels a side of what the network sees: the middle of frames of 128x128."""

CLASSES = 101

LAYERS: Mapping[str, int] = MappingProxyType(
    {
        "conv1a": 64,
        "conv2a": 128,
        "conv3a": 256,
        "conv3b": 256,
        "conv4a": 512,
        "conv4b": 512,
        "conv5a": 512,
        "conv5b": 512,
        "fc6": 4096,
        "fc7": 4096,
        "fc8": CLASSES,
    }
)
"""The layers in their order, by the channels that leave them."""

_POOLS = {
    "conv1a": (1, 2, 2),
    "conv2a": (2, 2, 2),
    "conv3b": (2, 2, 2),
    "conv4b": (2, 2, 2),
    "conv5b": (2, 2, 2),
}
"""Windows, and strides, of the maxima after a layer; a border they do not fill is kept."""

_LAST = 4
"""Places a side that are left of 112 after five pools; of 16 frames one is left."""

_RESIZED, _BEFORE = 128, 8
"""Pixels a side before the middle is cut out, and how many of them are cut off before it."""

_MEAN_SHAPE = (3, FRAMES, 128, 171)
_MEAN_BEFORE = 21
"""Columns before the 128 of the mean clip that lie under a clip."""

_CLIPS_AT_ONCE = {"cpu": 1}
_CLIPS_AT_ONCE_ELSEWHERE = 32


class C3DNetwork(nnx.Module):
    """The network with its mean clip, fully connected layers last.

    Args:
        layers: see `LAYERS`.
        rngs: of the weights that a file takes the place of.
    """

    def __init__(self, layers: Mapping[str, int] = LAYERS, *, rngs: nnx.Rngs) -> None:
        self.names = tuple(layers)
        self.mean = nnx.Param(jnp.zeros((FRAMES, SIDE, SIDE, 3)))
        inputs = 3
        for name, outputs in layers.items():
            if name.startswith("conv"):
                setattr(self, name, Unit(inputs, outputs, (3, 3, 3)))
            else:
                inputs = inputs * _LAST**2 if name == "fc6" else inputs
                setattr(self, name, nnx.Linear(inputs, outputs, rngs=rngs))
            inputs = outputs

    def __call__(self, video: Float[Array, "B 16 112 112 3"]) -> Float[Array, "B classes"]:
        """Probabilities of clips in red, green and blue, from 0 to 255."""
        x = video[..., ::-1] - self.mean.get_value()[None]
        for name in self.names:
            if name == "fc6":
                x = x.reshape(len(x), -1)
            x = getattr(self, name)(x)
            if name in _POOLS:
                x = max_pool(x, _POOLS[name], _POOLS[name])
            elif name in ("fc6", "fc7"):
                x = jax.nn.relu(x)
        return jax.nn.softmax(x)


class C3D:
    """The feature network: uint8 clips of 16 frames in, the probabilities of 101 actions each out.

    Every frame is squashed to 128x128 (bicubic as OpenCV's, no antialiasing), its middle of 112x112
    is cut out, and grey is repeated on three channels, as TGAN's own evaluation does.

    Args:
        weights: the network, in one of `weights.FORMATS`.
        mean: the mean clip, likewise.
        layers: for a network of other widths.

    Raises:
        MissingWeightsError: if there is no such file.
        WrongWeightsError: if the two hold anything else.
    """

    def __init__(self, weights: Path, mean: Path, *, layers: Mapping[str, int] = LAYERS) -> None:
        self.name = f"c3d-ucf101-{digest(weights)[:8]}-{digest(mean)[:8]}"
        self.width = layers["fc8"]
        network = nn.Network(lambda rngs: C3DNetwork(layers, rngs=rngs))
        self._run = Batched(
            lambda _, video: middle(video),
            lambda weights, video: network.bind(weights)(video),
            rows=_CLIPS_AT_ONCE.get(jax.default_backend(), _CLIPS_AT_ONCE_ELSEWHERE),
        )
        self._weights = self._run.place(port(read(weights) | read(mean), table(layers)))

    def __call__(self, video: UInt8[np.ndarray, "N T H W C"]) -> Float[np.ndarray, "N classes"]:
        """Probabilities of N clips, float32. A first call compiles.

        Raises:
            UnsuitableClipsError: for clips of other than 16 frames, or channels other than 1 or 3.
        """
        check_length("C3D", video, FRAMES)
        check_pictures("C3D", video)
        if not len(video):
            return np.zeros((0, self.width), np.float32)
        return self._run(self._weights, video)


def load_c3d(weights: Path | None = None, mean: Path | None = None) -> C3D:
    """The network of two files, read and compiled once a process; by default of those where
    `BROUGHT` says that they belong. Raises as `C3D`.
    """
    return _loaded(
        BROUGHT["c3d-ucf101"].find() if weights is None else Path(weights),
        BROUGHT["c3d-ucf101-mean"].find() if mean is None else Path(mean),
    )


@functools.cache
def _loaded(weights: Path, mean: Path) -> C3D:
    return C3D(weights, mean)


def middle(video: UInt8[Array, "B T H W C"]) -> Float[Array, "B T 112 112 3"]:
    """The middle of frames resized to 128x128, from 0 to 255 (bicubic: a little beyond), grey
    repeated.
    """
    height, width = video.shape[2:4]
    x = jnp.einsum("bthwc,yh,xw->btyxc", video.astype(jnp.float32), bicubic(height), bicubic(width))
    return x if x.shape[-1] == 3 else jnp.repeat(x, 3, axis=-1)


def bicubic(size: int) -> Float[np.ndarray, "112 {size}"]:
    """How much of each of `size` pixels in a line is in each of the middle ones of 128.

    Keys' cubic with a = -3/4, pixels beyond the border as on it: what OpenCV's INTER_CUBIC does,
    and `jax.image.resize` (a = -1/2) does not.
    """
    at = (np.arange(_RESIZED) + 0.5) * size / _RESIZED - 0.5
    taps = np.floor(at)[:, None] + np.arange(-1, 3)[None]
    far = np.abs(at[:, None] - taps)
    a = -0.75
    weights = np.where(
        far <= 1,
        (a + 2) * far**3 - (a + 3) * far**2 + 1,
        a * far**3 - 5 * a * far**2 + 8 * a * far - 4 * a,
    )
    found = np.zeros((_RESIZED, size))
    rows = np.broadcast_to(np.arange(_RESIZED)[:, None], taps.shape)
    np.add.at(found, (rows, np.clip(taps, 0, size - 1).astype(int)), weights)
    return found[_BEFORE : _BEFORE + SIDE].astype(np.float32)


def table(layers: Mapping[str, int] = LAYERS) -> list[Entry]:
    """How the arrays of `C3DNetwork` come from those of the two files."""
    rows = slice(_BEFORE, _BEFORE + SIDE)
    columns = slice(_MEAN_BEFORE + _BEFORE, _MEAN_BEFORE + _BEFORE + SIDE)
    entries = [
        Entry(
            target="mean",
            sources={"mean": _MEAN_SHAPE},
            make=lambda mean: mean[:, :, rows, columns].transpose(1, 2, 3, 0),
        )
    ]
    inputs = 3
    for name, outputs in layers.items():
        if name.startswith("conv"):
            shape, make = (outputs, inputs, 3, 3, 3), lambda kernel: kernel.transpose(2, 3, 4, 1, 0)
        elif name == "fc6":
            shape, make = (outputs, inputs * _LAST**2), _channels_last
        else:
            shape, make = (outputs, inputs), np.transpose
        entries += [
            Entry(target=f"{name}.kernel", sources={f"{name}/W": shape}, make=make),
            Entry(target=f"{name}.bias", sources={f"{name}/b": (outputs,)}),
        ]
        inputs = outputs
    return entries


def _channels_last(kernel: np.ndarray) -> np.ndarray:
    """The first fully connected layer's kernel, which met channels before places."""
    outputs = len(kernel)
    places = kernel.reshape(outputs, -1, _LAST, _LAST).transpose(2, 3, 1, 0)
    return places.reshape(-1, outputs)
