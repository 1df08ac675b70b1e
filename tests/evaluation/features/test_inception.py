"""Inception-v3 for FID: what of the state dict goes where (parity: benchmarks/parity.py)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen import nn
from vidgen.evaluation.features import (
    FeatureNetwork,
    MissingWeightsError,
    UnsuitableClipsError,
    WrongWeightsError,
    port,
)
from vidgen.evaluation.features.inception import (
    _BLOCKS,
    Inception,
    InceptionV3,
    _unit,
    average,
    load_inception,
    maximum,
    table,
)


@pytest.fixture(scope="module")
def shapes():
    """Of the state dict that is published for FID."""
    found = {key: shape for entry in table() for key, shape in entry.sources.items()}
    return found | {"fc.weight": (1008, 2048), "fc.bias": (1008,)}


@pytest.fixture(scope="module")
def state(shapes):
    """Random weights under which no layer dies out or explodes."""
    rng = np.random.default_rng(0)

    def array(key, shape):
        if key.endswith("running_var"):
            return rng.uniform(0.5, 1.5, shape).astype(np.float32)
        scale = np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
        offset = 1 if key.endswith("bn.weight") else 0
        return (offset + scale * rng.standard_normal(shape)).astype(np.float32)

    counters = {"Conv2d_1a_3x3.bn.num_batches_tracked": np.zeros((), np.int64)}
    return {key: array(key, shape) for key, shape in shapes.items()} | counters


def saved(state, path):
    np.savez(path, allow_pickle=False, **state)
    return path


def test_the_state_dict_is_that_of_fid(shapes):
    assert len(shapes) == 94 * 5 + 2
    known = {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Conv2d_4a_3x3.bn.running_mean": (192,),
        "Mixed_5b.branch_pool.conv.weight": (32, 192, 1, 1),
        "Mixed_6a.branch3x3.conv.weight": (384, 288, 3, 3),
        "Mixed_6c.branch7x7_2.conv.weight": (160, 160, 1, 7),
        "Mixed_6e.branch7x7dbl_2.conv.weight": (192, 192, 7, 1),
        "Mixed_7a.branch7x7x3_4.conv.weight": (192, 192, 3, 3),
        "Mixed_7b.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1),
        "Mixed_7c.branch1x1.conv.weight": (320, 2048, 1, 1),
    }
    assert {key: shapes[key] for key in known} == known
    # As many parameters as are published for the network less its classifier.
    trained = [s for k, s in shapes.items() if "running" not in k and not k.startswith("fc")]
    assert sum(int(np.prod(shape)) for shape in trained) == 21_785_568


def test_the_table_fills_the_network_and_pictures_become_2048_features():
    network = nn.Network(lambda _: InceptionV3())
    weights = jax.eval_shape(lambda: network.init(jax.random.key(0)))
    assert {entry.target for entry in table()} == weights.keys()
    pictures = jax.ShapeDtypeStruct((2, 299, 299, 3), jnp.float32)
    features = jax.eval_shape(lambda w, x: network.bind(w)(x), weights, pictures)
    assert features.shape == (2, 2048)


def test_batch_normalisation_is_folded_into_the_convolution():
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((5, 3, 1, 7)).astype(np.float32)
    scale, shift, mean, variance = rng.uniform(0.5, 2, (4, 5)).astype(np.float32)
    arrays = port(
        {
            "u.conv.weight": kernel,
            "u.bn.weight": scale,
            "u.bn.bias": shift,
            "u.bn.running_mean": mean,
            "u.bn.running_var": variance,
        },
        _unit("u", (1, 7, 3, 5)),
    )
    x = rng.standard_normal((1, 7, 3)).astype(np.float32)
    plain = np.einsum("hwi,oihw->o", x, kernel)
    expected = (plain - mean) / np.sqrt(variance + 1e-3) * scale + shift
    folded = np.einsum("hwi,hwio->o", x, arrays["u.kernel"]) + arrays["u.bias"]
    np.testing.assert_allclose(folded, expected, rtol=1e-5)


def test_pools_see_nothing_of_what_lies_outside_the_picture():
    x = jnp.full((1, 4, 5, 1), -3.0)
    np.testing.assert_allclose(average(x), x, rtol=1e-6)
    np.testing.assert_array_equal(maximum(x), x)
    corner = jnp.zeros((1, 3, 3, 1)).at[0, 0, 0, 0].set(8.0)
    assert average(corner)[0, 0, 0, 0] == 2.0
    assert average(corner)[0, 1, 1, 0] == pytest.approx(8 / 9)


def test_only_the_last_block_pools_by_maxima():
    pools = {name: [b[0] for b in branches if callable(b[0])] for name, branches in _BLOCKS.items()}
    assert pools.pop("Mixed_7c") == [maximum]
    assert all(
        found == [average] for n, found in pools.items() if n not in ("Mixed_6a", "Mixed_7a")
    )


def test_weights_of_another_network_are_refused_by_name(state, tmp_path):
    imagenet = state | {"fc.weight": np.zeros((1000, 2048)), "fc.bias": np.zeros(1000)}
    with pytest.raises(WrongWeightsError, match=r"1008 classes.*\(1000, 2048\)"):
        Inception(saved(imagenet, tmp_path / "imagenet.npz"))
    key = "Mixed_6d.branch7x7_1.bn.bias"
    lacking = {name: array for name, array in state.items() if name != key}
    with pytest.raises(WrongWeightsError, match=f"(?s)1 keys.*missing {key}"):
        Inception(saved(lacking, tmp_path / "lacking.npz"))
    with pytest.raises(MissingWeightsError, match=r"FID on frames needs.*get it from"):
        load_inception()


@pytest.fixture(scope="module")
def network(state, tmp_path_factory):
    return Inception(saved(state, tmp_path_factory.mktemp("weights") / "random.npz"))


@pytest.mark.slow
def test_it_looks_at_single_frames(network):
    assert isinstance(network, FeatureNetwork)
    assert network.name.startswith("inception-v3-fid-")
    with pytest.raises(UnsuitableClipsError, match="one frame, and these have 2"):
        network(np.zeros((1, 2, 8, 8, 3), np.uint8))
    with pytest.raises(UnsuitableClipsError, match="1 or 3 channels, and these have 4"):
        network(np.zeros((1, 1, 8, 8, 4), np.uint8))
    assert network(np.zeros((0, 1, 8, 8, 3), np.uint8)).shape == (0, 2048)


@pytest.mark.slow
def test_a_frame_s_features_know_neither_batch_nor_order_nor_that_it_is_grey(network):
    frames = np.random.default_rng(0).integers(0, 256, (3, 1, 24, 32, 1), dtype=np.uint8)
    features = network(frames)
    np.testing.assert_array_equal(network(frames[::-1])[::-1], features)
    np.testing.assert_array_equal(network(frames[1:]), features[1:])
    np.testing.assert_array_equal(network(np.repeat(frames[:1], 3, axis=-1)), features[:1])
    assert np.abs(features[0] - features[1]).max() > 0.01 * np.abs(features).max()
