"""Augmentation of what the GAN's discriminators see: by hand, and beside what they are told."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.generators.gan import GanConfig
from vidgen.generators.gan.augment import AUGMENTS, Augmentation
from vidgen.generators.gan.discriminators import Discriminators, FrameDiscriminator
from vidgen.generators.gan.objectives import Drawn, Scene, _judged, generator_objective
from vidgen.nn import Network
from vidgen.types import Condition

GREY = 0.0
FAR = -1000
"""The middle of a hole that no picture has."""


def augmentation(colour=(0.0, 1.0, 1.0), shift=(0, 0), hole=(FAR, FAR), rows=4):
    """The same for every clip; unless told otherwise it changes nothing."""
    wanted = {"colour": (colour, float), "shift": (shift, int), "hole": (hole, int)}
    return Augmentation(
        **{
            name: jnp.tile(jnp.asarray(v, kind)[None], (rows, 1))
            for name, (v, kind) in wanted.items()
        }
    )


@pytest.fixture(scope="module")
def change():
    """An augmentation of clips, and of their third frames alone."""

    def both(augmentation, video):
        return augmentation(video), augmentation(video[:, 2])

    return jax.jit(both)


@pytest.fixture(scope="module")
def video():
    return jax.random.uniform(jax.random.key(0), (2, 3, 16, 12, 3), minval=-1.0)


def test_pictures_move_are_cut_and_recoloured_alike_in_every_frame(change, video):
    x = np.asarray(video)

    def changed(**how):
        clips, frames = change(augmentation(**how, rows=2), video)
        # A frame alone goes the way it goes within its clip.
        np.testing.assert_array_equal(clips[:, 2], frames)
        return np.asarray(clips)

    np.testing.assert_allclose(changed(), x, atol=1e-6)

    moved = changed(shift=(2, -3))
    np.testing.assert_allclose(moved[:, :, 2:, :-3], x[:, :, :-2, 3:], atol=1e-6)
    assert (moved[:, :, :2] == GREY).all()
    assert (moved[:, :, :, -3:] == GREY).all()

    cut = changed(hole=(1, 6))  # eight rows, three of them above the edge, and six columns
    inside = np.zeros(x.shape, bool)
    inside[:, :, :5, 3:9] = True
    np.testing.assert_array_equal(cut == GREY, inside)
    np.testing.assert_allclose(cut[~inside], x[~inside], atol=1e-6)

    brighter = x + 0.25
    grey = brighter.mean(-1, keepdims=True)
    expected = (grey + 2.0 * (brighter - grey)) * 0.5
    np.testing.assert_allclose(changed(colour=(0.25, 2.0, 0.5)), expected, atol=1e-6)


def test_draws_are_of_the_papers_strengths_and_one_a_clip():
    drawn = Augmentation.draw(AUGMENTS, jax.random.key(0), 4096, 16, 32)
    found = {
        name: (draws.min(axis=0).tolist(), draws.max(axis=0).tolist())
        for name, draws in (("shift", drawn.shift), ("hole", drawn.hole))
    }
    assert found == {"shift": ([-2, -4], [2, 4]), "hole": ([0, 0], [16, 32])}
    np.testing.assert_allclose(drawn.colour.min(axis=0), [-0.5, 0.0, 0.5], atol=0.01)
    np.testing.assert_allclose(drawn.colour.max(axis=0), [0.5, 2.0, 1.5], atol=0.01)
    assert len(np.unique(drawn.colour, axis=0)) == 4096

    only = Augmentation.draw(("cutout",), jax.random.key(0), 3, 16, 16)
    assert only.colour is None
    assert only.shift is None
    np.testing.assert_array_equal(only.rows(jnp.array([2, 2])).hole, only.hole[jnp.array([2, 2])])
    nothing = Augmentation.draw((), jax.random.key(0), 3, 16, 16)
    assert not jax.tree.leaves(nothing)


# From here on, the clips of a batch and what is told of them.


@pytest.fixture(scope="module")
def still():
    """Clips in which nothing moves, every second of which gives its first frame."""
    first = jax.random.uniform(jax.random.key(3), (4, 1, 16, 16, 1), minval=-1.0)
    clips = jnp.tile(first, (1, 4, 1, 1, 1))
    given = jnp.array([True, False, True, False])[:, None]
    words = jax.random.normal(jax.random.key(4), (4, 6, 8))
    return clips, Condition.of(words, jnp.ones((4, 6), bool), first, given)


def scene_of(clips, condition, augmentation):
    return Scene.draw(
        jax.random.key(5),
        clips,
        condition,
        condition,
        3,
        augmentation=augmentation,
        mix=jnp.full(4, 0.5),
    )


class Gap(FrameDiscriminator):
    """A discriminator that sees nothing but where a frame differs from the frame that was given."""

    def __init__(self):
        pass

    def features(self, frame, condition):
        return jnp.abs(frame - condition.context[:, -1]).reshape(len(frame), -1)

    def head(self, features, captions):
        return features.max(axis=1)


def test_the_given_frame_goes_with_its_clip(still):
    """Where nothing moves, no augmentation may put a gap between a frame and the given one."""
    clips, condition = still

    @jax.jit
    def seen(clips, condition, augmentation):
        scene = scene_of(clips, condition, augmentation)
        views = scene.real_views["frame"]
        both = jnp.concatenate([views, views])  # real and generated, in this order
        gaps = _judged(Gap(), scene, "frame", jnp.zeros((7, 1)), both)[1]
        return gaps, scene.told["frame"].context

    drawn = Augmentation.draw(AUGMENTS, jax.random.key(6), 4, 16, 16)
    gaps, told = seen(clips, condition, drawn)
    # Four first frames, as of a caption alone; then a later frame of each of three clips.
    np.testing.assert_array_equal(gaps.reshape(2, 7)[:, [4, 6]], 0.0)
    assert (gaps.reshape(2, 7)[:, [0, 1, 2, 3, 5]] > 0.1).all()
    np.testing.assert_array_equal(told[4], drawn(condition.context)[0, :])
    assert np.abs(told[4] - condition.context[0]).max() > 0.1
    # What is not given stays zero, whatever colour is added.
    np.testing.assert_array_equal(told[jnp.array([0, 1, 2, 3, 5])], 0.0)


def test_the_generator_learns_through_it_and_the_flow_past_it(still, task):
    clips, condition = still
    config = GanConfig.tiny()
    network = Network(lambda rngs: Discriminators(config, task, rngs=rngs))
    weights = jax.jit(network.init)(jax.random.key(0))

    @jax.jit
    def learned(drawn, augmentation):
        scene = scene_of(clips, condition, augmentation)
        logits = {"clip": jnp.zeros(3), "frame": jnp.zeros(7)}
        (_, report), slopes = jax.value_and_grad(
            lambda drawn: generator_objective(network.bind(weights), config, scene, drawn, logits),
            has_aux=True,
        )(drawn)
        return report, slopes

    made = -clips
    drawn = Drawn(canvas=made[:, 0], video=made[:3], moved=made[:, 1:])
    plain, slopes = learned(drawn, augmentation())
    changed, past = learned(drawn, augmentation(shift=(4, 0), hole=(12, 2)))
    assert plain["generator_pairing"] != changed["generator_pairing"]
    np.testing.assert_array_equal(plain["flow_error"], changed["flow_error"])
    np.testing.assert_array_equal(slopes.moved, past.moved)
    # Rows 12 to 15 leave the picture, and rows 4 to 11 come to lie where columns 0 to 5 are cut.
    hidden = np.zeros((16, 16), bool)
    hidden[12:] = hidden[4:12, :6] = True
    for before, after in ((slopes.canvas, past.canvas), (slopes.video, past.video)):
        reached = lambda x: np.abs(x).max(axis=(0, *range(1, x.ndim - 3), x.ndim - 1)) > 0  # noqa: E731
        assert reached(before).all()
        np.testing.assert_array_equal(reached(after), ~hidden)
