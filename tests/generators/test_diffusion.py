"""Diffusion: the two paths, their samplers with a perfect network, guidance and the denoiser."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vidgen import nn
from vidgen.contract import TrainState
from vidgen.denoising import Flow, Gaussian
from vidgen.denoising.hybrid import ConvBlock, Hybrid, TimeMixing
from vidgen.generators.diffusion import Diffusion, DiffusionConfig, DiffusionSampler
from vidgen.generators.diffusion.config import process_of
from vidgen.generators.diffusion.sampling import draw, guided
from vidgen.types import Batch, Condition

PATHS = [Flow(1.4, 1.2), Gaussian("cosine", 1000), Gaussian("linear", 1000)]


def prompts(task, count: int = 2) -> Condition:
    text = jnp.ones((count, task.text_length, task.text_width))
    context = jnp.full((count, *task.context_shape), 0.25)
    given = jnp.arange(count)[:, None] < 1
    return Condition.of(text, jnp.ones(text.shape[:2], bool), context, given)


@pytest.fixture(scope="module")
def clip(task):
    return jax.random.uniform(jax.random.key(0), (2, *task.video_shape), minval=-0.9, maxval=0.9)


@pytest.mark.parametrize("process", PATHS, ids=["flow", "cosine", "linear"])
def test_velocity_holds_clip_and_noise(process, clip):
    noise = jax.random.normal(jax.random.key(1), clip.shape)
    for t in (0.2, 0.7, 1.0):
        t = jnp.full((1,) * 5, t)
        a, b = process.level(t)
        x = a * clip + b * noise
        velocity = process.target(clip, noise, t)
        np.testing.assert_allclose(process.velocity(x, clip, t), velocity, atol=2e-2)
        for part, whole in zip(process.split(x, velocity, t), (clip, noise), strict=True):
            np.testing.assert_allclose(part, whole, atol=1e-4)


@pytest.mark.parametrize("process", PATHS, ids=["flow", "cosine", "linear"])
def test_path_runs_from_clip_to_noise(process):
    a, b = process.level(jnp.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose([a[0], b[0], b[2]], [1, 0, 1], atol=1e-2)
    assert a[0] > a[1] > a[2]
    if isinstance(process, Gaussian):
        np.testing.assert_allclose(a**2 + b**2, 1.0, rtol=1e-5)


def test_training_times_are_spread_as_said():
    times = Flow(1.4, 1.2).draw(jax.random.key(0), 4096)
    logits = np.log(times / (1.0 - times))
    np.testing.assert_allclose([logits.mean(), logits.std()], [1.4, 1.2], atol=0.02)
    discrete = Gaussian("cosine", 50).draw(jax.random.key(0), 4096) * 50
    np.testing.assert_allclose(discrete, np.rint(discrete), atol=1e-4)
    assert set(np.rint(discrete).astype(int)) == set(range(1, 51))


@pytest.mark.parametrize(
    ("process", "method"),
    [
        (PATHS[0], "euler"),
        (PATHS[0], "heun"),
        (PATHS[1], "ddim"),
        (PATHS[1], "ddpm"),
        (PATHS[2], "ddpm"),
        (PATHS[0], "dpmpp_2m"),
        (PATHS[2], "dpmpp_2m"),
    ],
)
def test_samplers_with_a_perfect_network_find_the_clip(process, method, task, clip):
    def perfect(x, t):
        wide, target = t[:, None, None, None, None], jnp.concatenate([clip, clip])
        a, b = process.level(wide)
        noise = (x - a * target) / jnp.maximum(b, 1e-3)
        return process.target(target, noise, wide)

    keys = jax.random.split(jax.random.key(2), 2)
    sampler = DiffusionSampler(method=method, steps=8, guidance=2.0)
    condition = prompts(task)
    video = draw(lambda _: perfect, process, task.video_shape, condition, keys, sampler)
    np.testing.assert_allclose(video[:, 1:], clip[:, 1:], atol=2e-3)
    np.testing.assert_array_equal(video[0, :1], condition.context[0])
    np.testing.assert_allclose(video[1, :1], clip[1, :1], atol=2e-3)


def test_ancestral_steps_add_noise_of_the_clips_own_key(task):
    def silent(condition):
        return lambda x, t: jnp.zeros_like(x)

    keys = jax.random.split(jax.random.key(2), 2)
    told = prompts(task)
    sampler = DiffusionSampler(method="ddpm", steps=3)
    both = draw(silent, PATHS[1], task.video_shape, told, keys, sampler)
    swapped = draw(silent, PATHS[1], task.video_shape, told, keys[::-1], sampler)
    np.testing.assert_allclose(both[1, 1:], swapped[0, 1:], atol=1e-6)
    assert not np.allclose(both[0, 1:], both[1, 1:])


def test_a_method_of_the_other_path_is_refused(task):
    keys = jax.random.split(jax.random.key(2), 2)
    sampler = DiffusionSampler(method="ddpm")
    with pytest.raises(ValueError, match="walked by"):
        draw(lambda _: jnp.add, PATHS[0], task.video_shape, prompts(task), keys, sampler)


def test_guidance_weighs_the_sentence_and_keeps_the_frame(task, clip):
    def told(condition):
        said = condition.text.mean(axis=(1, 2)) + 10.0 * condition.context_mask[:, 0]
        return lambda x, t: jnp.broadcast_to(said[:, None, None, None, None], x.shape)

    velocity = guided(told, prompts(task), jnp.float32(3.0))(clip, jnp.ones(2))
    np.testing.assert_allclose(velocity[:, 0, 0, 0, 0], [13.0, 3.0], rtol=1e-5)


def shaken(weights):
    """Random weights everywhere: what starts at zero would hide what it does."""
    keys = jax.random.split(jax.random.key(7), len(weights))
    return {
        name: value + 0.2 * jax.random.normal(key, value.shape)
        for key, (name, value) in zip(keys, sorted(weights.items()), strict=True)
    }


def test_time_mixing_sums_frames_and_nothing_else():
    network = nn.Network(lambda rngs: TimeMixing(3, 2, rngs=rngs))
    weights = network.init(jax.random.key(0))
    mixing = network.bind(weights)
    x = jax.random.normal(jax.random.key(1), (2, 3, 4, 5, 6))
    moved = np.abs(mixing(x.at[1, 2, 3, 1, 4].add(1.0)) - mixing(x)) > 1e-6
    # One cell and one feature of it, in all frames.
    expected = np.zeros(x.shape, bool)
    expected[1, :, 3, 1, 4] = True
    np.testing.assert_array_equal(moved, expected)

    # The first half of the features backwards in time, the second the mean of all frames.
    told = jnp.stack([jnp.eye(3)[::-1], jnp.full((3, 3), 1 / 3)])
    y = network.bind({"mixing": told})(x)
    np.testing.assert_allclose(y[..., :3], x[:, ::-1, ..., :3], atol=1e-6)
    mean = jnp.broadcast_to(x[..., 3:].mean(axis=1, keepdims=True), (2, 3, 4, 5, 3))
    np.testing.assert_allclose(y[..., 3:], mean, atol=1e-6)


def test_a_block_steers_each_frame_by_itself_and_begins_as_the_identity():
    network = nn.Network(lambda rngs: ConvBlock(6, 3, 4, rngs=rngs))
    fresh = network.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (2, 4, 3, 3, 6))
    steer = jax.random.normal(jax.random.key(2), (2, 4, 3))
    np.testing.assert_array_equal(network.bind(fresh)(x, steer), x)
    # Were frames not mixed, another vector for one of them would reach it alone.
    mixing = jnp.broadcast_to(jnp.eye(4)[None], fresh["time.mixing"].shape)
    block = network.bind(shaken(fresh) | {"time.mixing": mixing})
    moved = np.abs(block(x, steer.at[:, 2].add(1.0)) - block(x, steer)).max(axis=(0, 2, 3, 4))
    np.testing.assert_array_equal(moved > 1e-4, [False, False, True, False])
    assert ConvBlock(6, 3, 1, rngs=nnx.Rngs(0)).time is None


def _frames_apart(weights, frames):
    """The weights, but for all that carries anything from one frame to another."""
    apart = {name: jnp.zeros_like(weights[name]) for name in ("up.kernel", "up.bias")}
    for name in ("into.0.time.mixing", "out.0.time.mixing"):
        apart[name] = jnp.broadcast_to(jnp.eye(frames)[None], weights[name].shape)
    return weights | apart


@pytest.fixture(scope="module")
def frame_by_frame(task, clip):
    """What a tiny denoiser of random weights, with no mixing of frames and nothing from the middle,
    makes of clips: in it a frame is what is shown, told and steered in its place.
    """
    network = nn.Network(lambda rngs: Hybrid(DiffusionConfig.tiny(), task, rngs=rngs))
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    lots = np.random.default_rng(7)
    weights = {
        name: jnp.asarray(lots.normal(scale=0.3, size=shape.shape), jnp.float32)
        for name, shape in sorted(shapes.items())
    }
    weights = _frames_apart(weights, task.frames)
    told = {"weights": weights, "x": clip, "t": jnp.array([0.3, 0.8]), "moved": clip}
    predict = jax.jit(
        lambda weights, x, t, moved: network.bind(weights)(x, t, prompts(task), moved)
    )
    return told, lambda **changes: np.asarray(predict(**told | changes))


def test_a_frame_is_shown_what_moved_and_told_its_level_and_place_by_itself(frame_by_frame, task):
    told, predict = frame_by_frame
    before = predict()
    each = jnp.tile(told["t"][:, None], (1, task.frames))
    np.testing.assert_allclose(predict(t=each), before, atol=1e-5)
    weights = told["weights"]
    steered = weights | {"frame_embed": weights["frame_embed"].at[2].add(1.0)}
    both, one = [False, False, True, False], [False] * 4
    for changes, expected in (
        ({"moved": told["moved"].at[0, 2].add(1.0)}, [both, one]),
        ({"t": each.at[1, 2].set(0.1)}, [one, both]),
        ({"weights": steered}, [both, both]),
    ):
        moved = np.abs(predict(**changes) - before).max(axis=(2, 3, 4)) > 1e-4
        np.testing.assert_array_equal(moved, expected, err_msg=str(list(changes)))
    # The same pictures in other places are told apart.
    still = jnp.repeat(told["x"][:, :1], task.frames, axis=1)
    shown = predict(x=still, moved=still)
    assert np.abs(shown[:, 2] - shown[:, 3]).max() > 1e-3


@pytest.mark.parametrize("count", [0, 2])
def test_clips_go_on_from_any_number_of_frames_given_or_drawn(task, random_weights, count):
    task = dataclasses.replace(task, context_frames=count)
    diffusion = Diffusion(DiffusionConfig.tiny(), task)
    motion, opening, denoiser = (phase.name for phase in diffusion.phases())
    assert (motion, opening, denoiser) == ("motion", "opening", "denoiser")
    context = jnp.full((2, *task.context_shape), 0.25)
    given = jnp.broadcast_to(jnp.array([[True], [False]]), (2, count))
    text = jnp.ones((2, task.text_length, task.text_width))
    condition = Condition.of(text, jnp.ones(text.shape[:2]), context, given)

    params = random_weights(diffusion)

    @jax.jit
    def sample(condition, scale):
        scaled = params | {opening: jax.tree.map(lambda leaf: scale * leaf, params[opening])}
        keys = jax.random.split(jax.random.key(1), 2)
        return diffusion.sample(scaled, condition, keys, DiffusionSampler(steps=1))

    video = sample(condition, 1.0)
    assert video.shape == (2, *task.video_shape)
    np.testing.assert_array_equal(video[0, :count], context[0])
    # Another opening changes everything, but where the first frames are given.
    moved = np.abs(sample(condition, 0.5) - video).max(axis=(2, 3, 4)) > 1e-4
    np.testing.assert_array_equal(moved, [[not count] * task.frames, [True] * task.frames])
    if count:
        # What is asked for hangs on the last given frame, in every later one.
        other = dataclasses.replace(condition, context=condition.context.at[0, -1].set(-0.5))
        moved = np.abs(sample(other, 1.0) - video).max(axis=(2, 3, 4)) > 1e-4
        np.testing.assert_array_equal(moved, [[False, True, True, True], [False] * 4])


def test_loss_of_a_zero_network_is_the_power_of_the_target(task, clip):
    """The head starts at zero, so the first loss is known in closed form."""
    config = dataclasses.replace(DiffusionConfig.tiny(), attention="factorised")
    _, _, phase = Diffusion(config, task).phases()
    params = jax.eval_shape(phase._network.init, jax.random.key(0))
    params = {name: np.zeros(leaf.shape, np.float32) for name, leaf in params.items()}
    key = jax.random.key(3)
    told = prompts(task)
    drawn = phase._drawn(key, clip, told)
    loss = jax.jit(phase._loss)(params, clip, told, clip, *drawn)
    for_time, for_noise = jax.random.split(key)
    path = process_of(config, task)
    t = path.draw(for_time, 2)[:, None, None, None, None]
    noise = jax.random.normal(for_noise, clip.shape)
    a, b = path.level(t)
    answer = path.velocity(a * clip + b * noise, jnp.zeros_like(clip), t)
    error = np.asarray(jnp.square(answer - path.target(clip, noise, t)))
    np.testing.assert_allclose(loss, error[:, 1:].mean(), rtol=1e-4)


def test_training_hides_the_sentence_of_some_clips_and_no_first_frame(task, monkeypatch):
    count, config = 400, dataclasses.replace(DiffusionConfig.tiny(), drop_text=0.3)
    phase = Diffusion(config, task).phases()[1]
    told = prompts(task, count)
    told = dataclasses.replace(told, context_mask=jnp.ones_like(told.context_mask))
    batch = Batch(video=jnp.zeros((count, *task.video_shape)), condition=told)
    monkeypatch.setattr(phase, "_view", lambda batch: (batch.video, batch.condition))
    seen = []

    def loss(params, clip, condition, moved, *drawn):
        seen.append(condition)
        return jnp.square(params["w"]).sum()

    monkeypatch.setattr(phase, "_loss", loss)
    params = {"w": jnp.ones(2)}
    state = TrainState.create(params, config.optimizer.init(params))
    phase.step(state, batch, jax.random.key(0), jnp.float32(0.5))
    (condition,) = seen
    hidden = ~np.asarray(condition.text_mask).any(axis=1)
    # Four standard errors.
    assert abs(hidden.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / count)
    assert not np.asarray(condition.text)[hidden].any()
    np.testing.assert_array_equal(condition.text[~hidden], told.text[~hidden])
    assert condition.context_mask.all()


def test_what_cannot_be_is_refused(task):
    with pytest.raises(Exception, match="process"):
        DiffusionConfig(process="wavelet")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1"):
        DiffusionSampler(steps=0)
    with pytest.raises(ValueError, match="height in multiples of 8"):
        Diffusion(DiffusionConfig(), dataclasses.replace(task, height=18))
