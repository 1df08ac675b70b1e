"""What a tokenizer may learn by beside the pixels' errors: a discriminator, and LPIPS."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.nn import generator_loss
from vidgen.optim import Optimizer
from vidgen.pretrained import LPIPS, MissingWeightsError
from vidgen.tokenizers import (
    AdversarialLoss,
    PerceptualLoss,
    TokenizerConfig,
    TokenizerPhase,
    perceptual,
)
from vidgen.tokenizers.perceptual import Perceptual
from vidgen.types import Batch, Condition, Task

TASK = Task(frames=5, height=10, width=8, channels=1, text_length=2, text_width=3)
PLAIN = dataclasses.replace(
    TokenizerConfig.tiny(), optimizer=Optimizer(kind="adamw", learning_rate=1e-2)
)
GAME = AdversarialLoss(
    weight=0.5, start=0.5, width=4, optimizer=Optimizer(kind="adamw", learning_rate=2e-2)
)
BEFORE, AFTER = jnp.float32(0.4), jnp.float32(0.6)


def a_batch(task=TASK):
    video = jnp.tanh(jax.random.normal(jax.random.key(3), (2, *task.video_shape)))
    condition = Condition.of(
        jnp.zeros((2, 2, 3)), jnp.zeros((2, 2)), video[:, :1], jnp.zeros((2, 1))
    )
    return Batch(video=video, condition=condition)


@pytest.fixture(scope="module")
def plain():
    """The phase without either, and its first step."""
    phase = TokenizerPhase(PLAIN, TASK)
    state = jax.jit(phase.init)(jax.random.key(0), {})
    return phase, state, *jax.jit(phase.step)(state, a_batch(), jax.random.key(1), BEFORE)


@pytest.fixture(scope="module")
def game():
    """The phase with a discriminator, its first state, and its step."""
    phase = TokenizerPhase(dataclasses.replace(PLAIN, adversarial=GAME), TASK)
    return phase, jax.jit(phase.init)(jax.random.key(0), {}), jax.jit(phase.step)


def test_before_its_start_a_discriminator_changes_nothing(plain, game):
    (_, _, after, metrics), (_, state, step) = plain, game
    assert not {"adversarial", "perceptual"} & metrics.keys()
    played, report = step(state, a_batch(), jax.random.key(1), BEFORE)
    assert report["adversarial_weight"] == 0.0
    for name, value in after.params.items():
        np.testing.assert_allclose(played.params["tokenizer"][name], value, atol=1e-6)
    for name, value in state.params["discriminator"].items():
        np.testing.assert_array_equal(played.params["discriminator"][name], value)
    # Nor has its optimiser counted a step.
    jax.tree.map(
        np.testing.assert_array_equal,
        played.opt_state["discriminator"],
        state.opt_state["discriminator"],
    )


def test_after_it_the_last_layer_hears_of_both_in_proportion(plain, game):
    (tokenizer, _, _, _), (phase, state, step) = plain, game
    batch, rival = a_batch(), state.params["discriminator"]
    network, rest = tokenizer.tokenizer.network, state.rest
    _, metrics = step(state, batch, jax.random.key(1), AFTER)

    def rebuilt(weights):
        bound = network.bind(weights)
        codes = PLAIN.quantizer.quantize(rest["codebook"], bound.encode(batch.video))
        return bound.decode(codes.values), codes.loss

    def errors(weights):
        video, charge = rebuilt(weights)
        apart = video - batch.video
        return jnp.mean(apart**2) + PLAIN.l1 * jnp.mean(jnp.abs(apart)) + charge

    def fooling(weights):
        logits = phase._adversary.network.bind(rival)(rebuilt(weights)[0])
        assert logits.shape == (2, 3, 3, 2)  # patches of 2 frames and 4x4 pixels
        return generator_loss("hinge", logits, logits).mean()

    both = jax.jit(
        lambda weights: (jax.value_and_grad(errors)(weights), jax.grad(fooling)(weights))
    )
    (error, by_error), by_rival = both(state.params["tokenizer"])
    last = "pixel_head.kernel"
    ratio = np.linalg.norm(by_error[last]) / (np.linalg.norm(by_rival[last]) + 1e-6)
    np.testing.assert_allclose(metrics["adversarial_weight"], 0.5 * ratio, rtol=1e-4)
    total = sum(
        np.sum((np.asarray(by_error[n]) + 0.5 * ratio * np.asarray(by_rival[n])) ** 2)
        for n in by_error
    )
    np.testing.assert_allclose(metrics["grad_norm"], np.sqrt(total), rtol=1e-4)
    # What a loss tells of a tokenizer stays comparable: the game is not in it.
    np.testing.assert_allclose(metrics["loss"], error, rtol=1e-5)


def test_the_discriminator_learns_and_is_left_behind(plain, game):
    (tokenizer, _, _, _), (phase, state, step) = plain, game
    learn, real = jax.jit(phase._adversary.learn), a_batch().video
    weights, memory = state.params["discriminator"], state.opt_state["discriminator"]
    losses, metrics = [], {}
    for _ in range(25):
        weights, memory, metrics = learn(weights, memory, real, 0.5 * real, AFTER)
        losses.append(float(metrics["discriminator_loss"]))
    assert losses[-1] < 0.8 * losses[0]
    assert metrics["discriminator_accuracy"] > 0.6
    state, told = step(state, a_batch(), jax.random.key(0), AFTER)
    assert metrics.keys() < told.keys()
    exported = phase.export(state)
    assert exported.keys() == tokenizer.export(plain[1]).keys()
    fixed = dataclasses.replace(GAME, adaptive=False)
    weight = TokenizerPhase(dataclasses.replace(PLAIN, adversarial=fixed), TASK)._adversary.weight
    steep, flat = jnp.full((3, 2), 4.0), jnp.full((3, 2), 0.5)
    assert [float(weight(steep, flat, at)) for at in (BEFORE, AFTER)] == [0.0, 0.5]


@pytest.fixture
def small(monkeypatch):
    """LPIPS with the first layer of AlexNet alone, and random weights."""
    alex = LPIPS["alex"]
    few = dataclasses.replace(alex, layers=(dataclasses.replace(alex.layers[0], stride=2),))
    shapes = few.network().init(jax.random.key(0))
    weights = {
        name: np.random.default_rng(len(name)).random(array.shape, np.float32)
        for name, array in shapes.items()
    }
    monkeypatch.setattr(type(few), "weights", lambda self: weights)
    monkeypatch.setitem(perceptual.LPIPS, "alex", dataclasses.replace(few, least_side=8))
    return weights


def test_a_perceptual_loss_is_lpips_of_rebuilt_frames(small):
    """Of clips of one frame, which is the one that is drawn."""
    task = dataclasses.replace(TASK, frames=1, context_frames=0)
    real, rebuilt = jnp.tanh(jax.random.normal(jax.random.key(2), (2, 2, *task.video_shape)))
    loss = Perceptual(PerceptualLoss(network="alex"), task)
    pairs = jnp.stack([real[:, 0], rebuilt[:, 0]], axis=1)

    @jax.jit
    def both(weights, rebuilt):
        frames = loss.draw(jax.random.key(0), real)
        at = lambda rebuilt: loss(weights, real, rebuilt, frames)  # noqa: E731
        return LPIPS["alex"].network().bind(weights)(pairs), jax.value_and_grad(at)(rebuilt)

    distances, (value, slope) = both(loss.weights(), rebuilt)
    np.testing.assert_allclose(value, distances.mean(), rtol=1e-5)
    assert value > 0.0
    assert (np.abs(slope).max((1, 2, 3, 4)) > 0.0).all()
    # Where all channels are silent, a length of 0 has no derivative of its own.
    silent = loss.weights() | {"biases.0": jnp.full(64, -1e3)}
    _, (value, slope) = both(silent, rebuilt)
    assert value == 0.0
    np.testing.assert_array_equal(slope, jnp.zeros_like(slope))


def test_its_network_is_carried_frozen_and_its_distance_is_in_the_loss(small, plain):
    _, _, _, metrics = plain
    looks = PerceptualLoss(network="alex", weight=0.25)
    phase = TokenizerPhase(dataclasses.replace(PLAIN, perceptual=looks), TASK)
    state = jax.jit(phase.init)(jax.random.key(0), {})
    after, report = jax.jit(phase.step)(state, a_batch(), jax.random.key(1), AFTER)
    assert report["perceptual"] > 0.0
    expected = metrics["loss"] + 0.25 * report["perceptual"]
    np.testing.assert_allclose(report["loss"], expected, rtol=1e-5)
    assert report["grad_norm"] != metrics["grad_norm"]
    for name, array in small.items():
        np.testing.assert_array_equal(after.rest["perceptual"][name], array)
    assert phase.export(after).keys() == plain[0].export(plain[1]).keys()


def test_what_cannot_be_is_refused(monkeypatch):
    looking = dataclasses.replace(PLAIN, perceptual=PerceptualLoss())
    with pytest.raises(ValueError, match=r"vgg needs frames of at least 16x16.* have 10x8"):
        TokenizerPhase(looking, TASK)

    def absent(self):
        raise MissingWeightsError("not computed")

    monkeypatch.setattr(type(LPIPS["vgg"]), "weights", absent)
    phase = TokenizerPhase(looking, dataclasses.replace(TASK, height=16, width=16))
    with pytest.raises(MissingWeightsError, match=r"perceptual loss needs .*vidgen\[metrics\]"):
        jax.eval_shape(phase.init, jax.random.key(0), {})
    for build in (
        lambda: AdversarialLoss(start=1.0),
        lambda: AdversarialLoss(weight=0.0),
        lambda: AdversarialLoss(width=0),
        lambda: PerceptualLoss(weight=-1.0),
    ):
        with pytest.raises(ValueError, match="must"):
            build()
