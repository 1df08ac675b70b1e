"""Diffusion forcing: a level of noise for each frame, in training, in a walk and in rollouts."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.contract import RollsOut
from vidgen.denoising import DiTConfig, Flow, Forcing, Gaussian, unopened
from vidgen.generators.diffusion import Diffusion, DiffusionConfig, DiffusionSampler
from vidgen.generators.diffusion.sampling import draw
from vidgen.generators.diffusion.solvers import walk
from vidgen.generators.diffusion.window import Known, staggered
from vidgen.types import Condition

FORCED = dataclasses.replace(DiffusionConfig.tiny(), frame_levels="independent")
PATHS = [Flow(0.0, 1.0), Gaussian("cosine", 1000)]


def prompts(task, count, clip=None):
    """Sentences, and the first frame of each clip."""
    text = jnp.ones((count, task.text_length, task.text_width))
    first = jnp.full((count, *task.context_shape), 0.25) if clip is None else clip[:, :1]
    return Condition.of(text, jnp.ones(text.shape[:2], bool), first, jnp.ones((count, 1), bool))


def test_levels_of_training_are_a_history_and_frames_with_levels_of_their_own():
    forcing, path, count, T = Forcing(history_noise=0.2), Flow(1.6, 1.2), 2000, 4
    levels = jax.jit(lambda key: forcing.draw(path, key, count, T, 1))
    t, learned = jax.tree.map(np.asarray, levels(jax.random.key(0)))
    start = T - learned.sum(axis=1)
    np.testing.assert_array_equal(learned, np.arange(T)[None] >= start[:, None])
    # One frame, two or three, each as often, and half without noise: within four standard errors.
    share = np.bincount(start, minlength=T + 1) / count
    assert np.abs(share[1:T] - 1 / 3).max() < 4 * np.sqrt(2 / 9 / count)
    assert share[[0, T]].sum() == 0.0
    history = t[:, 0]
    np.testing.assert_array_equal(np.where(learned, 0.0, t - history[:, None]), 0.0)
    assert abs((history == 0.0).mean() - 0.5) < 4 * np.sqrt(1 / 4 / count)
    assert 0.0 == history.min() < 0.19 < history.max() <= 0.2
    # Levels are those of the path, and each frame has its own.
    logits = np.log(t[start < T - 1, -2:] / (1.0 - t[start < T - 1, -2:]))
    np.testing.assert_allclose([logits.mean(), logits.std()], [1.6, 1.2], atol=0.1)
    assert abs(np.corrcoef(logits.T)[0, 1]) < 0.1


def test_loss_is_that_of_the_frames_after_the_history(task, monkeypatch):
    phase = Diffusion(dataclasses.replace(FORCED, prediction="velocity"), task).phases()[2]
    seen = []

    def network(params):
        def predict(x, t, condition, moved):
            seen.append((x, t))
            return jnp.zeros_like(x)

        return predict

    monkeypatch.setattr(phase, "_network", SimpleNamespace(bind=network))

    @jax.jit
    def parts(key):
        clip = jax.random.uniform(key, (5, *task.video_shape), minval=-0.9, maxval=0.9)
        told = prompts(task, 5, clip)
        loss = phase._loss({}, clip, told, clip, *phase._drawn(key, clip, told))
        for_time, for_noise = jax.random.split(key)
        _, learned = Forcing(history_noise=0.1).draw(Flow(1.6, 1.2), for_time, 5, task.frames, 1)
        return *seen.pop(), clip, jax.random.normal(for_noise, clip.shape), learned, loss

    x, t, clip, noise, learned, loss = jax.tree.map(np.asarray, parts(jax.random.key(3)))
    at = t[:, :, None, None, None]
    np.testing.assert_allclose(x, (1.0 - at) * clip + at * noise, atol=1e-6)
    assert not learned[:, 1:].all()
    error = np.square(noise - clip).mean(axis=(2, 3, 4))
    np.testing.assert_allclose(loss, np.where(learned, error, 0.0)[:, 1:].mean(), rtol=1e-5)


def test_frames_take_their_steps_one_after_another():
    levels = jnp.array([1.0, 0.4, 0.0])
    np.testing.assert_allclose(staggered(levels, 3, 0), [[1, 1, 1], [0.4, 0.4, 0.4], [0, 0, 0]])
    lagging = [[1, 1, 1], [0.4, 1, 1], [0, 0.4, 1], [0, 0, 0.4], [0, 0, 0]]
    np.testing.assert_allclose(staggered(levels, 3, 1), lagging)
    one_by_one = staggered(levels, 2, 2)
    np.testing.assert_allclose(one_by_one.T, [[1, 0.4, 0, 0, 0], [1, 1, 1, 0.4, 0]])


@pytest.mark.parametrize("process", PATHS, ids=["flow", "gaussian"])
def test_a_frame_walks_alike_at_levels_of_its_own_and_a_held_one_stays(process):
    """Of a network that sees each pixel by itself."""
    noise = jax.random.normal(jax.random.key(0), (2, 4, 2, 2, 1))
    start = noise.at[:, 0].set(0.5)
    levels = 1.0 - (jnp.arange(6) / 5) ** 1.5
    apart = staggered(levels, 3, 2)
    apart = jnp.concatenate([jnp.zeros((len(apart), 1)), apart], axis=1)

    def velocity(x, t):
        wide = t.reshape(*t.shape, *(1,) * (5 - t.ndim))
        return jnp.sin(3.0 * x) - wide * x

    @jax.jit
    def both():
        walked = lambda at, method: walk(velocity, process, start, at, method, lambda n: noise)  # noqa: E731
        return {m: (walked(levels, m), walked(apart, m)) for m in process.methods}

    for method, (together, each) in both().items():
        np.testing.assert_array_equal(each[:, 0], start[:, 0])
        np.testing.assert_allclose(each[:, 1:], together[:, 1:], atol=1e-4, err_msg=method)
        assert float(jnp.abs(each - start)[:, 1:].min()) > 1e-3


@pytest.mark.parametrize("level", [None, 0.3], ids=["clean", "noisy"])
@pytest.mark.parametrize("process", PATHS, ids=["flow", "gaussian"])
def test_a_history_is_shown_as_noisy_as_it_is_said_to_be_and_returned_as_it_came(process, level):
    """Every later frame is to become what the network is shown of the history's last one."""
    seen = []

    def told(condition):
        def velocity(x, t):
            jax.debug.callback(lambda *now: seen.append(now), x, t)
            wide = t[:, :, None, None, None]
            a, b = process.level(wide)
            clip = jnp.broadcast_to(x[:, 1:2], x.shape)
            return process.target(clip, (x - a * clip) / jnp.maximum(b, 1e-3), wide)

        return velocity

    shape, keys = (4, 2, 2, 1), jax.random.split(jax.random.key(0), 2)
    frames = jax.random.uniform(jax.random.key(1), (2, 2, *shape[1:]), minval=-0.5, maxval=0.5)
    none = jnp.zeros((2, 0, *shape[1:]))
    asked = Condition.of(jnp.zeros((2, 1, 1)), jnp.ones((2, 1), bool), none, none[:, :, 0, 0, 0])
    sampler = DiffusionSampler(steps=4, lag=1, guidance=None)
    video = draw(told, process, shape, asked, keys, sampler, Known(frames, level))
    jax.effects_barrier()
    # As many passes as steps, and one more for the second frame to follow the first.
    assert len(seen) == 5
    shown = seen[0][0][:, :2]
    for x, t in seen:
        np.testing.assert_array_equal(x[:, :2], shown)
        np.testing.assert_allclose(t[:, :2], level or 0.0)
    if level is None:
        np.testing.assert_array_equal(shown, frames)
    a, b = process.level(jnp.float32(level or 0.0))
    own = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, 0), shape))(keys)
    np.testing.assert_allclose(shown, a * frames + b * own[:, :2], atol=1e-6)
    np.testing.assert_array_equal(video[:, :2], frames)
    last = np.clip(shown[:, 1:2], -1.0, 1.0)
    np.testing.assert_allclose(video[:, 2:], last.repeat(2, axis=1), atol=2e-3)


def test_a_rollout_begins_with_the_sample_and_goes_on_from_its_opening(task, random_weights):
    generator = Diffusion(FORCED, task)
    motion, opening, denoiser = (phase.name for phase in generator.phases())
    assert (motion, opening, denoiser) == ("motion", "opening", "denoiser")
    told, keys = prompts(task, 2), jax.random.split(jax.random.key(1), 2)
    # The first clip is given its first frame, the second is not.
    given = jnp.array([[True], [False]])
    told = Condition.of(told.text, told.text_mask, told.context, given)
    sampler = DiffusionSampler(
        steps=1, history=2, lag=1, history_noise=0.05, guidance=None, opening_guidance=None
    )

    @jax.jit
    def drawn(params, told):
        longer = generator.rollout(params, told, keys, 7, sampler)
        return generator.sample(params, told, keys, sampler), longer

    params = random_weights(generator)
    sample, video = jax.tree.map(np.asarray, drawn(params, told))
    assert video.shape == (2, 7, *task.video_shape[1:])
    assert np.isfinite(video).all()
    np.testing.assert_allclose(video[:, : task.frames], sample, atol=1e-5)
    np.testing.assert_array_equal(video[0, :1], told.context[0])
    # No frame is a repetition, and no clip one of another.
    assert np.abs(np.diff(video, axis=1)).mean(axis=(2, 3, 4)).min() > 1e-3
    assert np.abs(video[0] - video[1]).mean(axis=(1, 2, 3)).min() > 1e-3
    # By way of two windows, what a clip begins with reaches its last frame, and no other clip.
    other = params | {opening: {name: 0.5 * leaf for name, leaf in params[opening].items()}}
    darker = dataclasses.replace(told, context=told.context.at[0].set(-0.5))
    for changed, reached in ((drawn(other, told), 1), (drawn(params, darker), 0)):
        moved = np.abs(changed[1] - video).max(axis=(2, 3, 4))
        assert moved[reached].min() > 1e-4
        np.testing.assert_array_equal(moved[1 - reached], 0.0)


@pytest.mark.parametrize("told_on", [True, False])
def test_windows_are_told_the_sentence_or_see_alone(task, random_weights, monkeypatch, told_on):
    seen = []

    def drawing(told, process, shape, condition, keys, sampler, known=None):
        history = None if known is None else (known.frames.shape[1], known.level)
        seen.append((bool(np.asarray(condition.text_mask).all()), sampler.guidance, history))
        return jnp.zeros((len(keys), *shape))

    monkeypatch.setattr("vidgen.generators.diffusion.draw", drawing)
    generator = Diffusion(FORCED, task)
    sampler = DiffusionSampler(
        guidance=3.0, opening_guidance=4.0, history_noise=0.05, rollout_text=told_on
    )
    keys = jax.random.split(jax.random.key(0), 2)
    video = generator.rollout(random_weights(generator), prompts(task, 2), keys, 9, sampler)
    assert video.shape == (2, 9, *task.video_shape[1:])
    # The opening, the clip, and the one window that is traced for all the others.
    window = (told_on, 3.0 if told_on else None, (2, 0.05))
    assert seen == [(True, 4.0, None), (True, 3.0, (1, None)), window]


@pytest.mark.parametrize("network", ["unet", "dit"])
def test_other_networks_learn_from_stills_too_and_roll_out(task, network):
    """Traced and not compiled: shapes are what could go wrong."""
    one = dataclasses.replace(FORCED.dit, temporal_patch=1)
    config = dataclasses.replace(FORCED, network=network, joint_images=True, dit=one)
    generator = Diffusion(config, dataclasses.replace(task, images=2))
    motion, opening, clips = generator.phases()
    networks = {"motion": motion.network, "opening": opening._network, "denoiser": clips._network}
    key = jax.random.key(0)
    params = {name: jax.eval_shape(net.init, key) for name, net in networks.items()}
    told, still = prompts(task, 2), jnp.zeros((2, 1, *task.video_shape[1:]))
    alone = unopened(told)
    drawn = clips._drawn(key, still, alone)
    loss = lambda weights: clips._loss(weights, still, alone, None, *drawn)  # noqa: E731
    assert jax.eval_shape(loss, params["denoiser"]).shape == ()
    sampler = DiffusionSampler(guidance=None, opening_guidance=None)
    roll = lambda params, keys: generator.rollout(params, told, keys, 7, sampler)  # noqa: E731
    longer = jax.eval_shape(roll, params, jax.random.split(key, 2))
    assert longer.shape == (2, 7, *task.video_shape[1:])


def test_who_rolls_out_and_what_cannot_be_asked_for(task):
    shared, generator = Diffusion(DiffusionConfig.tiny(), task), Diffusion(FORCED, task)
    assert isinstance(generator, RollsOut)
    assert not isinstance(shared, RollsOut)
    told, keys = prompts(task, 2), jax.random.split(jax.random.key(1), 2)
    with pytest.raises(ValueError, match="a window of 4 frames knows 1 to 3 of them, got 4"):
        generator.rollout({}, told, keys, 7, DiffusionSampler(history=4))
    with pytest.raises(ValueError, match=r"noise up to 0.1, got 0.5: train with a higher"):
        generator.rollout({}, told, keys, 7, DiffusionSampler(history_noise=0.5))
    for asked in ({"lag": 1}, {"history": 2}, {"history_noise": 0.0}, {"rollout_text": False}):
        with pytest.raises(ValueError, match="need frame_levels=independent"):
            shared.sample({}, told, keys, DiffusionSampler(**asked))
    spans = dataclasses.replace(FORCED, network="dit", dit=DiTConfig(temporal_patch=2))
    with pytest.raises(ValueError, match=r"tokens of 2 frames .* choose dit.temporal_patch=1"):
        Diffusion(spans, task)
    with pytest.raises(ValueError, match="a latent is of several frames"):
        dataclasses.replace(FORCED, space="latents")
    with pytest.raises(Exception, match="frame_levels"):
        DiffusionConfig(frame_levels="own")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"history_noise must lie in \[0, 1\], got 1.5"):
        DiffusionConfig(history_noise=1.5)
    for asked, complaint in (
        ({"history": 0}, "history must be at least 1"),
        ({"lag": -1}, "lag must not be negative"),
        ({"history_noise": -0.1}, r"history_noise must lie in \[0, 1\]"),
    ):
        with pytest.raises(ValueError, match=complaint):
            DiffusionSampler(**asked)
