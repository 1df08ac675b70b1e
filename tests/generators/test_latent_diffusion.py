"""Diffusion in the latents of a tokenizer: their scale, what reaches a stage, and whole clips."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.contract import Reconstructs
from vidgen.denoising import Denoiser
from vidgen.generators.diffusion import Diffusion, DiffusionConfig, DiffusionSampler
from vidgen.optim import Optimizer
from vidgen.tokenizers import LatentTokenizerPhase
from vidgen.types import Batch, Condition, Images, Layout

CONFIG = dataclasses.replace(
    DiffusionConfig.tiny(),
    space="latents",
    network="dit",
    joint_images=True,
    tokenizer=dataclasses.replace(
        DiffusionConfig.tiny().tokenizer, optimizer=Optimizer(kind="adamw", learning_rate=2e-2)
    ),
)
GIVEN = 2
"""Frames of an opening: its latents hold a third one, and decide those of the first alone."""


@pytest.fixture(scope="module")
def joint(task):
    """The task with two frames of context, and two single frames beside each clip."""
    return dataclasses.replace(task, context_frames=GIVEN, images=2)


def batch_of(task, count: int, seed: int = 0) -> Batch:
    """Clips of 4 x 4 squares of random grey, with a sentence; the first one gives its frames."""
    rng = np.random.default_rng(seed)
    cells = (task.height // 4, task.width // 4, task.channels)
    grey = rng.uniform(-0.9, 0.9, (count, task.frames + task.images, *cells)).astype(np.float32)
    video, stills = np.split(grey.repeat(4, axis=2).repeat(4, axis=3), [task.frames], axis=1)
    text = rng.normal(size=(count, task.text_length, task.text_width)).astype(np.float32)
    words = np.ones(text.shape[:2], bool)
    given = np.broadcast_to(np.arange(count)[:, None] < 1, (count, task.context_frames))
    images = None
    if task.images:
        said, mask = (np.stack([part] * task.images, axis=1) for part in (text, words))
        images = Images(pixels=jnp.asarray(stills), text=said, text_mask=mask)
    context = video[:, : task.context_frames]
    return Batch(
        video=jnp.asarray(video), condition=Condition.of(text, words, context, given), images=images
    )


def test_the_divergence_is_that_from_the_standard_normal(task):
    config = dataclasses.replace(CONFIG.tokenizer, divergence=0.5)
    phase = LatentTokenizerPhase(config, task, share=0.2)
    mean, variance = np.array([0.5, -2.0]), np.array([0.25, 3.0])
    z = np.broadcast_to(np.concatenate([mean, np.log(variance)]), (2, *phase.tokenizer.grid, 4))
    drawn, charge, told = phase._between({}, jnp.asarray(z, jnp.float32), jax.random.key(0))
    nats = (mean**2 + variance - 1 - np.log(variance)).sum() / 2
    expected = nats * math.prod(phase.tokenizer.grid) / math.prod(task.video_shape)
    np.testing.assert_allclose(told, expected, rtol=1e-5)
    np.testing.assert_allclose(charge, 0.5 * expected, rtol=1e-5)
    # The decoder takes draws, not means.
    apart = (np.asarray(drawn) - mean) / np.sqrt(variance)
    assert abs(apart.std() - 1) < 4 / np.sqrt(2 * apart.size)


@pytest.fixture(scope="module")
def diffusion(joint):
    return Diffusion(CONFIG, joint)


@pytest.fixture(scope="module")
def tokenizer(diffusion, joint):
    """The tokenizer's phase, what it exports after some steps on ever new clips, and its losses."""
    phase = diffusion.phases()[0]
    state, step = jax.jit(phase.init)(jax.random.key(0), {}), jax.jit(phase.step)
    losses = []
    for i in range(200):
        batch = batch_of(joint, phase.batch_size, seed=i)
        state, metrics = step(state, batch, jax.random.key(i), jnp.float32(i / 200))
        losses.append(float(metrics["loss"]))
    return phase, phase.export(state), losses


@pytest.fixture(scope="module")
def params(diffusion, tokenizer, random_weights):
    """Random weights around the tokenizer's, which saturate no pixel."""
    phase, exported, _ = tokenizer
    return random_weights(diffusion) | {phase.name: exported}


def test_latents_are_standardised_and_rebuild_clips_that_training_did_not_see(
    diffusion, tokenizer, joint, task
):
    phase, exported, losses = tokenizer
    assert np.mean(losses[-20:]) < 0.3 * losses[0]
    batch = batch_of(joint, 64, seed=1000)
    video = batch.video
    latents, rebuilt = jax.jit(
        lambda video: (
            phase.tokenizer.encode(exported, video),
            diffusion.reconstruct({phase.name: exported}, video, batch.condition),
        )
    )(video)
    # Of 64 clips, by averaged weights, where the last hundred steps told two each, by newer ones.
    np.testing.assert_allclose(latents.mean(axis=(0, 1, 2, 3)), 0.0, atol=0.1)
    np.testing.assert_allclose(latents.std(axis=(0, 1, 2, 3)), 1.0, atol=0.1)
    # The encoder gave them another scale.
    assert float(jnp.abs(exported["moments.deviation"] - 1.0).min()) > 0.1
    assert float(jnp.square(rebuilt - video).mean()) < 0.3 * float(video.var())
    assert isinstance(diffusion, Reconstructs)
    assert not isinstance(Diffusion(DiffusionConfig.tiny(), task), Reconstructs)


def test_a_stage_learns_latents_after_those_that_its_context_decides(
    diffusion, tokenizer, params, joint, monkeypatch
):
    phase, exported, _ = tokenizer
    batch = batch_of(joint, 2)
    stills = batch.images.pixels.reshape(4, 1, *joint.video_shape[1:])
    encode = jax.jit(phase.tokenizer.encode)
    latents, of_stills = encode(exported, batch.video), encode(exported, stills)
    *_, opening, clips = diffusion.phases()
    seen = []

    def loss(params, clip, condition, moved, *drawn):
        seen.append((clip, condition.context, condition.context_mask, moved))
        return params["w"]

    def told(stage):
        monkeypatch.setattr(stage, "_loss", loss)
        monkeypatch.setattr(stage, "_updated", lambda state, *_: (state, {}))
        monkeypatch.setattr(stage, "_first_weights", lambda *_: {"w": jnp.zeros(())})
        monkeypatch.setattr(stage, "_config", dataclasses.replace(CONFIG, optimizer=Optimizer()))
        state = stage.init(jax.random.key(0), params)
        stage.step(state, batch, jax.random.key(0), jnp.float32(0.5))
        return [seen.pop(0) for _ in range(len(seen))]

    ((clip, known, _, moved),) = jax.jit(lambda: told(opening))()
    # The two steps that hold the two frames, asked for with none.
    np.testing.assert_allclose(clip, latents[:, :2], atol=1e-5)
    assert known.shape[1] == 0
    assert moved is None
    (clip, known, mask, moved), (still, unknown, _, _) = jax.jit(lambda: told(clips))()
    np.testing.assert_allclose(clip, latents, atol=1e-5)
    np.testing.assert_allclose(known, latents[:, :1], atol=1e-5)
    assert mask.all()
    # What is shown begins with the same, and goes on as the motion says.
    np.testing.assert_allclose(moved[:, :1], latents[:, :1], atol=1e-5)
    assert np.abs(moved - latents)[:, 2:].max() > 0.1
    np.testing.assert_allclose(still, of_stills, atol=1e-5)
    assert unknown.shape[1] == 0


def test_clips_begin_with_the_frames_that_are_given_and_go_on_from_them(diffusion, params, joint):
    condition = batch_of(joint, 3).condition
    keys = jax.random.split(jax.random.key(1), 3)

    @jax.jit
    def sample(params, condition, keys):
        return diffusion.sample(params, condition, keys, DiffusionSampler(steps=2))

    video = sample(params, condition, keys)
    assert video.shape == (3, *joint.video_shape)
    assert np.abs(video).max() <= 1.0
    np.testing.assert_array_equal(video[0, :GIVEN], condition.context[0])

    def moved(*other):
        return np.abs(sample(*other) - video).max(axis=(2, 3, 4)) > 1e-4

    given, every, none = [False] * GIVEN + [True] * 2, [True] * 4, [False] * 4
    # A clip hangs on its own key alone, and one whose frames are given only after them.
    other = keys.at[:2].set(keys[1:])
    np.testing.assert_array_equal(moved(params, condition, other), [given, every, none])
    # What follows hangs on the last given frame, which decides no latent of its own.
    frame = dataclasses.replace(condition, context=condition.context.at[0, -1].multiply(-1.0))
    after = [False] * (GIVEN - 1) + [True] * 3
    np.testing.assert_array_equal(moved(params, frame, keys), [after, none, none])
    # A clip whose frames are not given goes on from an opening that is drawn.
    opening = {name: 0.5 * leaf for name, leaf in params["opening"].items()}
    other = moved(params | {"opening": opening}, condition, keys)
    np.testing.assert_array_equal(other.any(axis=1), [False, True, True])


def test_patches_are_stated_in_pixels_and_shares_of_what_the_tokenizer_leaves(diffusion):
    opening, clips = diffusion._cascade.stages
    assert CONFIG.tokenizer.code_patch == (2, 4, 4)
    assert opening.drawn.video_shape == (2, 4, 4, 2)
    assert clips.drawn.video_shape == (3, 4, 4, 2)
    sizes = clips.config
    assert (sizes.patch, sizes.merge) == (1, (1, 2, 2))
    assert (sizes.unet.patch, sizes.dit.patch, sizes.dit.temporal_patch) == (1, 1, 1)
    shares = {phase.name: phase.share for phase in diffusion.phases()}
    assert shares["tokenizer"] == CONFIG.tokenizer_share
    assert shares["opening"] == pytest.approx(0.8 * CONFIG.opening_share)
    with pytest.raises(ValueError, match="tokenizer_share"):
        dataclasses.replace(CONFIG, tokenizer_share=1.0)


def test_other_networks_fit_latents_as_they_are_set(task):
    """The hybrid of the usual size too, whose clips have 5 steps of 8 x 8 latents."""
    usual = dataclasses.replace(task, frames=8, height=32, width=32)
    hybrid = Diffusion(DiffusionConfig(space="latents"), usual)
    assert hybrid._cascade.clips.drawn.video_shape == (5, 8, 8, 6)
    unet = dataclasses.replace(CONFIG, network="unet", joint_images=False)
    assert Diffusion(unet, task)._cascade.clips.drawn.video_shape == (3, 4, 4, 2)


def test_a_layout_is_told_by_the_steps_of_the_latents(task, monkeypatch):
    """In drawing as in learning; what carries the frames before keeps that of every frame."""
    placed = dataclasses.replace(task, objects=1)
    generator = Diffusion(dataclasses.replace(CONFIG, joint_images=False), placed)
    frames = generator._latents.phase.config.code_patch[0]
    assert frames > 1
    boxes = jnp.arange(4.0 * task.frames).reshape(1, task.frames, 1, 4)
    kind = jnp.ones((1, 1, task.text_width))
    layout = Layout.of(boxes, jnp.ones((1, task.frames, 1), bool), kind)
    told = dataclasses.replace(batch_of(task, 1).condition, layout=layout)
    seen, places = [], Denoiser._places

    def watched(self, x, condition):
        seen.append(condition.layout)
        return places(self, x, condition)

    monkeypatch.setattr(Denoiser, "_places", watched)
    latents = jnp.zeros((1, *generator._cascade.clips.drawn.video_shape))
    network = generator._network

    def told_in_drawing():
        weights = network.init(jax.random.key(0))
        generator._velocity(network.bind(weights), told, latents)(latents, jnp.zeros(1))
        return seen.pop()

    drawn, learned = jax.jit(told_in_drawing)(), generator._latents.decided(told, latents).layout
    for found in (drawn, learned):
        assert found.mask.shape == (1, latents.shape[1], 1)
        np.testing.assert_allclose(found.boxes[0, 0], boxes[0, 0])
        np.testing.assert_allclose(found.boxes[0, 1], boxes[0, 1 : 1 + frames].mean(axis=0))
