"""Diffusion: the two paths, their samplers with a perfect network, guidance and the denoiser."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.generators.diffusion import Diffusion, DiffusionConfig, DiffusionSampler
from vidgen.generators.diffusion.denoiser import _merge, _unmerge
from vidgen.generators.diffusion.process import Flow, Gaussian, process_of
from vidgen.generators.diffusion.sampling import draw, guided
from vidgen.types import Condition

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
    ],
)
def test_samplers_with_a_perfect_network_find_the_clip(process, method, task, clip):
    def perfect(x, t, condition):
        wide, target = t[:, None, None, None, None], jnp.concatenate([clip, clip])
        a, b = process.level(wide)
        noise = (x - a * target) / jnp.maximum(b, 1e-3)
        return process.target(target, noise, wide)

    keys = jax.random.split(jax.random.key(2), 2)
    sampler = DiffusionSampler(method=method, steps=8, guidance=2.0)
    condition = prompts(task)
    video = draw(perfect, process, task, condition, keys, sampler)
    np.testing.assert_allclose(video[:, 1:], clip[:, 1:], atol=2e-3)
    np.testing.assert_array_equal(video[0, :1], condition.context[0])
    np.testing.assert_allclose(video[1, :1], clip[1, :1], atol=2e-3)


def test_ancestral_steps_add_noise_of_the_clips_own_key(task):
    def silent(x, t, condition):
        return jnp.zeros_like(x)

    keys = jax.random.split(jax.random.key(2), 2)
    told = prompts(task)
    sampler = DiffusionSampler(method="ddpm", steps=3)
    both = draw(silent, PATHS[1], task, told, keys, sampler)
    swapped = draw(silent, PATHS[1], task, told, keys[::-1], sampler)
    np.testing.assert_allclose(both[1, 1:], swapped[0, 1:], atol=1e-6)
    assert not np.allclose(both[0, 1:], both[1, 1:])


def test_a_method_of_the_other_path_is_refused(task):
    keys = jax.random.split(jax.random.key(2), 2)
    with pytest.raises(ValueError, match="walked by"):
        draw(lambda *a: a[0], PATHS[0], task, prompts(task), keys, DiffusionSampler(method="ddpm"))


def test_guidance_weighs_the_sentence_and_keeps_the_frame(task, clip):
    def network(x, t, condition):
        said = condition.text.mean(axis=(1, 2)) + 10.0 * condition.context_mask[:, 0]
        return jnp.broadcast_to(said[:, None, None, None, None], x.shape)

    velocity = guided(network, prompts(task), jnp.float32(3.0))(clip, jnp.ones(2))
    np.testing.assert_allclose(velocity[:, 0, 0, 0, 0], [13.0, 3.0], rtol=1e-5)


def test_merge_is_undone(clip):
    merged = _merge(clip, (2, 4, 4))
    assert merged.shape == (2, 2, 4, 4, 32)
    np.testing.assert_array_equal(_unmerge(merged, (2, 4, 4)), clip)
    np.testing.assert_array_equal(merged[0, 0, 0, 0, :4], clip[0, 0, 0, :4, 0])


@pytest.mark.parametrize("prediction", ["velocity", "x"])
@pytest.mark.parametrize("process", ["flow", "gaussian"])
def test_loss_of_a_zero_network_is_the_power_of_the_target(task, clip, process, prediction):
    """The head starts at zero, so the first loss is known in closed form."""
    config = dataclasses.replace(
        DiffusionConfig.tiny(), process=process, prediction=prediction, attention="factorised"
    )
    from vidgen.types import Batch

    (phase,) = Diffusion(config, task).phases()
    state = jax.eval_shape(phase.init, jax.random.key(0), {})
    params = {name: jnp.zeros(leaf.shape) for name, leaf in state.params.items()}
    key, condition = jax.random.key(3), prompts(task)
    loss = phase._loss(params, Batch(video=clip, condition=condition), key)
    for_time, for_noise, for_drop = jax.random.split(key, 3)
    path = process_of(config)
    t = path.draw(for_time, 2)[:, None, None, None, None]
    noise = jax.random.normal(for_noise, clip.shape)
    a, b = path.level(t)
    answer = jnp.zeros_like(clip)
    if prediction == "x":
        answer = path.velocity(a * clip + b * noise, answer, t)
    error = np.asarray(jnp.square(answer - path.target(clip, noise, t)).mean(axis=(2, 3, 4)))
    dropped = condition.drop(for_drop, text=config.drop_text, both=config.drop_both)
    asked = np.ones((2, task.frames), bool)
    asked[:, :1] = ~np.asarray(dropped.context_mask)
    np.testing.assert_allclose(loss, error[asked].mean(), rtol=1e-4)


def test_what_cannot_be_is_refused(task):
    with pytest.raises(Exception, match="process"):
        DiffusionConfig(process="wavelet")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1"):
        DiffusionSampler(steps=0)
    with pytest.raises(ValueError, match="height in multiples of 4"):
        Diffusion(DiffusionConfig(), dataclasses.replace(task, height=18))
