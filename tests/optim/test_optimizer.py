"""Optimisers against hand values, schedules at their corners, and the moving average."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.optim import Optimizer, Schedule, ema

FLAT = Schedule(warmup=0.0, shape="constant")


@pytest.fixture(scope="module")
def weights():
    return {
        "stem.kernel": jnp.ones((3, 4)),
        "block.kernel": jnp.ones((4, 6)),
        "block.bias": jnp.zeros(6),
        "conv.kernel": jnp.ones((3, 3, 2, 8)),
    }


@pytest.fixture(scope="module")
def grads(weights):
    return {
        name: jax.random.normal(jax.random.key(i), w.shape)
        for i, (name, w) in enumerate(weights.items())
    }


def test_first_adamw_step_is_the_sign_of_the_gradient(weights, grads):
    optimizer = Optimizer(learning_rate=0.1, clip=None, schedule=FLAT)
    new, _, metrics = optimizer.update(grads, optimizer.init(weights), weights, jnp.float32(0.5))
    for name, w in weights.items():
        np.testing.assert_allclose(new[name], w - 0.1 * np.sign(grads[name]), atol=1e-3)
    total = np.sqrt(sum(float((g**2).sum()) for g in grads.values()))
    np.testing.assert_allclose(metrics["grad_norm"], total, rtol=1e-5)
    np.testing.assert_allclose(metrics["learning_rate"], 0.1, rtol=1e-5)


def test_muon_orthogonalises_matrices_and_leaves_the_rest_to_adam(weights, grads):
    optimizer = Optimizer(
        kind="muon", learning_rate=0.1, adam_learning_rate=0.01, clip=None, schedule=FLAT
    )
    new, _, _ = optimizer.update(grads, optimizer.init(weights), weights, jnp.float32(0.5))
    for name in ("stem.kernel", "block.bias"):
        np.testing.assert_allclose(
            new[name], weights[name] - 0.01 * np.sign(grads[name]), atol=1e-4
        )
    for name in ("block.kernel", "conv.kernel"):
        moved = np.asarray(weights[name] - new[name])
        np.testing.assert_allclose(np.sqrt((moved**2).mean()), 0.02, rtol=1e-3)
        # Five Newton-Schulz steps bring the singular values near each other, not to equality.
        values = np.linalg.svd(moved.reshape(-1, moved.shape[-1]), compute_uv=False)
        assert values.max() / values.min() < 3.0


def test_clip_and_decay():
    weights, grads = {"kernel": jnp.full((2, 2), 2.0)}, {"kernel": jnp.full((2, 2), 1e6)}
    still = Optimizer(learning_rate=0.1, weight_decay=0.5, schedule=FLAT)
    new, _, _ = still.update(
        jax.tree.map(jnp.zeros_like, grads), still.init(weights), weights, jnp.float32(0.5)
    )
    np.testing.assert_allclose(new["kernel"], 2.0 - 0.1 * 0.5 * 2.0, rtol=1e-6)
    new, _, metrics = still.update(grads, still.init(weights), weights, jnp.float32(0.5))
    np.testing.assert_allclose(metrics["grad_norm"], 2e6, rtol=1e-5)
    assert float(metrics["update_norm"]) < 1.0


def test_schedule_corners():
    schedule = Schedule(warmup=0.1, hold=0.5, shape="linear", final=0.2)
    at = lambda p: float(schedule(jnp.float32(p)))  # noqa: E731
    np.testing.assert_allclose([at(0.0), at(0.05)], [0.01, 0.51], rtol=1e-4)
    np.testing.assert_allclose([at(0.3), at(0.5), at(0.75), at(1.0)], [1, 1, 0.6, 0.2], rtol=1e-4)
    cosine = Schedule(warmup=0.0, final=0.0)
    np.testing.assert_allclose(float(cosine(jnp.float32(0.5))), 0.5, rtol=1e-4)


def test_average_warms_up_then_decays():
    start, now = {"w": jnp.zeros(2)}, {"w": jnp.ones(2)}
    np.testing.assert_allclose(ema(start, now, jnp.int32(0), 0.9)["w"], 0.9)
    np.testing.assert_allclose(ema(start, now, jnp.int32(10_000), 0.9)["w"], 0.1, rtol=1e-5)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: Optimizer(kind="sgd"),  # type: ignore[arg-type]
        lambda: Optimizer(learning_rate=0.0),
        lambda: Schedule(warmup=1.5),
        lambda: Schedule(shape="step"),  # type: ignore[arg-type]
    ],
)
def test_settings_out_of_range_are_refused(broken):
    with pytest.raises(Exception, match=r"must be|shares|type"):
        broken()
