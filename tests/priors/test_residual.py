"""Codes of what motion compensation leaves of a clip."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.contract import TrainState
from vidgen.generators.autoregressive import Autoregressive, AutoregressiveConfig
from vidgen.generators.masked import Masked, MaskedConfig
from vidgen.nn import codes_of
from vidgen.priors import Expectation
from vidgen.tokenizers import AdversarialLoss
from vidgen.types import Batch, Condition, Task

TASK = Task(frames=4, height=8, width=12, channels=1, text_length=3, text_width=4)
B = 2


def shaken(value):
    return value + 0.2 * jax.random.normal(jax.random.key(value.size), value.shape)


@pytest.fixture(scope="module")
def generator():
    return Autoregressive(dataclasses.replace(AutoregressiveConfig.tiny(), residual=True), TASK)


@pytest.fixture(scope="module")
def params(generator):
    motion, tokenizer, prior = generator.phases()

    @jax.jit
    def drawn():
        weights = {
            motion.name: motion.network.init(jax.random.key(2)),
            tokenizer.name: tokenizer.tokenizer.init(jax.random.key(0)),
            prior.name: prior.network.init(jax.random.key(1)),
        }
        return jax.tree.map(shaken, weights)

    return drawn()


@pytest.fixture(scope="module")
def batch():
    key = jax.random.key(5)
    video = 0.5 * jnp.tanh(jax.random.normal(key, (B, *TASK.video_shape)))
    text = jax.random.normal(key, (B, 3, 4))
    given = jnp.array([[True], [False]])
    return Batch(video=video, condition=Condition.of(text, jnp.ones((B, 3)), video[:, :1], given))


@pytest.fixture(scope="module")
def expectation(generator):
    motion, tokenizer, _ = generator.phases()
    return Expectation(tokenizer.tokenizer, motion.network, 1, residual=True)


def test_phases_come_in_the_order_in_which_they_need_each_other(generator):
    assert [phase.name for phase in generator.phases()] == ["motion", "tokenizer", "prior"]
    plain = Autoregressive(AutoregressiveConfig.tiny(), TASK)
    assert [phase.name for phase in plain.phases()] == ["tokenizer", "motion", "prior"]


def test_what_is_left_is_put_back(expectation, params, batch):
    moved = jax.jit(expectation.moved)(params, batch.video[:, :1], batch.condition)
    left = expectation.left(batch.video, moved)
    np.testing.assert_array_equal(left[:, 0], batch.video[:, 0])
    np.testing.assert_allclose(left[:, 1:], batch.video[:, 1:] - moved[:, 1:], atol=1e-6)
    np.testing.assert_allclose(expectation.whole(left, moved), batch.video, atol=1e-6)
    np.testing.assert_array_equal(expectation.left(batch.video[:, :1], moved), left[:, :1])


def test_a_prior_is_told_the_moved_pixels_beside_the_code_of_nothing(
    generator, expectation, params, batch
):
    tokenizer = generator.phases()[1].tokenizer

    @jax.jit
    def both(first):
        moved = expectation.moved(params, first, batch.condition)
        return expectation.told(params, moved), moved

    told, moved = both(batch.video[:, :1])
    vector = tokenizer.config.quantizer.width
    t, h, w = tokenizer.grid
    pixels = told[..., vector:].reshape(B, t, h, w, *tokenizer.config.code_patch)
    # Patches are of two frames and 4x4 pixels; the first is of the first frame twice. Below the
    # 8 rows and right of the 12 columns there is nothing.
    for step, frames in enumerate([(0, 0), (1, 2), (3, 3)]):
        for place, frame in enumerate(frames):
            shown = pixels[:, step, :, :, place].transpose(0, 1, 3, 2, 4).reshape(B, 8, 12)
            np.testing.assert_allclose(shown, moved[:, frame, ..., 0], atol=1e-6)
    # The vectors are those of later frames that are as expected, whatever these are.
    again = jax.jit(tokenizer.encode)(
        params["tokenizer"], jnp.concatenate([moved[:, :1], 0.0 * moved[:, 1:]], axis=1)
    )
    values = tokenizer.config.quantizer.values({}, again).reshape(B, -1, vector)
    np.testing.assert_allclose(told[..., :vector], values, atol=1e-6)


def test_the_tokenizer_learns_what_is_left_and_leaves_the_motion_alone(
    generator, expectation, params, batch, monkeypatch
):
    _, phase, _ = generator.phases()
    state = jax.jit(lambda: phase.init(jax.random.key(0), params))()
    assert set(state.rest) >= {"motion", "codebook"}
    monkeypatch.setattr(phase, "_drop_text", 0.0)

    @jax.jit
    def both(state):
        after, metrics = phase.step(state, batch, jax.random.key(1), jnp.float32(0.0))
        # Of the clip without a given frame the motion moves what the tokenizer makes of it.
        tokenizer, weights = phase.tokenizer, state.params
        shown = tokenizer.decode(weights, tokenizer.encode(weights, batch.video[:, :1]))
        first = jnp.concatenate([batch.video[:1, :1], jnp.clip(shown[1:, :1], -1.0, 1.0)])
        left = expectation.left(batch.video, expectation.moved(params, first, batch.condition))
        back = tokenizer.decode(weights, tokenizer.encode(weights, left))
        return after, metrics["reconstruction"], jnp.square(back - left).mean()

    after, reconstruction, expected = both(state)
    np.testing.assert_allclose(reconstruction, expected, rtol=1e-4)
    for name, value in after.rest["motion"].items():
        np.testing.assert_array_equal(value, params["motion"][name])


@pytest.mark.parametrize(
    ("kind", "config"), [(Autoregressive, AutoregressiveConfig), (Masked, MaskedConfig)]
)
def test_clips_are_what_their_codes_leave_and_what_was_expected(
    kind, config, params, batch, expectation
):
    """With codes that are those of the real clips."""
    generator = kind(dataclasses.replace(config.tiny(), residual=True), TASK)
    tokenizer = generator.phases()[1].tokenizer

    @jax.jit
    def run(keys):
        codes, _ = generator._codec.codes(params, batch.video, batch.condition)
        generator._draw = lambda *_, **__: codes
        drawn = generator.sample(
            params | {"prior": generator.phases()[2].network.init(jax.random.key(0))},
            batch.condition,
            keys,
        )
        left = tokenizer.decode(params["tokenizer"], codes.reshape(B, *tokenizer.grid))
        # One frame is given; the other is the tokenizer's, and moves as such.
        first = jnp.concatenate([batch.video[:1, :1], jnp.clip(left[1:, :1], -1.0, 1.0)])
        moved = expectation.moved(params, first, batch.condition)
        back = generator.reconstruct(params, batch.video, batch.condition)
        return drawn, back, jnp.clip(expectation.whole(left, moved), -1.0, 1.0)

    drawn, back, whole = run(jax.random.split(jax.random.key(0), B))
    np.testing.assert_array_equal(drawn[0, 0], batch.video[0, 0])
    np.testing.assert_allclose(drawn[0, 1:], whole[0, 1:], atol=1e-5)
    np.testing.assert_allclose(drawn[1], whole[1], atol=1e-5)
    # The ceiling is what becomes of the true codes.
    np.testing.assert_allclose(back[0, 1:], drawn[0, 1:], atol=1e-5)
    np.testing.assert_allclose(back[1], drawn[1], atol=1e-5)


@pytest.mark.parametrize("frames", [1, 2])
def test_a_prior_learns_codes_of_what_is_left_whatever_is_hidden_from_it(params, batch, frames):
    """Those of openings beyond the clips that are learned to their end among them."""
    tiny = AutoregressiveConfig.tiny()
    prior = dataclasses.replace(tiny.prior, continued=1)
    task = dataclasses.replace(TASK, context_frames=frames)
    generator = Autoregressive(dataclasses.replace(tiny, prior=prior, residual=True), task)
    motion, tokenizer, phase = generator.phases()
    given = jnp.broadcast_to(batch.condition.context_mask, (B, frames))
    told = Condition.of(
        batch.condition.text, batch.condition.text_mask, batch.video[:, :frames], given
    )

    @jax.jit
    def both():
        frozen = {
            "motion": jax.tree.map(shaken, motion.network.init(jax.random.key(2))),
            "tokenizer": params["tokenizer"],
        }
        state = TrainState.create({}, (), rest=frozen)
        silent = told.keep(text=False, context=False)
        learned = phase.learned(state, batch.video, phase.for_motion(told, silent))
        return *learned, *generator._codec.codes(frozen, batch.video, told), frozen

    (_, begun), (_, whole), expected, codes, moved, frozen = both()
    levels = tokenizer.tokenizer.config.quantizer.levels
    np.testing.assert_array_equal(codes_of(whole, levels), codes[:1])
    np.testing.assert_array_equal(codes_of(begun, levels), codes[:, : begun.shape[1]])
    again = jax.jit(phase.expectation.told)(frozen, moved)
    np.testing.assert_allclose(expected, again[:1], atol=1e-5)


def test_guidance_leads_away_from_prompts_that_expect_the_same(generator, params, batch):
    """A code stands for one thing in both of its passes."""
    silent = batch.condition.keep(text=False, context=False)
    codec = generator._codec

    @jax.jit
    def expected():
        codes, _ = codec.codes(params, batch.video, batch.condition)
        opening = codes[:, : codec.expectation.opening]
        doubled = batch.condition.beside(silent)
        return (
            codec.expected(params, batch.condition, doubled, opening),
            codec.expected(params, batch.condition, batch.condition, opening),
        )

    both, one = expected()
    np.testing.assert_allclose(both, jnp.concatenate([one, one]), atol=1e-6)


def test_networks_that_know_pictures_are_refused():
    config = AutoregressiveConfig.tiny()
    looked = dataclasses.replace(config.tokenizer, adversarial=AdversarialLoss())
    with pytest.raises(ValueError, match="residual"):
        dataclasses.replace(config, tokenizer=looked, residual=True)
