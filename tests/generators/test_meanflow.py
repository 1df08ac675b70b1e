"""Mean flow: its identity, what it becomes at an instant, guidance, and where training begins."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.contract import TrainState
from vidgen.denoising import DenoisingConfig, Flow
from vidgen.generators.diffusion import Diffusion, DiffusionConfig
from vidgen.generators.meanflow import MeanFlow, MeanFlowConfig, MeanFlowSampler
from vidgen.generators.meanflow.velocity import average_velocity, draw
from vidgen.types import Batch, Condition

SPREAD = 0.3  # standard deviation of the clips whose flow is known


def tiny(**changes) -> MeanFlowConfig:
    return dataclasses.replace(MeanFlowConfig.tiny(), **changes)


def opening_phase(task, **changes):
    """The phase of openings, which nothing but a sentence conditions."""
    return MeanFlow(tiny(**changes), task).phases()[1]


def told(task, count: int) -> Condition:
    """Sentences for all but the last, and no frame."""
    text = jnp.ones((count, task.text_length, task.text_width))
    mask = jnp.broadcast_to(jnp.arange(count)[:, None] < count - 1, text.shape[:2])
    nothing = jnp.zeros((count, 0, *task.context_shape[1:]))
    return Condition.of(text, mask, nothing, jnp.zeros((count, 0), bool))


def state_of(params, **rest) -> TrainState:
    return TrainState(step=0, params=params, rest=rest, opt_state=(), ema={})


def wide(t):
    return t[:, None, None, None, None]


def level(t):
    """Standard deviation at t of the flow from clips N(0, SPREAD^2) to noise."""
    return jnp.sqrt(jnp.square((1.0 - t) * SPREAD) + jnp.square(t))


def known_velocity(z, t):
    """Its marginal velocity: z times the logarithmic derivative of `level`."""
    return z * (wide(t) - SPREAD**2 * (1.0 - wide(t))) / jnp.square(level(wide(t)))


def known_average(z, t, condition=None, moved=None, length=None):
    """Its average velocity: the flow multiplies z by a ratio of levels."""
    ratio = 1.0 - level(wide(t - length)) / level(wide(t))
    instant = wide(length) == 0.0
    return jnp.where(
        instant, known_velocity(z, t), z * ratio / jnp.where(instant, 1.0, wide(length))
    )


def know(phase, network, monkeypatch):
    """Put a function, to which weights are handed, in place of the network of a phase."""
    bind = lambda params: lambda *seen: network(params, *seen)  # noqa: E731
    monkeypatch.setattr(phase, "_network", SimpleNamespace(bind=bind))


def noisy(shapes):
    """Random weights everywhere: what starts at zero would hide what it does."""
    keys = jax.random.split(jax.random.key(7), len(shapes))
    return {
        name: 0.2 * jax.random.normal(key, shape.shape)
        for key, (name, shape) in zip(keys, sorted(shapes.items()), strict=True)
    }


def exported(phase, earlier):
    """Shapes of what a phase exports."""
    export = lambda key, earlier: phase.export(phase.init(key, earlier))  # noqa: E731
    return jax.eval_shape(export, jax.random.key(0), earlier)


def test_target_is_the_average_velocity_where_the_flow_is_known(task, monkeypatch):
    """The right side of the identity against the integral over a path, step by step."""
    phase = opening_phase(task, prediction="velocity", opening_guidance=1.0, instants=0.25)
    know(phase, lambda params, *seen: known_average(*seen), monkeypatch)
    z = jax.random.normal(jax.random.key(1), (4, 1, *task.video_shape[1:]))
    r, t = jnp.array([0.7, 0.3, 0.0, 0.6]), jnp.array([0.7, 0.9, 1.0, 0.65])
    v = known_velocity(z, t)
    target = jax.jit(phase._target)(state_of({}), z, r, t, v, told(task, 4), None)

    @jax.jit
    def walk(z, r, t):
        h = (t - r) / 200

        def backwards(z, n):
            now = t - n * h
            middle = z - 0.5 * wide(h) * known_velocity(z, now)
            return z - wide(h) * known_velocity(middle, now - 0.5 * h), None

        return jax.lax.scan(backwards, z, jnp.arange(200.0))[0]

    average = (z - walk(z, r, t))[1:] / wide(t - r)[1:]
    np.testing.assert_allclose(target[1:], average, atol=2e-3)
    np.testing.assert_array_equal(target[0], v[0])
    # Far from what it would be without the derivative.
    assert float(jnp.abs(average - v[1:]).mean(axis=(1, 2, 3, 4))[:2].min()) > 0.05


def test_target_holds_the_derivative_along_the_path(task, monkeypatch):
    """What jvp gives of the network, against finite differences."""
    # Slow sinusoids of time, which finite differences can follow.
    phase = opening_phase(task, time_frequency=5.0, opening_guidance=1.0, instants=0.25)
    weights = noisy(jax.eval_shape(phase._network.init, jax.random.key(0)))
    condition, key = told(task, 4), jax.random.key(1)
    clip = jax.random.uniform(key, (4, 1, *task.video_shape[1:]), minval=-1.0)
    noise = jax.random.normal(jax.random.key(2), clip.shape)
    r, t = jnp.array([0.6, 0.1, 0.3, 0.2]), jnp.array([0.6, 0.5, 0.9, 0.7])
    average = average_velocity(phase._network.bind(weights), "x", phase._process, condition, None)

    @jax.jit
    def at(t):
        return average((1.0 - wide(t)) * clip + wide(t) * noise, r, t)

    z, v = (1.0 - wide(t)) * clip + wide(t) * noise, noise - clip
    target = jax.jit(phase._target)(state_of(weights), z, r, t, v, condition, None)
    # Of fourth order, because the network bends sharply in time.
    near, far = (at(t + nudge) - at(t - nudge) for nudge in (2e-3, 4e-3))
    slope = (8.0 * near - far) / (12.0 * 2e-3)
    expected = v - wide(t - r) * slope
    np.testing.assert_allclose(target, expected, atol=2e-3 * float(jnp.abs(expected).max()))
    assert float(jnp.abs(wide(t - r) * slope).mean(axis=(1, 2, 3, 4))[1:].min()) > 0.1


def test_loss_is_weighted_by_each_clips_own_error(task, monkeypatch):
    phase = opening_phase(task, prediction="velocity", loss_power=0.5)
    know(phase, lambda params, z, *rest: params * z, monkeypatch)
    z = jnp.broadcast_to(wide(jnp.array([1.0, 2.0, 3.0, 4.0])), (4, 1, *task.video_shape[1:]))
    t = jnp.ones(4)
    (weighted, plain), slope = jax.value_and_grad(phase._loss, has_aux=True)(
        2.0, z, t, t, told(task, 4), None, jnp.zeros_like(z)
    )
    error = np.array([4.0, 16.0, 36.0, 64.0])
    np.testing.assert_allclose(plain, error.mean(), rtol=1e-5)
    np.testing.assert_allclose(weighted, np.sqrt(error).mean(), rtol=1e-3)
    # Of an error of (2 z)^2 by the factor, under weights that are constants.
    np.testing.assert_allclose(slope, (error / np.sqrt(error)).mean(), rtol=1e-3)


def test_empty_intervals_are_flow_matching(task, monkeypatch):
    phase = opening_phase(task, prediction="velocity", opening_guidance=1.0, instants=1.0)
    r, t = jax.jit(phase._interval)(jax.random.key(0))
    np.testing.assert_array_equal(r, t)
    v = jax.random.normal(jax.random.key(1), (4, 1, *task.video_shape[1:]))
    lengths = []

    def network(params, z, t, condition, moved, length):
        lengths.append(length)
        return z

    know(phase, network, monkeypatch)
    target = phase._target(state_of({}), v, r, t, v, told(task, 4), None)
    np.testing.assert_array_equal(target, v)
    phase._loss({}, v, r, t, told(task, 4), None, target)
    np.testing.assert_array_equal(lengths, jnp.zeros((1, 4)))


def test_steps_of_a_known_average_velocity_end_where_its_flow_does(task):
    average = average_velocity(known_average, "velocity", Flow(0.0, 1.0), told(task, 3), None)
    keys, shape = jax.random.split(jax.random.key(2), 3), (1, *task.video_shape[1:])
    # Each clip begins from noise of its own key.
    noise = jnp.stack([jax.random.normal(jax.random.fold_in(key, 0), shape) for key in keys])
    for steps, curve in ((1, 1.0), (4, 2.0)):
        video = draw(average, shape, told(task, 3), keys, steps=steps, curve=curve)
        np.testing.assert_allclose(video, jnp.clip(SPREAD * noise, -1.0, 1.0), atol=1e-5)
    # One step is the definition over the whole of time.
    blind = lambda z, r, t: jnp.full_like(z, 0.25) + wide(t - r)  # noqa: E731
    video = draw(blind, shape, told(task, 3), keys, steps=1)
    np.testing.assert_allclose(video, jnp.clip(noise - 1.25, -1.0, 1.0), atol=1e-6)


def test_guided_velocity_is_pushed_away_from_what_no_sentence_gives(task, monkeypatch):
    phase = opening_phase(task, prediction="velocity", opening_guidance=4.0, mixing=0.75)

    def network(weight, z, t, condition, moved, length):
        asked = condition.text_mask.any(axis=1).astype(z.dtype)
        return weight * jnp.broadcast_to(1.0 + wide(asked), z.shape)

    know(phase, network, monkeypatch)
    condition, z = told(task, 3), jnp.zeros((3, 1, *task.video_shape[1:]))
    seen = (z, jnp.full(3, 0.5), z + 10.0, condition, None)
    v, tangent = phase._velocity(state_of(1.0), *seen)
    # A quarter of 4 of the clip's own velocity, 0.75 of the network's and -0.75 of the unasked.
    np.testing.assert_allclose(v[:, 0, 0, 0, 0], [10.75, 10.75, 10.0], rtol=1e-6)
    np.testing.assert_allclose(tangent[:, 0, 0, 0, 0], [2.0, 2.0, 1.0], rtol=1e-6)
    # A teacher is asked instead, and the clip's own velocity not at all.
    for v in phase._velocity(state_of(1.0, teacher=3.0), *seen):
        np.testing.assert_allclose(v[:, 0, 0, 0, 0], [15.0, 15.0, 3.0], rtol=1e-6)


def test_intervals_have_their_share_of_instants_and_end_after_they_begin(task):
    phase = opening_phase(
        task, instants=0.75, opening_time_mean=2.0, start_mean=-1.0, opening_batch_size=4000
    )
    r, t = map(np.asarray, jax.jit(phase._interval)(jax.random.key(0)))
    instant = r == t
    np.testing.assert_array_equal(instant, np.arange(4000) < 3000)
    assert (r[~instant] < t[~instant]).all()
    logits = np.log(t / (1.0 - t))[instant]
    np.testing.assert_allclose([logits.mean(), logits.std()], [2.0, 1.2], atol=0.1)
    starts = np.log(r / (1.0 - r))[~instant]
    assert -1.8 < starts.mean() < -1.0


def test_known_frames_keep_to_their_straight_line(task):
    clip = jax.random.uniform(jax.random.key(0), (2, *task.video_shape))
    noise = jax.random.normal(jax.random.key(1), clip.shape)
    condition = dataclasses.replace(
        told(task, 2), context=clip[:, :2], context_mask=jnp.ones((2, 2), bool)
    )
    lost = lambda z, *rest: jnp.full_like(z, 9.0)  # noqa: E731
    average = average_velocity(lost, "x", Flow(0.0, 1.0), condition, None)
    t = jnp.array([0.3, 1.0])
    u = average((1.0 - wide(t)) * clip + wide(t) * noise, 0.5 * t, t)
    np.testing.assert_allclose(u[:, :2], (noise - clip)[:, :2], atol=1e-5)


def test_second_phase_begins_as_what_the_first_has_learned(task):
    config = tiny(pretraining=0.25)
    generator = MeanFlow(config, task)
    phases = generator.phases()
    shared = {f.name: getattr(config, f.name) for f in dataclasses.fields(DenoisingConfig)}
    before = Diffusion(DiffusionConfig(**shared), task).phases()
    names = [phase.name for phase in phases]
    assert names == [*(p.name for p in before), "meanflow-opening", "meanflow-denoiser"]
    np.testing.assert_allclose(sum(phase.share for phase in phases), 1.0)
    np.testing.assert_allclose(phases[2].share, 0.25 * before[2].share)

    # The phases before export what those of `diffusion` do, and a clip is drawn by what all do.
    shapes: dict = {}
    for at, phase in enumerate(phases):
        made = exported(phase, shapes)
        if at < len(before):
            assert made == exported(before[at], shapes)
        shapes[phase.name] = made
    frames = jnp.zeros((4, *task.context_shape)), jnp.zeros((4, task.context_frames), bool)
    condition = Condition.of(told(task, 4).text, told(task, 4).text_mask, *frames)
    keys = jax.random.split(jax.random.key(0), 4)
    assert jax.eval_shape(generator.sample, shapes, condition, keys).shape == (4, *task.video_shape)

    phase, earlier = phases[3], {"opening": noisy(shapes["opening"])}
    state = jax.jit(phase.init)(jax.random.key(9), earlier)
    for name, value in earlier["opening"].items():
        for params in (state.params, state.ema, state.rest["teacher"]):
            np.testing.assert_array_equal(params[name], value, err_msg=name)
    assert all(n.startswith("interval") for n in state.params.keys() - earlier["opening"].keys())
    # Of the interval it makes nothing at first: it predicts what the denoiser does.
    for name in ("kernel", "bias"):
        assert not np.asarray(state.params[f"interval_embed.second.{name}"]).any()
    # And goes on from there by the contract, its teacher as it was.
    video = jax.random.uniform(jax.random.key(1), (4, *task.video_shape), minval=-1.0)
    batch = Batch(video=video, condition=condition)
    after, metrics = jax.jit(phase.step)(state, batch, jax.random.key(2), jnp.float32(0.5))
    assert np.isfinite(metrics["loss"])
    assert int(after.step) == 1
    assert not np.array_equal(after.params["head.kernel"], state.params["head.kernel"])
    assert jax.tree.all(jax.tree.map(np.array_equal, after.rest, state.rest))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="mixing"):
        MeanFlowConfig(mixing=1.0)
    with pytest.raises(ValueError, match="instants"):
        MeanFlowConfig(instants=1.5)
    with pytest.raises(ValueError, match="guidance"):
        MeanFlowConfig(opening_guidance=0.0)
    with pytest.raises(ValueError, match="at least 1"):
        MeanFlowSampler(steps=0)
