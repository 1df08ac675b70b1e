"""Motion compensation: its error, its network, and that it learns to follow a sentence."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.motion import MotionConfig, MotionPhase, flow, photometric_error, travel
from vidgen.nn import warp
from vidgen.optim import Optimizer
from vidgen.types import Batch, Condition, Task

TASK = Task(frames=4, height=16, width=16, channels=1, text_length=2, text_width=3)


def test_photometric_error_averages_over_a_pyramid():
    real = jnp.zeros((2, 1, 8, 8, 1))
    moved = real.at[0, 0, :4].set(1.0)
    # Half of the picture is wrong by 1 at sides of 8, 4 and 2; at 1 the mean is wrong by a half.
    np.testing.assert_allclose(photometric_error(moved, real), [0.5 + 0.5 + 0.5 + 0.5, 0.0])
    stripes = real.at[0, 0, ::2].set(1.0).at[0, 0, 1::2].set(-1.0)
    # Averages of two rows see no stripes.
    np.testing.assert_allclose(photometric_error(stripes, real), [1.0, 0.0])


def test_photometric_error_points_to_where_a_far_object_belongs():
    real = jnp.zeros((1, 1, 16, 16, 1)).at[0, 0, 4:6, 4:6].set(1.0)
    away = jnp.zeros((1, 16, 16, 1)).at[0, 4:6, 8:10].set(1.0)

    def error(shift):
        flow = jnp.broadcast_to(jnp.array([0.0, 1.0]) * shift, (1, 16, 16, 2))
        return photometric_error(warp(away, flow)[:, None], real)[0]

    # 4 px apart they do not overlap, and only the averages tell which way is nearer.
    assert jax.grad(error)(0.5) < -0.005


def test_photometric_error_of_odd_sides_leaves_out_their_last_row():
    real = jnp.zeros((1, 1, 7, 5, 1))
    # 1 at 7x5; the means of 2x2 and of what they halve to are 1 as well, until a side is 1.
    np.testing.assert_allclose(photometric_error(real + 1.0, real), [3.0], rtol=1e-6)


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("kind", [jnp.float32, jnp.bfloat16])
def test_the_gradient_of_the_photometric_error_is_that_of_the_rules(backend, kind, monkeypatch):
    keys = jax.random.split(jax.random.key(0), 2)
    moved, real = (jax.random.normal(key, (3, 2, 9, 8, 3), kind) for key in keys)
    weights = jnp.array([1.0, -2.0, 0.5], kind)
    by_rule = jax.grad(lambda x: (flow._pyramid(x - real) * weights).sum())(moved)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    found = jax.grad(lambda x: (photometric_error(x, real) * weights).sum())(moved)
    assert found.dtype == kind
    rounding = 1e-6 if kind == jnp.float32 else 1e-2
    np.testing.assert_allclose(
        found.astype(jnp.float32), by_rule.astype(jnp.float32), rtol=rounding, atol=rounding / 100
    )


def test_a_canvas_travels_by_the_flow_of_each_frame():
    canvas = jax.random.normal(jax.random.key(0), (1, 8, 8, 1))
    flow = jnp.broadcast_to(
        jnp.array([[0.0, 0.0], [-1.0, 2.0]])[None, :, None, None], (1, 2, 2, 2, 2)
    )
    moved = travel(canvas, flow)
    np.testing.assert_allclose(moved[:, 0], canvas, atol=1e-6)
    np.testing.assert_allclose(moved[:, 1, 1:, :-2], canvas[:, :-1, 2:], atol=1e-6)


def scenes(key, count=16):
    """A bright square that goes right or down, as the sentence says, 2 px a frame."""
    place, way = jax.random.split(key)
    start = np.asarray(jax.random.randint(place, (count, 2), 1, 6))
    down = np.asarray(jax.random.bernoulli(way, shape=(count,)))
    video = np.full((count, *TASK.video_shape), -1.0, np.float32)
    for n, (y, x) in enumerate(start):
        for t in range(TASK.frames):
            top, left = (y + 2 * t, x) if down[n] else (y, x + 2 * t)
            video[n, t, top : top + 4, left : left + 4] = 1.0
    text = np.zeros((count, 2, 3), np.float32)
    text[:, 0, 0], text[:, 1, 1] = down, ~down
    mask = np.stack([down, ~down], axis=1)
    context = video[:, :1]
    return Batch(
        video=jnp.asarray(video),
        condition=Condition.of(text, mask, context, np.ones((count, 1), bool)),
    )


@pytest.mark.slow
def test_the_phase_learns_to_follow_the_sentence():
    quick = Optimizer(kind="muon", learning_rate=1e-2, adam_learning_rate=5e-3)
    config = dataclasses.replace(MotionConfig.tiny(), batch_size=16, ema=0.9, optimizer=quick)
    phase = MotionPhase(config, TASK, share=1.0, drop_text=0.0)
    state = jax.jit(phase.init)(jax.random.key(0), {})
    step = jax.jit(phase.step, donate_argnums=0)
    for i in range(200):
        batch = scenes(jax.random.key(i))
        state, metrics = step(state, batch, jax.random.key(i), jnp.float32(i / 200))
    held_out = scenes(jax.random.key(999))
    first, condition = held_out.video[:, :1], held_out.condition
    network = phase.network.bind(phase.export(state))
    moved = network(first, condition)
    np.testing.assert_array_equal(moved[:, :1], first)
    error = photometric_error(moved[:, 1:], held_out.video[:, 1:]).mean()
    # A frame that stays where it is, and one that goes where another sentence says.
    assert error < 0.5 * metrics["still"]
    other = jax.tree.map(lambda x: x[::-1], condition)
    swapped = network(first, other)[:, 1:]
    differ = np.asarray(condition.text[:, 0, 0] != other.text[:, 0, 0])
    assert differ.any()
    wrong = photometric_error(swapped, held_out.video[:, 1:])[differ].mean()
    assert error < 0.5 * wrong


def test_the_last_of_several_first_frames_is_moved():
    task = dataclasses.replace(TASK, context_frames=2)
    network = MotionPhase(MotionConfig.tiny(), task, share=1.0).network
    condition, first = scenes(jax.random.key(0), 2).condition, scenes(jax.random.key(1), 2).video
    video = network.bind(network.init(jax.random.key(2)))(first[:, :2], condition)
    assert video.shape == first.shape
    np.testing.assert_array_equal(video[:, :2], first[:, :2])
    # Weights that were not trained hardly move it.
    np.testing.assert_allclose(video[:, 2:], first[:, [1, 1]], atol=0.2)


def test_a_task_with_nothing_to_move_to_is_refused():
    task = dataclasses.replace(TASK, frames=1, context_frames=0)
    with pytest.raises(ValueError, match="no frame to move to"):
        MotionPhase(MotionConfig.tiny(), task, share=1.0)


def test_sizes_below_one_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        MotionConfig(width=0)
