"""C3D: a tiny one against plain numpy, and which files it takes (parity of the published size with
PyTorch: benchmarks/parity.py).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from vidgen import nn
from vidgen.evaluation.features import (
    FeatureNetwork,
    MissingWeightsError,
    UnsuitableClipsError,
    WrongWeightsError,
)
from vidgen.evaluation.features.c3d import (
    C3D,
    LAYERS,
    C3DNetwork,
    bicubic,
    load_c3d,
    table,
)

TINY = dict.fromkeys(LAYERS, 2) | {"fc8": 5}


def shapes(layers):
    return {key: shape for entry in table(layers) for key, shape in entry.sources.items()}


@pytest.fixture(scope="module")
def state():
    """What the two files hold of the tiny network, under which no layer dies out or explodes."""
    rng = np.random.default_rng(1)

    def array(key, shape):
        if key == "mean":
            return rng.uniform(90, 110, shape).astype(np.float32)
        scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.3
        scale /= {"conv1a/W": 64, "fc8/W": 16}.get(key, 1)
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    return {key: array(key, shape) for key, shape in shapes(TINY).items()}


def saved(state, folder):
    """The two files."""
    paths = folder / "c3d.npz", folder / "mean.npz"
    np.savez(paths[0], **{key: array for key, array in state.items() if key != "mean"})
    np.savez(paths[1], mean=state["mean"])
    return paths


@pytest.fixture(scope="module")
def network(state, tmp_path_factory):
    return C3D(*saved(state, tmp_path_factory.mktemp("weights")), layers=TINY)


def by_hand(state, clip):
    """Probabilities of a clip [16 128 128 3], from 0 to 255, straight from the files' arrays."""
    x = clip.transpose(3, 0, 1, 2)[::-1] - state["mean"][..., 21 : 21 + 128]
    x = x[:, :, 8:120, 8:120]
    for name in list(LAYERS)[:8]:
        padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (1, 1)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3, 3), (1, 2, 3))
        x = np.einsum("cthwxyz,ocxyz->othw", windows, state[f"{name}/W"], optimize=True)
        x = np.maximum(x + state[f"{name}/b"][:, None, None, None], 0)
        if name in ("conv1a", "conv2a", "conv3b", "conv4b", "conv5b"):
            t = 1 if name == "conv1a" else 2
            x = np.pad(x, [(0, 0), (0, 0), (0, x.shape[2] % 2), (0, x.shape[3] % 2)])  # all >= 0
            C, T, H, W = x.shape
            x = x.reshape(C, T // t, t, H // 2, 2, W // 2, 2).max((2, 4, 6))
    x = x.ravel()
    for name in ("fc6", "fc7"):
        x = np.maximum(state[f"{name}/W"] @ x + state[f"{name}/b"], 0)
    return special.softmax(state["fc8/W"] @ x + state["fc8/b"])


def test_probabilities_are_those_of_the_plain_computation(state, network):
    clips = np.random.default_rng(0).integers(0, 256, (2, 16, 128, 128, 3), dtype=np.uint8)
    clips[1] //= 3
    found, expected = network(clips), np.stack([by_hand(state, clip) for clip in clips])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    np.testing.assert_array_equal(network(clips[::-1])[::-1], found)
    np.testing.assert_array_equal(network(clips[1:]), found[1:])


@pytest.mark.parametrize("size", [1, 30, 128, 240])
def test_frames_are_resized_as_opencv_does(size):
    import cv2

    picture = np.random.default_rng(0).uniform(0, 255, (size, 64)).astype(np.float32)
    expected = cv2.resize(picture, (128, 128), interpolation=cv2.INTER_CUBIC)[8:120, 8:120]
    found = bicubic(size) @ picture @ bicubic(64).T
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_only_clips_of_its_length_are_judged(network):
    assert isinstance(network, FeatureNetwork)
    assert network.name.startswith("c3d-ucf101-")
    clips = np.zeros((2, 16, 8, 8, 3), np.uint8)
    with pytest.raises(UnsuitableClipsError, match=r"C3D needs clips of 16 frames.*have 17"):
        network(np.concatenate([clips, clips[:, :1]], axis=1))
    with pytest.raises(UnsuitableClipsError, match="1 or 3 channels, and these have 2"):
        network(clips[..., :2])
    assert network(clips[:0]).shape == (0, 5)


def test_the_files_are_those_of_tgan():
    found = shapes(LAYERS)
    assert found.pop("mean") == (3, 16, 128, 171)
    known = {
        "conv1a/W": (64, 3, 3, 3, 3),
        "conv3b/b": (256,),
        "conv5b/W": (512, 512, 3, 3, 3),
        "fc6/W": (4096, 8192),
        "fc8/W": (101, 4096),
        "fc8/b": (101,),
    }
    assert {key: found[key] for key in known} == known
    # As many parameters as are published for the network with 101 classes.
    assert sum(int(np.prod(shape)) for shape in found.values()) == 78_409_573
    network = nn.Network(lambda rngs: C3DNetwork(rngs=rngs))
    weights = jax.eval_shape(lambda: network.init(jax.random.key(0)))
    assert {entry.target for entry in table()} == weights.keys()
    clips = jax.ShapeDtypeStruct((2, 16, 112, 112, 3), jnp.float32)
    said = jax.eval_shape(lambda w, x: network.bind(w)(x), weights, clips)
    assert said.shape == (2, 101)


def test_other_files_are_refused_by_name(state, tmp_path):
    lacking = {key: array for key, array in state.items() if key != "fc7/b"}
    with pytest.raises(WrongWeightsError) as caught:
        C3D(*saved(lacking | {"mean": state["mean"][None]}, tmp_path), layers=TINY)
    assert str(caught.value).splitlines() == [
        "2 keys do not fit the network:",
        "  missing fc7/b (2,)",
        "  wrong shape mean (1, 3, 16, 128, 171), not (3, 16, 128, 171)",
    ]
    with pytest.raises(MissingWeightsError, match=r"Inception score needs C3D.*get it from"):
        load_c3d()
    with pytest.raises(MissingWeightsError, match=r"needs the mean clip.*mean2\.npz"):
        load_c3d(tmp_path / "c3d.npz")
