"""The GAN: losses by hand, the placement, and two players that stay apart."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vidgen.evaluation.recogniser import centroids
from vidgen.generators.gan import Gan, GanConfig, GanSampler
from vidgen.generators.gan.augment import Augmentation
from vidgen.generators.gan.discriminators import Discriminators, Merge, Projection
from vidgen.generators.gan.losses import contrastive_loss, gradient_penalty, slope_penalty
from vidgen.generators.gan.network import Placement
from vidgen.generators.gan.objectives import (
    Drawn,
    Scene,
    discriminator_objective,
    generator_objective,
    matching_loss,
    rivals,
)
from vidgen.generators.gan.phase import AdversarialPhase
from vidgen.motion import photometric_error
from vidgen.nn import Network, discriminator_loss, generator_loss, warp
from vidgen.nn.layout import cover
from vidgen.optim import Optimizer, Schedule
from vidgen.types import Batch, Condition, Layout, Task

LOG2 = 0.6931472
SOFTPLUS_MINUS_2 = 0.1269280


@pytest.mark.parametrize(
    ("kind", "of_discriminator", "of_generator"),
    [
        ("relativistic", SOFTPLUS_MINUS_2, 2 + SOFTPLUS_MINUS_2),
        ("non-saturating", SOFTPLUS_MINUS_2 + LOG2, LOG2),
        ("hinge", 0.0 + 1.0, 0.0),
        ("wgan-gp", -2.0, 0.0),
    ],
)
def test_losses_by_hand(kind, of_discriminator, of_generator):
    real, fake = jnp.array([2.0]), jnp.array([0.0])
    np.testing.assert_allclose(discriminator_loss(kind, real, fake), [of_discriminator], rtol=1e-6)
    np.testing.assert_allclose(generator_loss(kind, real, fake), [of_generator], rtol=1e-6)


def test_gradient_penalty_is_the_squared_slope_of_each_row():
    x = jnp.arange(12.0).reshape(2, 3, 2)
    slope = jnp.array([[1.0, -2.0], [0.0, 1.0], [3.0, 0.0]])
    linear = gradient_penalty(lambda y: jnp.sum(y * slope[None], axis=(1, 2)), x)
    np.testing.assert_allclose(linear, [15.0, 15.0])
    quadratic = gradient_penalty(lambda y: jnp.sum(jnp.square(y), axis=(1, 2)), x)
    np.testing.assert_allclose(quadratic, 4 * jnp.sum(jnp.square(x), axis=(1, 2)))


def test_slope_penalty_by_hand():
    real, fake = jnp.full((3, 2, 2), 1.0), jnp.full((3, 2, 2), -1.0)
    mix = jnp.array([1.0, 0.75, 0.5])
    # The slope of half a squared norm is the point itself: of norms 2, 1 and 0.
    bowl = slope_penalty(lambda x: 0.5 * jnp.sum(jnp.square(x), axis=(1, 2)), real, fake, mix)
    np.testing.assert_allclose(bowl, [1.0, 0.0, 1.0], atol=1e-5)


def test_with_one_rival_matching_is_a_matching_aware_pair():
    """A clip under its caption against the same clip under a wrong one (Reed et al., 2016)."""
    network = Network(lambda rngs: Projection(6, 4, 8, rngs=rngs))

    @jax.jit
    def losses(key):
        head = network.bind(network.init(key))
        features, captions = (jax.random.normal(key, (2, n)) for n in (6, 4))
        own, wrong = head(features, captions), head(features, captions[::-1])
        fits = head.fits(features, captions)
        matching = contrastive_loss(fits, jnp.arange(2), jnp.ones((2, 2), bool))
        return matching, discriminator_loss("relativistic", own, wrong)

    matching, pair = losses(jax.random.key(0))
    np.testing.assert_allclose(matching, pair, rtol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 1},
        {"animated": 33},
        {"microbatches": 3, "animated": 3},
        {"gamma": -1.0},
        {"text_dropout": 1.0},
        {"motion_width": 18, "motion": "transformer"},
    ],
)
def test_a_config_that_cannot_be_used_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GanConfig(**wrong)


def test_sizes_that_are_no_multiples_of_8_are_refused(task):
    with pytest.raises(ValueError, match="multiples of 8, and two frames, got 4x12x16"):
        Gan(GanConfig.tiny(), dataclasses.replace(task, height=12))


def test_placement_moves_the_picture_by_what_the_latent_says(task):
    network = Network(lambda rngs: Placement(GanConfig.tiny(), task, rngs=rngs))
    fresh = network.init(jax.random.key(0))
    picture = jax.random.normal(jax.random.key(1), (2, 16, 16, 1))
    caption, latent = jax.random.normal(jax.random.key(2), (2, 16)), jnp.zeros((2, 4))
    place = jax.jit(lambda weights, latent: network.bind(weights)(picture, caption, latent))
    np.testing.assert_array_equal(place(fresh, latent), picture)

    # A shift of (2, -3) pixels for the first row and, saturated, of a third of the side for both
    # axes of the second.
    pixels = jnp.arctanh(jnp.array([2.0, -3.0]) / (16 / 3))
    told = fresh | {"direct_head.kernel": jnp.zeros((4, 2)).at[0].set(pixels).at[1].set(99.0)}
    out = place(told, latent.at[0, 0].set(1.0).at[1, 1].set(1.0))
    np.testing.assert_allclose(out[0, :14, 3:], picture[0, 2:, :13], atol=1e-4)
    reach = jnp.full((1, 16, 16, 2), 16 / 3)
    np.testing.assert_allclose(out[1:], warp(picture[1:], reach), atol=1e-4)

    # The caption has a say once the head has weights.
    told = fresh | {"head.kernel": jnp.ones_like(fresh["head.kernel"])}
    assert float(jnp.abs(place(told, latent) - picture).max()) > 0.1


def test_discriminators_pad_what_their_halvings_do_not_divide(task):
    # Halved twice in time, three times in space from half the resolution: 12x20 to 16x24.
    shape, whole = (5, 24, 40), (8, 32, 48)
    config = GanConfig.tiny()

    def judges(shape):
        frames, height, width = shape
        sized = dataclasses.replace(
            task, frames=frames, height=height, width=width, context_frames=0
        )
        return Network(lambda rngs: Discriminators(config, sized, rngs=rngs))

    small, large = judges(shape), judges(whole)
    weights = jax.jit(small.init)(jax.random.key(0))
    video = jax.random.normal(jax.random.key(1), (2, *shape, 1))
    ends = [(0, n - size) for size, n in zip(shape, whole, strict=True)]
    padded = jnp.pad(video, [(0, 0), *ends, (0, 0)])
    condition = Condition.of(jnp.ones((2, 6, 8)), jnp.ones((2, 6)), video[:, :0], jnp.zeros((2, 0)))

    def logits(network, video):
        both = network.bind(weights)
        caption = both.captions(condition)
        seen = {"clip": video, "frame": video[:, 0]}
        return {
            name: judge.head(judge.features(seen[name], condition), caption)
            for name, judge in both.judges.items()
        }

    # The same as of a clip that had these zeros in it, and as many features.
    here, there = jax.jit(logits, static_argnums=0)(small, video), logits(large, padded)
    for name in ("clip", "frame"):
        np.testing.assert_allclose(here[name], there[name], atol=1e-4, err_msg=name)
        assert here[name][0] != here[name][1]


def test_merge_halves_every_axis_and_refuses_odd_ones():
    merge = Merge(2, 3, 5, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (2, 4, 6, 3))
    np.testing.assert_allclose(
        merge(x)[:, 1, 2], merge.project(x[:, 2:, 4:].reshape(2, 12)), atol=1e-6
    )
    with pytest.raises(ValueError, match="cannot be halved"):
        merge(x[:, :3])


def noisy(weights):
    """Weights with noise on them, made without compiling a program for each shape."""
    rng = np.random.default_rng(9)
    return {
        name: jnp.asarray(value + 0.1 * rng.standard_normal(value.shape), jnp.float32)
        for name, value in jax.device_get(weights).items()
    }


def scene_of(key, video, condition, animated=3, augmentation=None, said=None):
    """A scene, in which nothing is hidden or augmented unless told; half way for "wgan-gp"."""
    return Scene.draw(
        key,
        video,
        condition,
        condition if said is None else said,
        animated,
        augmentation=augmentation or Augmentation(colour=None, shift=None, hole=None),
        mix=jnp.full(len(video), 0.5),
    )


@pytest.mark.parametrize("where", [2, 9])
def test_what_is_painted_is_put_where_a_layout_asks(where):
    """Wherever it was painted; without one, where the latent says."""
    task = Task(frames=2, height=16, width=24, channels=1, text_length=2, text_width=3, objects=2)
    config = GanConfig.tiny()
    placement = Placement(config, task, rngs=nnx.Rngs(0))
    picture = jnp.full((3, 16, 24, 1), -1.0).at[:, where : where + 4, 6:10].set(1.0)
    boxes = (
        jnp.zeros((3, 2, 2, 4))
        .at[0, 0]
        .set(jnp.array([[0.25, 0.5, 0.5, 0.75], [0.5, 0.5, 0.75, 0.75]]))
    )
    boxes = boxes.at[1, :, 0].set(jnp.array([0.5, 0.25, 1.0, 0.5]))
    mask = jnp.array([[[1, 1], [0, 0]], [[1, 0], [1, 0]], [[0, 0], [1, 1]]], bool)
    layout = Layout.of(boxes, mask, jnp.ones((3, 2, 3)))
    latent = jax.random.normal(jax.random.key(0), (3, config.motion_latent))
    caption = jnp.zeros((3, config.motion_width))
    light = placement(picture, caption, latent, layout) + 1.0
    np.testing.assert_allclose(centroids(np.asarray(light[:2])), [[8, 15], [12, 9]], atol=0.1)
    drawn = placement(picture, caption, latent)
    np.testing.assert_array_equal(light[2], drawn[2] + 1.0)  # not told of its first frame


def test_a_layout_is_moved_as_pictures_are():
    shift = jnp.array([[2, -1], [0, 3]])
    moved = Augmentation(colour=None, shift=shift, hole=None)
    boxes = jnp.array([[2.0, 3, 5, 7], [1, 2, 6, 4]])[:, None, None] / 8
    layout = Layout.of(boxes, jnp.ones((2, 1, 1), bool), jnp.ones((2, 1, 2)))
    rows, columns = (cover(boxes[:, 0, 0, axis], boxes[:, 0, 0, axis + 2], 8) for axis in (0, 1))
    picture = (rows[:, :, None] * columns[:, None])[..., None]
    found = moved.places(layout, 8, 8).boxes[:, 0, 0]
    rows, columns = (cover(found[:, axis], found[:, axis + 2], 8) for axis in (0, 1))
    np.testing.assert_allclose(
        (rows[:, :, None] * columns[:, None])[..., None], moved(picture), atol=1e-6
    )
    assert moved.places(None, 8, 8) is None


# From here on, a tiny model on the common task.


@pytest.fixture(scope="module")
def phase():
    task = Task(
        frames=4, height=16, width=16, channels=1, context_frames=1, text_length=6, text_width=8
    )
    # A constant rate, so that progress reaches nothing but gamma.
    flat = Optimizer(learning_rate=1e-3, b1=0.0, schedule=Schedule(warmup=0.0, shape="constant"))
    config = dataclasses.replace(
        GanConfig.tiny(),
        gamma=10.0,
        gamma_final=0.0,
        text_dropout=0.0,
        context_dropout=0.0,
        generator_optimizer=flat,
        discriminator_optimizer=flat,
    )
    return AdversarialPhase(config, task)


@pytest.fixture(scope="module")
def batch():
    keys = jax.random.split(jax.random.key(3), 2)
    video = jax.random.uniform(keys[0], (4, 4, 16, 16, 1), minval=-1.0)
    condition = Condition.of(
        jax.random.normal(keys[1], (4, 6, 8)),
        jnp.ones((4, 6), bool),
        video[:, :1],
        jnp.array([True, False, True, False])[:, None],
    )
    return Batch(video=video, condition=condition)


@pytest.fixture(scope="module")
def state(phase):
    return jax.jit(lambda key: phase.init(key, {}))(jax.random.key(0))


@pytest.fixture(scope="module")
def step(phase):
    return jax.jit(phase.step)


@pytest.fixture(scope="module")
def draw(phase, state):
    """Clips for some keys, conditions and truncation."""
    gan = Gan(phase.config, phase.task)
    sample = jax.jit(gan.sample)
    # A fresh generator repairs nothing and hardly moves; noise makes it do both.
    weights = noisy(state.ema)

    def drawn(condition, seed, truncation=1.0):
        sampler = GanSampler(content_truncation=truncation, motion_truncation=truncation)
        keys = jax.random.split(jax.random.key(seed), condition.batch_size)
        return np.asarray(sample({"adversarial": weights}, condition, keys, sampler))

    return drawn


@pytest.mark.slow
def test_gradient_penalties_do_not_reach_the_generator(step, state, batch):
    early, early_report = step(state, batch, jax.random.key(1), jnp.float32(0.1))
    late, late_report = step(state, batch, jax.random.key(1), jnp.float32(1.0))
    assert early_report["loss"] > late_report["loss"]
    for name, value in early.params["generator"].items():
        np.testing.assert_array_equal(value, late.params["generator"][name], err_msg=name)
    moved = [
        not np.array_equal(value, late.params["discriminator"][name])
        for name, value in early.params["discriminator"].items()
    ]
    assert any(moved)


def test_the_generators_loss_does_not_reach_the_discriminators(phase, step, state, batch):
    # The step's gradient of the discriminators is that of their own objective alone.
    key = jax.random.key(1)
    _, report = step(state, batch, key, jnp.float32(0.5))

    @jax.jit
    def alone(state, batch, key):
        _, draw, pick, _ = jax.random.split(key, 4)
        scene = scene_of(pick, batch.video, batch.condition, phase.config.animated)
        content, motion = phase.latents(jax.random.split(draw, phase.batch_size))
        generator = phase.generator.bind(state.params["generator"])
        canvas = generator.paint(batch.condition, content, motion)
        some = jax.tree.map(lambda x: x[: phase.config.animated], (canvas, batch.condition, motion))
        # The flow by itself is nothing that they look at.
        video, moved = generator.animate(*some), batch.video[:, 1:]
        drawn = Drawn(canvas=canvas, video=video, moved=moved)
        grads = jax.grad(
            lambda weights: discriminator_objective(
                phase.discriminators.bind(weights), phase.config, scene, drawn, jnp.float32(5.0)
            )[0]
        )(state.params["discriminator"])
        return jnp.sqrt(sum(jnp.sum(jnp.square(grad)) for grad in grads.values()))

    np.testing.assert_allclose(
        report["discriminator_grad_norm"], alone(state, batch, key), rtol=1e-4
    )


def test_the_average_follows_the_generator_alone(step, state, batch):
    after, _ = step(state, batch, jax.random.key(1), jnp.float32(0.0))
    assert after.ema.keys() == after.params["generator"].keys()
    # The decay of the first step is 1/10.
    before, new = jax.device_get((state.ema, after.params["generator"]))
    for name, value in after.ema.items():
        expected = 0.1 * before[name] + 0.9 * new[name]
        np.testing.assert_allclose(value, expected, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("kind", ["non-saturating", "hinge", "wgan-gp"])
def test_the_other_losses_give_both_players_gradients(kind, phase, state, batch):
    config = dataclasses.replace(phase.config, loss=kind)

    @jax.jit
    def both(weights, batch, drawn):
        scene = scene_of(jax.random.key(0), batch.video, batch.condition)
        (_, (logits, report)), grads = jax.value_and_grad(
            lambda weights: discriminator_objective(
                phase.discriminators.bind(weights), config, scene, drawn, jnp.float32(1.0)
            ),
            has_aux=True,
        )(weights)
        drawn_grads = jax.grad(
            lambda drawn: generator_objective(
                phase.discriminators.bind(weights), config, scene, drawn, logits
            )[0]
        )(drawn)
        return report, grads, drawn_grads

    fake = -batch.video
    drawn = Drawn(canvas=fake[:, 0], video=fake[: config.animated], moved=fake[:, 1:])
    report, grads, drawn_grads = both(state.params["discriminator"], batch, drawn)
    assert np.isfinite(list(report.values())).all()
    # Each has the gradient penalty that is its own.
    assert {"clip_slope", "frame_r1"} & report.keys() == {
        "clip_slope" if kind == "wgan-gp" else "frame_r1"
    }
    for name, grad in grads.items():
        assert np.abs(grad).max() > 0, name
    # Of the warped frames, those of all clips, whether animated, told their context or not.
    for grad, rows in (
        (drawn_grads.canvas, 4),
        (drawn_grads.video, config.animated),
        (drawn_grads.moved, 4),
    ):
        reached = np.abs(grad).reshape(grad.shape[0], -1).max(axis=1) > 0
        np.testing.assert_array_equal(reached, np.full(rows, True))


@pytest.fixture(scope="module")
def followed(phase, batch):
    """What the flow alone makes of the real first frames, under weights of the generator."""
    latents = phase.latents(jax.random.split(jax.random.key(1), 4))
    told = batch.condition
    return lambda weights: phase._draw(weights, told, told, latents, batch.video).moved


def test_the_flow_starts_from_the_real_first_frame_of_every_clip(followed, state, batch):
    weights = state.params["generator"]
    still = {
        name: jnp.zeros_like(value)
        if name.startswith(("motion.shared.", "motion.local."))
        else value
        for name, value in weights.items()
    }
    # Every other clip conceals its first frame and the last is not animated; all are followed.
    first = jnp.broadcast_to(batch.video[:, :1], (4, 3, 16, 16, 1))
    np.testing.assert_allclose(jax.jit(followed)(still), first, atol=1e-6)


def test_the_photometric_error_reaches_the_motion_path_alone(followed, state, batch):
    @jax.jit
    def slopes(weights):
        return jax.grad(lambda w: photometric_error(followed(w), batch.video[:, 1:]).mean())(
            weights
        )

    reached = {name for name, grad in slopes(state.params["generator"]).items() if grad.any()}
    assert {name.split(".")[0] for name in reached} == {"motion", "caption"}
    motion = {name for name in state.params["generator"] if name.startswith("motion.")}
    assert motion <= reached


def test_a_motion_latent_of_zero_leaves_what_was_painted_where_it_is(phase, state, batch):
    @jax.jit
    def painted(weights, motion):
        generator = phase.generator.bind(weights)
        content = jnp.ones((4, phase.config.content_latent))
        told = batch.condition
        plain = generator.content(generator.caption(told.text, told.text_mask), content)
        return plain, generator.paint(told, content, motion)

    latent = jnp.zeros((4, phase.config.motion_latent))
    plain, placed = painted(state.params["generator"], latent)
    np.testing.assert_allclose(placed, plain, atol=1e-6)
    plain, placed = painted(state.params["generator"], latent + 1.0)
    assert (np.abs(placed - plain).max(axis=(1, 2, 3)) > 0.01).all()


def test_captions_that_agree_or_are_absent_are_no_rivals(batch):
    told = batch.condition
    text = told.text.at[1].set(told.text[0])
    mask = told.text_mask.at[3].set(False)
    told = Condition.of(text, mask, told.context, told.context_mask)
    expected = np.zeros((4, 4), bool)
    expected[:3, :3] = True
    expected[:2, :2] = expected[2, 2] = False  # rows 0 and 1 say the same
    expected[3, :3] = True  # it has no caption, and its loss does not count
    np.testing.assert_array_equal(rivals(told), expected)


def test_contrastive_loss_by_hand():
    fits = jnp.array([[2.0, 0.0, 5.0], [1.0, 1.0, 1.0]])
    rival = jnp.array([[False, True, False], [True, False, True]])
    loss = contrastive_loss(fits, jnp.array([0, 1]), rival)
    np.testing.assert_allclose(loss, [SOFTPLUS_MINUS_2, np.log(3.0)], rtol=1e-6)


def test_a_clip_without_a_caption_has_nothing_to_match(phase, batch):
    """Matching reads no clip whose caption is gone, and both players read all others."""
    weights = jax.jit(phase.discriminators.init)(jax.random.key(0))
    weights = {name: array + 0.01 for name, array in weights.items()}
    told = batch.condition.keep(text=jnp.array([True, True, True, False]))

    @jax.jit
    def slopes(video):
        scene = scene_of(jax.random.key(1), batch.video, told)

        def loss(first):
            judges = phase.discriminators.bind(weights)
            views = scene.views(first, video)
            batch_captions = judges.captions(scene.captions)
            seen = judges.frame.features(views["frame"], scene.told["frame"])
            return matching_loss(judges.frame, seen, batch_captions, scene, scene.row["frame"])

        return jax.grad(loss)(batch.video[:, 0])

    moved = np.abs(slopes(batch.video[:3])).sum(axis=(1, 2, 3)) > 0
    np.testing.assert_array_equal(moved, [True, True, True, False])


def test_the_frame_discriminator_matches_a_later_frame_of_each_clip(phase, batch):
    config = dataclasses.replace(phase.config, animated=2)
    scene = scene_of(jax.random.key(1), batch.video, batch.condition, 2)
    drawn = Drawn(canvas=batch.video[:, 0], video=-batch.video[:2], moved=batch.video[:, 1:])
    weights = jax.jit(phase.discriminators.init)(jax.random.key(0))

    @jax.jit
    def slopes(later):
        def loss(later, gamma):
            return discriminator_objective(
                phase.discriminators.bind(weights),
                config,
                dataclasses.replace(scene, later=later),
                drawn,
                gamma,
            )[0]

        return jax.grad(loss)(later, jnp.float32(1.0))

    assert (np.abs(slopes(scene.later)).sum(axis=(1, 2, 3)) > 0).all()


def test_a_flow_that_is_held_to_a_clip_is_told_its_sentence(phase, batch):
    """Also where both players are not: what lies between all motions is no motion."""
    hidden = batch.condition.keep(text=False)
    latents = phase.latents(jax.random.split(jax.random.key(1), len(batch.video)))
    weights = noisy(jax.jit(phase.generator.init)(jax.random.key(0)))

    @jax.jit
    def drawn(condition, said):
        return phase._draw(weights, condition, said, latents, batch.video)

    told, untold = drawn(batch.condition, batch.condition), drawn(hidden, batch.condition)
    np.testing.assert_array_equal(untold.moved, told.moved)
    assert np.abs(drawn(hidden, hidden).moved - told.moved).max() > 1e-3
    for name in ("canvas", "video"):
        made = getattr(untold, name)
        np.testing.assert_array_equal(made, getattr(drawn(hidden, hidden), name))
        assert np.abs(made - getattr(told, name)).max() > 1e-3


def test_repair_is_held_to_clips_whose_frame_and_sentence_are_given(phase, batch):
    """By the error of their later frames, and of animated clips alone."""
    heard = batch.condition.keep(text=jnp.arange(len(batch.video)) != 2)
    scene = scene_of(jax.random.key(1), batch.video, heard, said=batch.condition)
    made = 0.5 * batch.video[:3]
    weights = jax.jit(phase.discriminators.init)(jax.random.key(0))
    logits = {"clip": jnp.zeros(3), "frame": jnp.zeros(7)}

    @jax.jit
    def slopes(video):
        def loss(video, weight):
            drawn = Drawn(canvas=batch.video[:, 0], video=video, moved=batch.video[:, 1:])
            config = dataclasses.replace(phase.config, repair_weight=weight)
            return generator_objective(
                phase.discriminators.bind(weights), config, scene, drawn, logits
            )

        grads = [jax.grad(loss, has_aux=True)(video, weight) for weight in (0.0, 3.0)]
        return grads, jax.grad(
            lambda video: 3.0 * photometric_error(video[:, 1:], batch.video[:3, 1:]).mean()
        )(video)

    ((without, silent), (held, report)), alone = slopes(made)
    assert "repair_error" not in silent
    # The middle one of the three has no first frame, and the sentence of the last is hidden.
    given = np.array([1.0, 0.0, 0.0])[:, None, None, None, None]
    np.testing.assert_allclose(held - without, given * alone, atol=1e-6)
    error = photometric_error(made[:, 1:], batch.video[:3, 1:])
    np.testing.assert_allclose(report["repair_error"], error[0] / 3, rtol=1e-5)
    # One that never had a sentence hides none.
    silent = scene_of(jax.random.key(1), batch.video, batch.condition.keep(text=False))
    np.testing.assert_array_equal(silent.decided, [1.0, 0.0, 1.0])


def test_judged_frames_are_those_the_generator_made(batch):
    scenes = [scene_of(jax.random.key(seed), batch.video, batch.condition) for seed in range(40)]
    counts = np.sum([scene.frame for scene in scenes], axis=0)
    np.testing.assert_array_equal(counts.sum(1), 40.0)
    # First frames are painted or given, and judged apart from the later ones.
    np.testing.assert_array_equal(counts[:, 0], 0.0)
    assert (counts[:, 1:] > 0).all()

    # Of every clip a later frame is matched, each of them sooner or later.
    found = [
        (clip == frame).all(axis=(1, 2, 3))
        for scene in scenes
        for clip, frame in zip(np.asarray(batch.video), np.asarray(scene.later), strict=True)
    ]
    assert all(hits.any() and not hits[0] for hits in found)
    assert np.any(found, axis=0)[1:].all()

    scene = scenes[0]
    views = scene.views(batch.video[:, 0], batch.video[:3])
    np.testing.assert_array_equal(views["clip"], batch.video[:3])
    np.testing.assert_array_equal(views["frame"][:4], batch.video[:, 0])
    for row, index in enumerate(np.argmax(scene.frame, axis=1)):
        np.testing.assert_array_equal(views["frame"][4 + row], batch.video[row, index])
    # Canvases are judged as of a caption alone.
    told = np.asarray(scene.told["frame"].context_mask[:, 0])
    np.testing.assert_array_equal(told, [False] * 4 + [True, False, True])


def test_given_frames_are_passed_on_and_the_rest_depends_on_them(draw, batch):
    clips = draw(batch.condition, 0)
    given = np.asarray(batch.condition.context_mask[:, 0])
    first = np.asarray(batch.video[:, 0])
    np.testing.assert_array_equal(clips[given, 0], first[given])
    assert np.abs(clips[~given, 0] - first[~given]).max() > 0.1
    without = draw(batch.condition.keep(context=False), 0)
    assert (np.abs(clips - without)[given, 1:].max(axis=(1, 2, 3, 4)) > 0.1).all()
    np.testing.assert_array_equal(clips[~given], without[~given])


@pytest.mark.parametrize("path", ["conv", "transformer"])
def test_the_contract_holds_with_another_motion_path(path, batch, phase, state):
    """What `tests/contract` asks of the default: gradients, keys, batch-mates and masks."""
    gan = Gan(dataclasses.replace(phase.config, motion=path), phase.task)
    generator = gan.phases()[0].generator
    shapes = jax.eval_shape(generator.init, jax.random.key(0))
    # To draw the new path's weights would take longer to compile than all the rest.
    old = jax.device_get(state.params["generator"])
    fresh = {
        name: np.full(leaf.shape, 1.0 if "norm" in name else 0.0) for name, leaf in shapes.items()
    }
    weights = noisy({name: old.get(name, leaf) for name, leaf in fresh.items()})
    keys = jax.random.split(jax.random.key(1), 4)

    @jax.jit
    def drawn(weights, condition, keys):
        def loss(weights):
            video = gan.sample({"adversarial": weights}, condition, keys)
            return jnp.square(video - batch.video).mean(), video

        (_, video), slopes = jax.value_and_grad(loss, has_aux=True)(weights)
        return video, slopes

    video, slopes = drawn(weights, batch.condition, keys)
    assert np.isfinite(video).all()
    given = np.asarray(batch.condition.context_mask[:, 0])
    np.testing.assert_array_equal(video[given, 0], batch.video[given, 0])
    assert any(name.startswith("motion.temporal.") for name in weights)
    assert not [name for name, slope in slopes.items() if not np.asarray(slope).any()]

    # A clip is of its own key and condition alone, and what is masked leaves no trace.
    others = jnp.concatenate([keys[:1], jax.random.split(jax.random.key(2), 3)])
    mates = jax.tree.map(lambda x: jnp.concatenate([x[:1], x[:0:-1]]), batch.condition)
    again, _ = drawn(weights, mates, others)
    np.testing.assert_allclose(again[0], video[0], atol=1e-5)
    differ = np.abs(np.asarray(again) - np.asarray(video)).mean(axis=(1, 2, 3, 4))
    assert (differ[1:] > 0.01).all()
    untold, _ = drawn(weights, batch.condition.unconditional(), keys)
    unheard, _ = drawn(weights, mates.unconditional(), keys)
    np.testing.assert_array_equal(untold, unheard)
    assert np.abs(np.asarray(untold) - np.asarray(video))[given].mean() > 0.01


def test_truncation_to_nothing_leaves_one_clip_a_prompt(draw, batch):
    told = batch.condition.keep(context=False)
    np.testing.assert_array_equal(draw(told, 0, truncation=0.0), draw(told, 1, truncation=0.0))
    assert np.abs(draw(told, 0) - draw(told, 1)).max() > 0.1


def test_diversity_of_a_collapsed_generator_is_nil(phase, step, state, batch):
    _, report = step(state, batch, jax.random.key(1), jnp.float32(0.0))
    assert report["diversity"] > 0.0
    collapsed = {
        name: value * 0.0 if name.startswith("content.") else value
        for name, value in state.params["generator"].items()
    }
    collapsed = state.replace(params={**state.params, "generator": collapsed})
    _, report = step(collapsed, batch, jax.random.key(1), jnp.float32(0.0))
    np.testing.assert_allclose(report["diversity"], 0.0, atol=1e-6)
