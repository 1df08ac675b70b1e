"""Motion compensation: its error, its network, and that it learns to follow a sentence."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.contract import TrainState
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

    # Without a sentence one of the hypotheses is about as good, and what lies between is not.
    untold = condition.keep(text=False)

    @jax.jit
    def errors(hypothesis):
        moved = network(first, untold, jnp.full(len(first), hypothesis))
        return photometric_error(moved[:, 1:], held_out.video[:, 1:])

    between, *each = (np.asarray(errors(n)) for n in range(-1, 3))
    assert np.min(each, axis=0).mean() < 1.5 * error < 0.1 * between.mean()
    best = np.argmin(each, axis=0)
    down = np.asarray(condition.text[:, 0, 0] == 1)
    downward, rightward = set(best[down]), set(best[~down])
    assert not downward & rightward
    # Both are as frequent, and every clip had a sentence.
    chances = np.exp(network.codebook.chances())
    assert abs(chances[list(downward)].sum() - 0.5) < 0.2
    assert chances[3] < 0.1
    assert 1.8 < metrics["hypotheses"] < 3.0
    drawn = network.draw(jax.random.split(jax.random.key(5), 400), silent_rows(400))
    share = np.bincount(np.asarray(drawn) + 1, minlength=4) / 400
    np.testing.assert_allclose(share, np.roll(chances, 1), atol=0.08)


def silent_rows(count):
    """A condition that says nothing, of so many clips."""
    return Condition.of(
        jnp.zeros((count, 2, 3)),
        jnp.zeros((count, 2)),
        jnp.zeros((count, 1, 16, 16, 1)),
        jnp.ones((count, 1)),
    )


@pytest.fixture(scope="module")
def noisy():
    """Weights with noise on them, so that hypotheses differ; all are as likely, and none is not."""
    weights = MotionPhase(MotionConfig.tiny(), TASK, share=1.0).network.init(jax.random.key(2))
    rng = np.random.default_rng(3)
    weights = {
        name: value + 0.1 * rng.standard_normal(value.shape).astype(np.float32)
        for name, value in weights.items()
    }
    return weights | {"codebook.share": jnp.array([0.0, 0.0, 0.0, -1.0])}


@pytest.fixture(scope="module")
def network(noisy):
    return MotionPhase(MotionConfig.tiny(), TASK, share=1.0).network.bind(noisy)


def test_only_a_clip_without_a_sentence_follows_a_hypothesis(network):
    told = scenes(jax.random.key(0), 4).condition
    first = jax.random.normal(jax.random.key(1), (4, 1, 16, 16, 1))
    mixed = told.keep(text=jnp.array([True, False, False, True]))
    plain, one, other, none = (
        np.asarray(network(first, mixed, hypothesis))
        for hypothesis in (None, jnp.zeros(4, int), jnp.array([1, 1, 0, 1]), jnp.full(4, -1))
    )
    np.testing.assert_array_equal(plain, none)
    np.testing.assert_array_equal(one[[0, 3]], plain[[0, 3]])
    np.testing.assert_array_equal(other[2], one[2])
    assert np.abs(one - plain)[[1, 2]].mean(axis=(1, 2, 3, 4)).min() > 1e-3
    assert np.abs(one - other)[1].mean() > 1e-3


def test_guidance_leads_away_from_no_hypothesis_unless_there_is_no_sentence(network):
    told = scenes(jax.random.key(0), 4).condition.keep(text=jnp.array([1, 0, 1, 0], bool))
    keys = jax.random.split(jax.random.key(8), 4)
    drawn = np.asarray(network.draw(keys, told.beside(told.keep(text=False))))
    np.testing.assert_array_equal(drawn[:4], network.draw(keys, told))
    np.testing.assert_array_equal(drawn[4:], np.where([1, 0, 1, 0], -1, drawn[:4]))
    # Each clip's own key draws for it, whoever is beside it.
    np.testing.assert_array_equal(network.draw(keys[::-1], told), drawn[3::-1])
    many = np.asarray(network.draw(jax.random.split(jax.random.key(1), 400), silent_rows(400)))
    share = np.bincount(many + 1, minlength=4) / 400
    np.testing.assert_allclose(share, [0.0, 1 / 3, 1 / 3, 1 / 3], atol=0.08)


def test_a_motion_without_hypotheses_has_none():
    config = dataclasses.replace(MotionConfig.tiny(), hypotheses=0)
    bare = MotionPhase(config, TASK, share=1.0)
    weights = bare.network.init(jax.random.key(2))
    assert not [name for name in weights if name.startswith("codebook")]
    network = bare.network.bind(weights)
    condition = silent_rows(3)
    drawn = network.draw(jax.random.split(jax.random.key(0), 3), condition)
    np.testing.assert_array_equal(drawn, [-1, -1, -1])
    state, batch = bare.init(jax.random.key(0), {}), scenes(jax.random.key(0), 2)
    _, report = jax.jit(bare.step)(state, batch, jax.random.key(1), jnp.float32(0.0))
    assert "hypotheses" not in report
    with pytest.raises(ValueError, match="hypotheses"):
        dataclasses.replace(config, hypotheses=-1)


def test_the_best_hypothesis_of_a_clip_learns_from_it(network, noisy):
    phase = MotionPhase(MotionConfig.tiny(), TASK, share=1.0)
    batch = scenes(jax.random.key(0), 256)
    condition = batch.condition.keep(text=jnp.arange(256) < 192)
    first, later = batch.video[:, :1], batch.video[:, 1:]
    best, learns = (
        np.asarray(x)
        for x in jax.jit(phase._tried)(jax.random.key(3), noisy, first, later, condition)
    )
    silent = condition.keep(text=False)
    errors = [
        photometric_error(network(first, silent, jnp.full(256, n))[:, 1:], later) for n in range(3)
    ]
    least = np.argmin(errors, axis=0)
    assert len(set(least[:192])) > 1
    np.testing.assert_array_equal(best[:192], least[:192])
    # Clips that never had a sentence teach that there are such clips, and no hypothesis.
    assert (best[192:] == 3).all()
    assert (learns[192:] == -1).all()
    # One in twenty learns at random, in two of three cases another.
    assert (best != learns)[:192].mean() < 0.2


def test_what_a_sentence_moves_is_learned_as_if_there_were_no_hypotheses(noisy):
    phase = MotionPhase(MotionConfig.tiny(), TASK, share=1.0)
    bare = MotionPhase(dataclasses.replace(phase.config, hypotheses=0), TASK, share=1.0)
    batch, progress = scenes(jax.random.key(1), phase.batch_size), jnp.float32(0.5)
    own = {name: value for name, value in noisy.items() if name.startswith("codebook.")}
    others = {name: value for name, value in noisy.items() if name not in own}
    grads = jax.jit(phase._of_hypotheses)(
        jax.random.key(3), noisy, batch.video[:, :1], batch.video[:, 1:], batch.condition
    )
    assert set(grads) == set(own)
    assert all(np.abs(grad).max() > 0.0 for grad in grads.values())
    steps = []
    for each, weights in ((phase, noisy), (bare, others)):
        state = TrainState.create(weights, each.config.optimizer.init(weights))
        state, _ = jax.jit(each.step)(state, batch, jax.random.key(5), progress)
        steps.append(state.params)
    assert set(steps[0]) == set(own) | set(steps[1])
    for name, value in steps[1].items():
        np.testing.assert_allclose(steps[0][name], value, atol=1e-5)


def test_clips_that_never_had_a_sentence_follow_no_hypothesis():
    """From the first step on, and whatever is drawn."""
    config = dataclasses.replace(MotionConfig.tiny(), batch_size=4, microbatches=2)
    phase = MotionPhase(config, TASK, share=1.0)
    state, step = phase.init(jax.random.key(0), {}), jax.jit(phase.step)
    keys = jax.random.split(jax.random.key(1), 200)
    for index in range(30):
        batch = scenes(jax.random.key(index), 4)
        batch = dataclasses.replace(batch, condition=batch.condition.keep(text=False))
        state, _ = step(state, batch, jax.random.key(index), jnp.float32(index / 30))
        if index in (0, 29):
            drawn = phase.network.bind(phase.export(state)).draw(keys, silent_rows(200))
            assert (np.asarray(drawn) == -1).mean() > 0.95


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
