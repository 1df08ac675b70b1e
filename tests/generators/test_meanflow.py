"""Mean flow: its identity, what it becomes at an instant, guidance, and where training begins."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.denoising import Cascade, DenoisingConfig, DenoisingPhase, Flow
from vidgen.generators.diffusion import Diffusion, DiffusionConfig
from vidgen.generators.meanflow import MeanFlow, MeanFlowConfig, MeanFlowSampler
from vidgen.generators.meanflow.velocity import average_velocity, draw
from vidgen.types import Condition

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


def level(t):
    """Standard deviation at t of the flow from clips N(0, SPREAD^2) to noise."""
    return jnp.sqrt(jnp.square((1.0 - t) * SPREAD) + jnp.square(t))


def known_velocity(z, t):
    """Its marginal velocity: z times the logarithmic derivative of `level`."""
    wide = t[:, None, None, None, None]
    return z * (wide - SPREAD**2 * (1.0 - wide)) / jnp.square(level(wide))


def known_average(z, t, condition, moved, length):
    """Its average velocity: the flow multiplies z by a ratio of levels."""
    wide, span = (s[:, None, None, None, None] for s in (t, length))
    return z * (1.0 - level(wide - span) / level(wide)) / jnp.maximum(span, 1e-6)


def noisy(weights):
    """Random weights everywhere: what starts at zero would hide what it does."""
    keys = jax.random.split(jax.random.key(7), len(weights))
    return {
        name: value + 0.2 * jax.random.normal(key, value.shape)
        for key, (name, value) in zip(keys, sorted(weights.items()), strict=True)
    }


@pytest.fixture(scope="module")
def shaken(task):
    """The phase of openings, and random weights for its network."""
    # Slow sinusoids of time, so that finite differences can follow them.
    phase = opening_phase(task, time_frequency=5.0)
    return phase, jax.jit(lambda key: noisy(phase._network.init(key)))(jax.random.key(0))


def test_target_holds_the_derivative_along_the_path(task, shaken, monkeypatch):
    """The loss again, with finite differences in place of the derivative that jvp gives."""
    phase, weights = shaken
    condition = told(task, 4)
    clip = jax.random.uniform(jax.random.key(1), (4, 1, *task.video_shape[1:]), minval=-1.0)
    r, t = jnp.array([0.1, 0.3, 0.2, 0.6]), jnp.array([0.5, 0.9, 0.7, 0.6])
    monkeypatch.setattr(phase, "_interval", lambda key, count: (r, t))
    monkeypatch.setattr(phase, "_guidance", 1.0)
    key = jax.random.key(2)
    both = (condition, None), (condition.keep(text=False), None)
    loss, grads = jax.jit(jax.value_and_grad(phase._loss))(weights, clip, *both, key)

    noise = jax.random.normal(jax.random.split(key)[1], clip.shape)
    average = average_velocity(phase._network.bind(weights), "x", phase._process, condition, None)

    @jax.jit
    def at(t):
        wide = t[:, None, None, None, None]
        return average((1.0 - wide) * clip + wide * noise, r, t)

    nudge = 2e-3
    slope = (at(t + nudge) - at(t - nudge)) / (2.0 * nudge)
    target = noise - clip - (t - r)[:, None, None, None, None] * slope
    error = np.asarray(jnp.square(at(t) - target)).mean(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(loss, error.mean(), rtol=2e-3)
    # No term of it is small beside the rest.
    plain = np.asarray(jnp.square(at(t) - noise + clip)).mean(axis=(1, 2, 3, 4))
    assert (np.abs(error / plain - 1.0)[:3] > 0.05).all()
    np.testing.assert_allclose(error[3], plain[3], rtol=1e-5)

    # The gradient is that of the weighted error, and passes through the prediction alone.
    def weighted(weights):
        u = average_velocity(phase._network.bind(weights), "x", phase._process, condition, None)(
            (1.0 - t)[:, None, None, None, None] * clip + t[:, None, None, None, None] * noise, r, t
        )
        return (jnp.square(u - target).mean(axis=(1, 2, 3, 4)) / (error + 1e-3)).mean()

    expected = jax.jit(jax.grad(weighted))(weights)
    for name in ("head.kernel", "stem.kernel", "interval_embed.first.kernel"):
        scale = float(jnp.abs(expected[name]).max())
        np.testing.assert_allclose(grads[name], expected[name], atol=5e-3 * scale, err_msg=name)


def test_no_error_where_the_average_velocity_is_known(task, monkeypatch):
    phase = opening_phase(task, prediction="velocity")
    monkeypatch.setattr(
        phase, "_guided", lambda params, z, t, v, asked, silent: known_velocity(z, t)
    )
    clip = SPREAD * jax.random.normal(jax.random.key(1), (16, 1, *task.video_shape[1:]))
    condition = told(task, 16)

    def loss(network):
        monkeypatch.setattr(phase, "_network", SimpleNamespace(bind=lambda params: network))
        return float(phase._loss({}, clip, *[(condition, None)] * 2, jax.random.key(3)))

    assert loss(known_average) < 1e-6
    instantaneous = lambda z, t, *rest: known_velocity(z, t)  # noqa: E731
    assert loss(instantaneous) > 1e-2


@pytest.mark.parametrize(("steps", "curve"), [(1, 1.0), (2, 1.0), (4, 2.0)])
def test_steps_of_a_known_average_velocity_end_where_its_flow_does(task, steps, curve):
    average = average_velocity(known_average, "velocity", Flow(0.0, 1.0), told(task, 3), None)
    keys, shape = jax.random.split(jax.random.key(2), 3), (1, *task.video_shape[1:])
    video = draw(average, shape, told(task, 3), keys, steps=steps, curve=curve)
    # Each clip begins from noise of its own key.
    noise = jnp.stack([jax.random.normal(jax.random.fold_in(key, 0), shape) for key in keys])
    np.testing.assert_allclose(video, jnp.clip(SPREAD * noise, -1.0, 1.0), atol=1e-5)
    if steps == 1:
        u = average(noise, jnp.zeros(3), jnp.ones(3))
        np.testing.assert_allclose(video, jnp.clip(noise - u, -1.0, 1.0), atol=1e-6)


def test_empty_intervals_are_flow_matching(task, shaken, monkeypatch):
    phase, weights = shaken
    monkeypatch.setattr(phase, "_guidance", 1.0)
    monkeypatch.setattr(phase, "_objective", tiny(loss_power=0.0))
    stage = MeanFlow(tiny(), task)._cascade.opening
    flow = DenoisingPhase(stage, phase._network, phase._process)
    monkeypatch.setattr(
        phase, "_interval", lambda key, count: (flow._process.draw(key, count),) * 2
    )
    condition = told(task, 4)
    clip = jax.random.uniform(jax.random.key(1), (4, 1, *task.video_shape[1:]), minval=-1.0)
    both = (condition, None), (condition.keep(text=False), None)
    key = jax.random.key(5)
    mean = jax.jit(jax.value_and_grad(phase._loss))(weights, clip, *both, key)
    expected = jax.jit(jax.value_and_grad(flow._loss))(weights, clip, condition, None, key)
    np.testing.assert_allclose(mean[0], expected[0], rtol=1e-5)
    for name, grad in expected[1].items():
        scale = float(jnp.abs(grad).max()) + 1e-6
        np.testing.assert_allclose(mean[1][name], grad, atol=1e-4 * scale, err_msg=name)


def test_guided_velocity_is_pushed_away_from_what_no_sentence_gives(task, monkeypatch):
    phase = opening_phase(task, prediction="velocity", opening_guidance=4.0, mixing=0.75)

    def network(z, t, condition, moved, length):
        asked = condition.text_mask.any(axis=1).astype(z.dtype)
        return jnp.broadcast_to(asked[:, None, None, None, None], z.shape)

    monkeypatch.setattr(phase, "_network", SimpleNamespace(bind=lambda params: network))
    condition, z = told(task, 3), jnp.zeros((3, 1, *task.video_shape[1:]))
    both = (condition, None), (condition.keep(text=False), None)
    guided = phase._guided({}, z, jnp.full(3, 0.5), z + 10.0, *both)
    # A quarter of 4 of the clip's own velocity, 0.75 of the network's and -0.75 of the unasked.
    np.testing.assert_allclose(guided[:, 0, 0, 0, 0], [10.75, 10.75, 10.0], rtol=1e-6)


def test_intervals_have_their_share_of_instants_and_end_after_they_begin(task):
    phase = opening_phase(task, instants=0.75, opening_time_mean=2.0, start_mean=-1.0)
    r, t = phase._interval(jax.random.key(0), 4000)
    instant = np.asarray(r == t)
    assert instant.sum() == 3000
    assert (r[~instant] < t[~instant]).all()
    logits = np.log(t / (1.0 - t))[instant]
    np.testing.assert_allclose([logits.mean(), logits.std()], [2.0, 1.2], atol=0.1)
    starts = np.log(r / (1.0 - r))[~instant]
    assert -1.4 < starts.mean() < -1.0


def test_known_frames_keep_to_their_straight_line(task):
    clip = jax.random.uniform(jax.random.key(0), (2, *task.video_shape))
    noise = jax.random.normal(jax.random.key(1), clip.shape)
    condition = dataclasses.replace(
        told(task, 2), context=clip[:, :2], context_mask=jnp.ones((2, 2), bool)
    )
    lost = lambda z, *rest: jnp.full_like(z, 9.0)  # noqa: E731
    average = average_velocity(lost, "x", Flow(0.0, 1.0), condition, None)
    t = jnp.array([0.3, 1.0])
    wide = t[:, None, None, None, None]
    u = average((1.0 - wide) * clip + wide * noise, 0.5 * t, t)
    np.testing.assert_allclose(u[:, :2], (noise - clip)[:, :2], atol=1e-5)


def test_second_phase_begins_as_what_the_first_has_learned(task):
    config = tiny(pretraining=0.25)
    phases = MeanFlow(config, task).phases()
    shared = {f.name: getattr(config, f.name) for f in dataclasses.fields(DenoisingConfig)}
    before = Diffusion(DiffusionConfig(**shared), task).phases()
    names = [phase.name for phase in phases]
    assert names == [*(p.name for p in before), "meanflow-opening", "meanflow-denoiser"]
    np.testing.assert_allclose(sum(phase.share for phase in phases), 1.0)
    np.testing.assert_allclose(phases[2].share, 0.25 * before[2].share)

    def begin(key):
        earlier: dict = {}
        for phase in before:
            earlier[phase.name] = phase.export(phase.init(key, earlier))
        mine = {phase.name: phase.init(key, earlier).params for phase in phases[1:3]}
        return earlier, mine, phases[-1].init(jax.random.key(9), earlier)

    earlier, mine, state = jax.jit(begin)(jax.random.key(0))
    # The phases before are those of `diffusion`.
    assert jax.tree.all(jax.tree.map(np.array_equal, mine, {name: earlier[name] for name in mine}))
    assert {n for n in state.params if n.startswith("interval")} == (
        state.params.keys() - earlier["denoiser"].keys()
    )
    for name, value in earlier["denoiser"].items():
        np.testing.assert_array_equal(state.params[name], value, err_msg=name)
        np.testing.assert_array_equal(state.ema[name], value, err_msg=name)
    # Whatever the interval, it predicts what the denoiser does.
    stage = Cascade(config, task).clips
    weights = noisy(earlier["denoiser"])
    clip = jax.random.uniform(jax.random.key(1), (2, *task.video_shape))
    t = jnp.array([0.4, 1.0])
    shown = (clip, t, told(task, 2), clip)
    plain = stage.network().bind(weights)(*shown)
    mean = stage.network(interval=True).bind(state.params | weights)(*shown, 0.5 * t)
    np.testing.assert_array_equal(plain, mean)
    assert float(jnp.std(plain)) > 1e-3


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="mixing"):
        MeanFlowConfig(mixing=1.0)
    with pytest.raises(ValueError, match="guidance"):
        MeanFlowConfig(opening_guidance=0.0)
    with pytest.raises(ValueError, match="at least 1"):
        MeanFlowSampler(steps=0)
