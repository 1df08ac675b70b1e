"""Muon against optax's own, which iterates on the whole matrix."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from vidgen.optim.muon import orthogonalise, scale_by_muon


@pytest.mark.parametrize("shape", [(96, 12), (12, 96), (24, 24)])
def test_orthogonalises_as_the_iteration_on_the_whole_matrix(shape):
    spread = jnp.logspace(0, -2, shape[1])[None]  # singular values over two decades
    x = jax.random.normal(jax.random.key(0), shape) * spread
    reference = optax.contrib.scale_by_muon(
        beta=0.0,
        nesterov=False,
        weight_dimension_numbers=lambda p: jax.tree.map(
            lambda _: optax.contrib.MuonDimensionNumbers(), p
        ),
    )
    updates, _ = reference.update({"w": x}, reference.init({"w": x}), {"w": x})
    (expected,) = jax.tree.leaves(updates)
    # optax scales by the shape afterwards; directions are what is compared.
    cosine = jnp.vdot(expected, orthogonalise(x))
    cosine /= jnp.linalg.norm(expected) * jnp.linalg.norm(orthogonalise(x))
    assert cosine > 1.0 - 1e-6
    values = np.linalg.svd(np.asarray(orthogonalise(x)), compute_uv=False)
    assert values.max() < 1.25


def test_momentum_is_nesterovs_and_the_update_has_the_size_of_adams():
    gradients = [jax.random.normal(jax.random.key(i), (3, 2, 8)) for i in range(3)]
    muon = scale_by_muon(0.9)
    state = muon.init(gradients[0])
    updates = None
    for gradient in gradients:
        updates, state = muon.update(gradient, state)
    update = jnp.asarray(updates)
    trace = sum(0.9 ** (2 - i) * g for i, g in enumerate(gradients))
    expected = orthogonalise((gradients[-1] + 0.9 * trace).reshape(-1, 8)).reshape(3, 2, 8)
    np.testing.assert_allclose(jnp.sqrt(jnp.mean(update**2)), 0.2, rtol=1e-4)
    np.testing.assert_allclose(
        update / jnp.linalg.norm(update), expected / jnp.linalg.norm(expected), atol=1e-5
    )
