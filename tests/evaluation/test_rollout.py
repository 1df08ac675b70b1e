import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.contract import Card
from vidgen.data import MOTIONS, Physics, source, trajectory
from vidgen.evaluation import (
    ClipSet,
    Judge,
    TruthSet,
    UnrollableError,
    anchors,
    continuation,
    judge_rollouts,
    method_of,
    protocol,
    roll_out,
    rollout,
)
from vidgen.evaluation.rollout import foreseeable
from vidgen.text import WordVectors
from vidgen.types import Condition, Task, to_float, to_pixels

TASK = Task(frames=5, height=6, width=6, channels=1, context_frames=2, text_length=3, text_width=4)
CARD = Card(name="walker", family="toy", summary="", paper="", matches_reference="")


class Walker:
    """Each frame is the one before with noise, from the given frames on, and a word of the text."""

    card: ClassVar[Card] = CARD

    def __init__(self, task=TASK):
        self.task = task

    def phases(self):
        return []

    def sample(self, params, condition, keys, sampler=None):
        frames, K = self.task.frames, self.task.context_frames
        shape = (frames - K, *self.task.video_shape[1:])
        noise = jax.vmap(lambda key: jax.random.normal(key, shape))(keys)
        said = 0.1 * jnp.tanh(condition.text.sum((1, 2)))[:, None, None, None, None]
        last = condition.context[:, -1:]
        later = last + jnp.cumsum(params["scale"] * noise + said, axis=1)
        return jnp.concatenate([condition.context, later], axis=1)


class Marathon(Walker):
    """The same, which counts the frames that it is asked for."""

    def rollout(self, params, condition, keys, frames, sampler=None):
        shape = (condition.batch_size, frames, *self.task.video_shape[1:])
        return jnp.full(shape, frames / 100)


PARAMS = {"scale": jnp.float32(0.3)}


@pytest.fixture(scope="module")
def asked():
    """Three prompts, the first of text alone, and their keys."""
    rng = np.random.default_rng(0)
    condition = Condition.of(
        rng.normal(size=(3, 3, 4)).astype(np.float32),
        np.ones((3, 3), bool),
        to_float(jnp.asarray(rng.integers(0, 256, (3, *TASK.context_shape), dtype=np.uint8))),
        np.array([[False] * 2, [True] * 2, [True] * 2]),
    )
    return condition, jax.random.split(jax.random.key(7), 3)


def test_a_chained_clip_is_what_a_hand_would_chain(asked):
    condition, keys = asked
    long = rollout(Walker(), TASK, frames=12)(PARAMS, condition, keys, None)
    # 5 frames, and three a link: 5, 8, 11, and one of the last.
    sample, clips = jax.jit(Walker().sample), []
    for link in range(4):
        if link:
            fresh = [jax.random.fold_in(jax.random.fold_in(k, 0x6C696E6B), link) for k in keys]
            last = to_float(jnp.asarray(to_pixels(clips[-1][:, -2:])))
            told = Condition.of(condition.text, condition.text_mask, last, np.ones((3, 2), bool))
            clips.append(np.asarray(sample(PARAMS, told, jnp.stack(fresh))))
        else:
            clips.append(np.asarray(sample(PARAMS, condition, keys)))
    hand = np.concatenate([clips[0], *(clip[:, 2:] for clip in clips[1:])], axis=1)[:, :12]
    np.testing.assert_allclose(long, hand, atol=1e-6)
    # No link repeats the noise of another, and noise was drawn at all.
    steps = np.diff(np.asarray(long), axis=1)[:, 2:11].reshape(3, 3, 3, -1)
    assert np.abs(steps[:, :, None] - steps[:, None]).max((0, 3, 4))[~np.eye(3, dtype=bool)].all()


def test_a_longer_clip_depends_on_its_own_prompt_and_key_alone_and_under_jit(asked):
    condition, keys = asked
    roll = rollout(Walker(), TASK, frames=12)
    whole = roll(PARAMS, condition, keys, None)
    order = np.array([2, 0])
    some = jax.tree.map(lambda leaf: leaf[order], condition)
    np.testing.assert_allclose(roll(PARAMS, some, keys[order], None), whole[order], atol=1e-6)
    plain = rollout(Walker(), TASK, frames=12, jit=lambda function: function)
    np.testing.assert_allclose(jax.jit(plain)(PARAMS, condition, keys, None), whole, atol=1e-5)


def test_a_rollout_of_its_own_is_preferred_though_chaining_would_do(asked):
    condition, keys = asked
    assert (method_of(Walker(), TASK), method_of(Marathon(), TASK)) == ("chained", "own")
    long = rollout(Marathon(), TASK, frames=12)(PARAMS, condition, keys, None)
    assert long.shape == (3, 12, 6, 6, 1)
    np.testing.assert_allclose(long, 0.12)


def test_who_cannot_roll_out_and_what_is_no_rollout_is_refused():
    deaf = Walker()
    deaf.card = dataclasses.replace(CARD, context=False)
    with pytest.raises(UnrollableError, match=r"walker .* follows no given frames"):
        method_of(deaf, TASK)
    with pytest.raises(UnrollableError, match=r"walker .* task gives no frames"):
        rollout(Walker(), dataclasses.replace(TASK, context_frames=0), frames=12)
    with pytest.raises(ValueError, match="longer than the task's 5 frames, got 5"):
        rollout(Walker(), TASK, frames=5)


def test_where_chained_clips_are_held_against_the_truth_a_link_begun_anew_would_follow_it():
    """Every start of every heading: a link goes on from where the true object is, as it is told."""
    task = dataclasses.replace(TASK, frames=4, context_frames=1)
    world = Physics(
        height=11, width=11, size=4, speed=1, frames=4, min_moves=2, motions=tuple(MOTIONS)[:8]
    )
    longer = dataclasses.replace(world, frames=16)
    corners = np.stack(np.meshgrid(*[np.arange(8)] * 2), axis=-1).reshape(-1, 2)
    paths = {motion: trajectory(longer, motion, corners) for motion in world.motions}
    boxes = np.concatenate(list(paths.values())).astype(np.float32)[:, :, None]
    n = len(boxes)
    motions = np.repeat(world.motions, len(corners))
    real = ClipSet(
        video=np.zeros((n, 16, 6, 6, 1), np.uint8),
        captions=("",) * n,
        context_frames=1,
        context_mask=np.ones(n, bool),
        keys=np.arange(n, dtype=np.uint32),
        truth=TruthSet(
            identity=(("0",),) * n,
            motion=tuple((str(motion),) for motion in motions),
            boxes=np.concatenate([boxes, boxes + 4], axis=-1),
        ),
    )
    expected = np.ones((n, 16), bool)
    for start in (3, 6, 9, 12):
        for motion in world.motions:
            rows = np.flatnonzero(motions == motion)
            true = paths[motion][:, start : start + 4]
            anew = trajectory(world, motion, true[:, 0])
            follows = (true == anew[:, : true.shape[1]]).all((1, 2))
            expected[rows, start + 1 : start + 4] = (expected[rows, start] & follows)[:, None]
    found = foreseeable(real, task)
    np.testing.assert_array_equal(found, expected)
    assert found[:, :4].all()
    assert 0.05 < found[:, 4:7].mean() < 0.95
    strange = dataclasses.replace(real.truth, motion=(("sideways",),) * n)
    assert not foreseeable(real.replace(truth=strange), task)[:, 4:].any()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("digits", {}),
        ("digits", {"motion": "mage"}),
        ("digits", {"motion": "mage-double"}),
        ("shapes", {"objects": 2, "ground": "textured", "motion": "sync-draw"}),
    ],
)
def test_a_continued_source_begins_as_before_and_goes_on(name, options):
    short = source(name, split="test", **options)
    longer = short.continued(2 * short.frames)
    assert longer.fingerprint != short.fingerprint
    for index in range(0, 60, 7):
        one, other = short[index], longer[index]
        assert (one.caption, one.truth.motion) == (other.caption, other.truth.motion)
        np.testing.assert_array_equal(one.video, other.video[: short.frames])
        np.testing.assert_array_equal(one.truth.boxes, other.truth.boxes[: short.frames])
        moved = np.diff(other.truth.boxes[short.frames - 1 :], axis=0) != 0
        assert moved.any((1, 2)).mean() > 0.8  # but for a step to a border of less than a pixel
    with pytest.raises(ValueError, match="do not go on to"):
        longer.continued(short.frames)


@pytest.fixture(scope="module")
def going_on(held_out):
    """40 prompts with their continuation to 24 frames, and the source of it."""
    prompts = protocol(held_out, n=40, seed=3, context_frames=1)
    longer = held_out.continued(24)
    return prompts, continuation(prompts, longer), longer


def test_a_continuation_is_of_the_very_clips(going_on):
    prompts, real, _ = going_on
    np.testing.assert_array_equal(real.video[:, :8], prompts.video)
    assert (real.captions, real.video.shape[1]) == (prompts.captions, 24)
    other = source("digits", split="test", seed=1).continued(24)
    with pytest.raises(ValueError, match="it is no continuation"):
        continuation(prompts, other)


LONG = Task(
    frames=8, height=32, width=32, channels=1, context_frames=1, text_length=12, text_width=8
)


def test_the_slope_of_a_decaying_clip_is_seen_and_that_of_a_steady_one_is_not(judge, going_on):
    _, real, longer = going_on
    made = anchors(real, longer, seed=0)

    def slope(clips, metric, prompts="all"):
        scores, _ = judge_rollouts(judge, clips, real, task=LONG, method="own")
        return scores[f"drift_{metric}", prompts]

    for metric in ("identity", "sharpness"):
        steady, decaying = (
            slope(made["held-out-real"], metric),
            slope(made["decaying-real"], metric),
        )
        assert steady.low <= 0.002
        assert steady.high >= -0.002
        assert decaying.high < 2 * min(steady.low, -0.005), metric
        assert decaying.n == 40
    assert slope(made["decaying-real"], "psnr", "text+image").high < -0.1
    lost = real.replace(video=np.where(np.arange(24)[:, None, None, None] < 18, real.video, 0))
    shares = [
        judge_rollouts(judge, clips, real, task=LONG, method="own")[0]["one_object", "all"].value
        for clips in (real, lost)
    ]
    assert shares == [1.0, 0.0]  # of the last 8 frames lost has 2
    assert slope(real, "psnr", "text+image").value == 0


def test_chained_clips_are_held_against_the_truth_no_further_than_it_follows(judge, going_on):
    _, real, _ = going_on
    own, chained = (
        judge_rollouts(judge, real, real, task=LONG, method=how)[1] for how in ("own", "chained")
    )
    psnr = [next(c.value for c in seen.curves if c.metric == "psnr") for seen in (own, chained)]
    given = real.context_mask
    follows = foreseeable(real, LONG)[given].any(0)
    assert [value is not None for value in psnr[0]] == [False] + [True] * 23
    assert [value is not None for value in psnr[1]] == [False, *follows[1:].tolist()]
    assert follows[8]
    assert not follows[15:].any()
    scores, _ = judge_rollouts(judge, real, real, task=LONG, method="chained")
    assert "follow from what each link is told" in scores["drift_psnr", "text+image"].note


def test_where_nobody_knows_the_continuation_single_frames_still_tell(judge, going_on):
    _, real, _ = going_on
    clips = real.replace(truth=None)
    scores, seen = judge_rollouts(judge, clips, None, task=LONG, method="chained")
    assert scores["drift_sharpness", "all"].value is not None
    for key in (("drift_identity", "all"), ("drift_psnr", "text+image")):
        assert scores[key].value is None
        assert "does not know how its clips go on" in scores[key].note
    assert ("drift_flicker", "all") not in scores  # nobody asked for it
    assert {curve.metric for curve in seen.curves} == {"brightness", "sharpness"}


def test_every_prompt_is_answered_by_a_longer_clip(held_out, going_on):
    prompts, real, _ = going_on
    encoder = WordVectors(held_out.vocabulary, length=12, width=8)
    roll = rollout(Walker(LONG), LONG, frames=24)
    answers = [
        roll_out(
            prompts[:5],
            encoder,
            LONG,
            lambda condition, keys: roll(PARAMS, condition, keys, None),
            frames=24,
            batch_size=size,
            truth=real.truth.take(np.arange(5)),
        )
        for size in (2, 5)
    ]
    assert answers[0].video.shape == (5, 24, 32, 32, 1)
    assert np.abs(answers[0].video.astype(int) - answers[1].video).max() <= 1
    given = prompts.context_mask[:5]
    np.testing.assert_array_equal(answers[0].video[given, 0], prompts.video[:5][given, 0])
    with pytest.raises(ValueError, match="was asked for"):
        roll_out(prompts[:5], encoder, LONG, lambda c, k: c.context, frames=24, batch_size=5)


def test_clips_of_two_objects_are_not_read_for_longer_than_their_paths_are_known():
    double = source("digits", split="test", motion="mage-double", size=32, frames=8)
    prompts = protocol(double, n=2, seed=0, context_frames=1)
    real = continuation(prompts, double.continued(16))
    train = source("digits", split="train", motion="mage-double", size=32, frames=8)
    scores, _ = judge_rollouts(Judge(train), real, real, task=LONG, method="own")
    assert scores["drift_identity", "all"].value is None
    assert "two objects" in scores["drift_identity", "all"].note
    assert scores["drift_ssim", "text+image"].value is not None
