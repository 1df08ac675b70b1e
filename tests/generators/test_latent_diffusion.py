"""Diffusion in the latents of a tokenizer: their scale, what reaches a stage, and whole clips."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.contract import Reconstructs
from vidgen.denoising import DenoisingPhase
from vidgen.generators.diffusion import Diffusion, DiffusionConfig, DiffusionSampler
from vidgen.optim import Optimizer
from vidgen.types import Batch, Condition, Images

TOKENIZER = dataclasses.replace(
    DiffusionConfig.tiny().tokenizer, optimizer=Optimizer(kind="adamw", learning_rate=2e-2)
)
CONFIG = dataclasses.replace(DiffusionConfig.tiny(), space="latents", tokenizer=TOKENIZER)
KEY = jax.eval_shape(jax.random.key, 0)


def batch_of(task, count: int, seed: int = 0) -> Batch:
    """Clips of 4 x 4 squares of random grey, with a sentence; the first of them gives its frames."""
    rng = np.random.default_rng(seed)
    cells = (task.height // 4, task.width // 4, task.channels)
    grey = rng.uniform(-0.9, 0.9, (count, task.frames + task.images, *cells)).astype(np.float32)
    video, stills = np.split(grey.repeat(4, axis=2).repeat(4, axis=3), [task.frames], axis=1)
    text = rng.normal(size=(count, task.text_length, task.text_width)).astype(np.float32)
    words = np.ones(text.shape[:2], bool)
    given = np.broadcast_to(np.arange(count)[:, None] < 1, (count, task.context_frames))
    images = None
    if task.images:
        beside = (np.stack([part] * task.images, axis=1) for part in (text, words))
        images = Images(pixels=jnp.asarray(stills), **dict(zip(("text", "text_mask"), beside)))
    context = video[:, : task.context_frames]
    return Batch(
        video=jnp.asarray(video), condition=Condition.of(text, words, context, given), images=images
    )


@pytest.fixture(scope="module")
def diffusion(task):
    return Diffusion(CONFIG, task)


@pytest.fixture(scope="module")
def tokenizer(diffusion, task):
    """The tokenizer's phase, what it exports after some steps on ever new clips, and its losses."""
    phase = diffusion.phases()[0]
    state, step = jax.jit(phase.init)(jax.random.key(0), {}), jax.jit(phase.step)
    losses = []
    for i in range(300):
        batch = batch_of(task, phase.batch_size, seed=i)
        state, metrics = step(state, batch, jax.random.key(i), jnp.float32(i / 300))
        losses.append(float(metrics["loss"]))
    return phase, phase.export(state), losses


def test_latents_are_standardised_and_rebuild_clips_that_training_did_not_see(
    diffusion, tokenizer, task
):
    phase, exported, losses = tokenizer
    assert np.mean(losses[-20:]) < 0.3 * losses[0]
    video = batch_of(task, 64, seed=1000).video
    through = lambda video: (  # noqa: E731
        phase.tokenizer.encode(exported, video),
        diffusion.reconstruct({phase.name: exported}, video),
    )
    latents, rebuilt = jax.jit(through)(video)
    # Of 64 clips, by averaged weights, where the last hundred steps told two each, by newer ones.
    np.testing.assert_allclose(latents.mean(axis=(0, 1, 2, 3)), 0.0, atol=0.1)
    np.testing.assert_allclose(latents.std(axis=(0, 1, 2, 3)), 1.0, atol=0.1)
    # The encoder gave them another scale.
    assert float(jnp.abs(exported["moments.deviation"] - 1.0).min()) > 0.1
    assert float(jnp.square(rebuilt - video).mean()) < 0.3 * float(video.var())
    assert isinstance(diffusion, Reconstructs)
    assert not isinstance(Diffusion(DiffusionConfig.tiny(), task), Reconstructs)


def test_a_stage_learns_latents_after_those_that_its_context_decides(
    diffusion, tokenizer, task, random_weights, monkeypatch
):
    phase, exported, _ = tokenizer
    params = random_weights(diffusion) | {phase.name: exported}
    batch = batch_of(task, 2)
    encode = jax.jit(phase.tokenizer.encode)
    latents = np.asarray(encode(exported, batch.video))
    for stage in diffusion.phases()[2:]:
        assert isinstance(stage, DenoisingPhase)
        seen = []
        monkeypatch.setattr(stage, "_loss", lambda _, *told: (seen.append(told), jnp.zeros(()))[1])
        monkeypatch.setattr(stage, "_updated", lambda state, *_: (state, {}))
        state = jax.eval_shape(stage.init, KEY, params)
        state = state.replace(rest={name: params[name] for name in state.rest})

        def step(state, batch, stage=stage, seen=seen):
            stage.step(state, batch, jax.random.key(0), jnp.float32(0.5))
            clip, condition, moved, _ = seen.pop()
            return clip, condition.context, condition.context_mask, moved

        state = state.replace(params={"w": jnp.zeros(())}, opt_state=(), ema={}, step=0)
        clip, known, mask, moved = jax.jit(step)(state, batch)
        steps = 1 if stage.name == "opening" else latents.shape[1]
        np.testing.assert_allclose(clip, latents[:, :steps], atol=1e-5)
        assert mask.all()
        if stage.name == "opening":
            assert moved is None
            assert known.shape[1] == 0
        else:
            np.testing.assert_allclose(known, latents[:, :1], atol=1e-5)
            # What is shown begins with the same, and goes on as the motion says.
            np.testing.assert_allclose(moved[:, :1], latents[:, :1], atol=1e-5)
            assert np.abs(moved - latents)[:, 1:].max() > 0.1


def test_clips_begin_with_the_frames_that_are_given_and_go_on_from_them(
    diffusion, task, random_weights
):
    params = random_weights(diffusion)
    condition = batch_of(task, 3).condition
    keys = jax.random.split(jax.random.key(1), 3)

    @jax.jit
    def sample(params, condition, keys):
        return diffusion.sample(params, condition, keys, DiffusionSampler(steps=2))

    video = sample(params, condition, keys)
    assert video.shape == (3, *task.video_shape)
    assert np.abs(video).max() <= 1.0
    np.testing.assert_array_equal(video[0, :1], condition.context[0])

    def moved(other):
        return np.abs(other - video).max(axis=(2, 3, 4)) > 1e-4

    given, every, none = [False, True, True, True], [True] * 4, [False] * 4
    # A clip hangs on its own key alone, and that of a given frame only after it.
    other = sample(params, condition, keys.at[:2].set(keys[1:]))
    np.testing.assert_array_equal(moved(other), [given, every, none])
    # Another given frame changes all that follows, another opening all that was not given one.
    frame = dataclasses.replace(condition, context=condition.context.at[0].multiply(-1.0))
    np.testing.assert_array_equal(moved(sample(params, frame, keys)), [every, none, none])
    opening = {name: 0.5 * leaf for name, leaf in params["opening"].items()}
    other = sample(params | {"opening": opening}, condition, keys)
    np.testing.assert_array_equal(moved(other), [none, every, every])


@pytest.mark.parametrize(
    ("kind", "context", "images"), [("hybrid", 3, 0), ("unet", 2, 2), ("dit", 0, 2)]
)
def test_every_network_and_any_context_fit_latents(task, kind, context, images):
    """Traced and not compiled: shapes are what could go wrong. An opening of two frames has latents
    that hold a third.
    """
    task = dataclasses.replace(task, context_frames=context, images=images)
    config = dataclasses.replace(CONFIG, network=kind, joint_images=images > 0)
    diffusion, params = Diffusion(config, task), {}
    for phase in diffusion.phases():
        state = jax.eval_shape(phase.init, KEY, params)
        batch = batch_of(task, phase.batch_size)
        if phase.name != "motion":
            after, _ = jax.eval_shape(phase.step, state, batch, KEY, jnp.float32(0.5))
            assert jax.tree.map(jnp.shape, state) == jax.tree.map(jnp.shape, after)
        params[phase.name] = jax.eval_shape(phase.export, state)
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 2))
    video = jax.eval_shape(diffusion.sample, params, batch_of(task, 2).condition, keys)
    assert video.shape == (2, *task.video_shape)


def test_patches_are_stated_in_pixels_and_shares_of_what_the_tokenizer_leaves(task):
    clips = Diffusion(CONFIG, task)._cascade.clips
    assert CONFIG.tokenizer.code_patch == (2, 4, 4)
    assert clips.drawn.video_shape == (3, 4, 4, 2)
    sizes = clips.config
    assert (sizes.patch, sizes.merge) == (1, (1, 2, 2))
    assert (sizes.unet.patch, sizes.dit.patch, sizes.dit.temporal_patch) == (1, 1, 1)
    shares = {phase.name: phase.share for phase in Diffusion(CONFIG, task).phases()}
    assert shares["tokenizer"] == CONFIG.tokenizer_share
    assert shares["opening"] == pytest.approx(0.8 * CONFIG.opening_share)
    with pytest.raises(ValueError, match="tokenizer_share"):
        dataclasses.replace(CONFIG, tokenizer_share=1.0)
    with pytest.raises(ValueError, match="space must be one of"):
        dataclasses.replace(CONFIG, space="words")
