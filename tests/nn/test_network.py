"""Networks as pure functions of flat weights, and the adaptive norm."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vidgen import nn


@pytest.fixture
def network():
    return nn.Network(lambda rngs: nn.FeedForward(4, expansion=2.0, rngs=rngs))


def test_weights_are_flat_named_and_reproducible(network):
    weights = network.init(jax.random.key(0))
    assert sorted(weights) == ["narrow.bias", "narrow.kernel", "widen.bias", "widen.kernel"]
    again = jax.jit(network.init)(jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, weights, again)


def test_weights_are_those_that_flax_draws(network):
    drawn = nnx.state(nn.FeedForward(4, expansion=2.0, rngs=nnx.Rngs(jax.random.key(3))))
    weights = network.init(jax.random.key(3))
    np.testing.assert_array_equal(weights["widen.kernel"], drawn["widen"]["kernel"][...])
    np.testing.assert_array_equal(weights["narrow.kernel"], drawn["narrow"]["kernel"][...])


def test_bound_network_computes_and_differentiates(network):
    weights = network.init(jax.random.key(0)) | {"narrow.kernel": jnp.ones((8, 4))}
    x = jnp.ones((2, 4))
    hidden = jax.nn.gelu(x @ weights["widen.kernel"])
    np.testing.assert_allclose(network.bind(weights)(x), hidden @ jnp.ones((8, 4)), rtol=1e-5)
    grads = jax.grad(lambda w: network.bind(w)(x).sum())(weights)
    np.testing.assert_allclose(grads["narrow.bias"], 2.0)


def test_weights_that_do_not_fit_are_all_named(network):
    weights = network.init(jax.random.key(0))
    weights["other"] = weights.pop("widen.bias")
    with pytest.raises(KeyError, match=r"missing \['widen.bias'\], unknown \['other'\]"):
        network.bind(weights)


def test_a_network_holds_parameters_only():
    with pytest.raises(TypeError, match="not a parameter"):
        nn.Network(lambda rngs: nnx.BatchNorm(3, rngs=rngs))


def test_adaptive_norm_starts_plain_with_a_closed_gate():
    norm = nn.AdaptiveNorm(6, 3, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (2, 5, 6)) * 9.0
    y, gate = norm(x, jnp.ones((2, 3)))
    assert gate.shape == (2, 1, 6)
    np.testing.assert_array_equal(gate, 0.0)
    np.testing.assert_allclose(jnp.mean(y**2, axis=-1), 1.0, rtol=1e-3)


def test_adaptive_norm_takes_a_condition_for_each_frame():
    keys = jax.random.split(jax.random.key(1), 3)
    network = nn.Network(lambda rngs: nn.AdaptiveNorm(6, 3, rngs=rngs))
    weights = network.init(keys[0])
    norm = network.bind(
        weights | {"steer.kernel": jax.random.normal(keys[0], weights["steer.kernel"].shape)}
    )
    x = jax.random.normal(keys[1], (2, 4, 3, 2, 6))
    condition = jax.random.normal(keys[2], (2, 4, 3))
    y, gate = norm(x, condition)
    assert gate.shape == (2, 4, 1, 1, 6)
    for frame in range(4):
        alone, its_gate = norm(x[:, frame], condition[:, frame])
        np.testing.assert_allclose(y[:, frame], alone, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(gate[:, frame], its_gate, rtol=1e-5, atol=1e-6)
    assert float(jnp.abs(gate[:, 0] - gate[:, 1]).max()) > 0.1
