"""The nouns: masks hide, pixels go both ways, and scores say why they are absent."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.contract import TrainState, stream
from vidgen.types import (
    Condition,
    HostBatch,
    Layout,
    Plan,
    Score,
    Task,
    to_float,
    to_pixels,
)


@pytest.fixture
def condition() -> Condition:
    text = jnp.arange(1.0, 13.0).reshape(2, 3, 2)
    mask = jnp.array([[True, True, False], [True, False, False]])
    return Condition.of(text, mask, jnp.ones((2, 1, 2, 2, 1)), jnp.array([[True], [False]]))


def test_masked_features_are_zero(condition):
    np.testing.assert_array_equal(condition.text[0, :, 0], [1, 3, 0])
    np.testing.assert_array_equal(condition.text[1, 1:], 0)
    np.testing.assert_array_equal(condition.context[:, 0, 0, 0, 0], [1, 0])


def test_a_clip_begins_with_its_context_or_its_first_frame():
    for context_frames, opening_frames in ((0, 1), (1, 1), (3, 3)):
        task = Task(frames=4, height=8, width=8, channels=1, context_frames=context_frames)
        assert task.opening_frames == opening_frames


def test_keep_hides_by_clip_or_for_all(condition):
    kept = condition.keep(text=jnp.array([False, True]))
    np.testing.assert_array_equal(kept.text_mask.any(axis=1), [False, True])
    np.testing.assert_array_equal(kept.context_mask, condition.context_mask)
    nothing = condition.unconditional()
    for leaf in jax.tree.leaves(nothing):
        assert not leaf.any()


def test_drop_meets_its_rates():
    many = Condition.of(
        jnp.ones((4000, 1, 1)),
        jnp.ones((4000, 1), bool),
        jnp.ones((4000, 1, 1, 1, 1)),
        jnp.ones((4000, 1), bool),
    ).drop(jax.random.key(0), text=0.2, both=0.1)
    np.testing.assert_allclose((~many.text_mask).mean(), 0.3, atol=0.03)
    np.testing.assert_allclose((~many.context_mask).mean(), 0.1, atol=0.02)
    # Whoever lost the context lost the text as well.
    assert not (many.text_mask & ~many.context_mask).any()


def test_host_batch_gives_the_first_frames_as_context():
    video = np.arange(2 * 3 * 2 * 2, dtype=np.uint8).reshape(2, 3, 2, 2, 1)
    batch = HostBatch(
        video=video,
        text=np.zeros((2, 1, 1), np.float32),
        text_mask=np.zeros((2, 1), bool),
        context_mask=np.array([[True], [False]]),
    ).to_batch()
    np.testing.assert_allclose(batch.condition.context[0], batch.video[0, :1])
    np.testing.assert_array_equal(batch.condition.context[1], 0.0)


def test_pixels_survive_the_round_trip():
    pixels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_pixels(to_float(jnp.asarray(pixels))), pixels)
    np.testing.assert_array_equal(to_pixels(np.array([-9.0, 9.0])), [0, 255])
    with pytest.raises(ValueError, match="NaN or Inf"):
        to_pixels(np.array([np.nan]))


def test_score_without_value_says_why():
    assert Score.missing("no weights").note == "no weights"
    assert Score(value=0.51234, low=0.4, high=0.6).interval(2) == [0.51, 0.4, 0.6]
    with pytest.raises(ValueError, match="without an interval"):
        Score(value=0.5, note="one prompt").interval(2)
    for broken in (lambda: Score(value=None), lambda: Score(value=float("nan"))):
        with pytest.raises(ValueError, match="must"):
            broken()


@pytest.mark.parametrize(
    "change", [{"frames": 0}, {"channels": 2}, {"context_frames": 4}, {"text_length": 0}]
)
def test_impossible_tasks_are_refused(change):
    sizes = {"frames": 4, "height": 8, "width": 8, "channels": 1, "context_frames": 1}
    Task(**sizes)
    with pytest.raises(ValueError, match=next(iter(change))):
        Task(**(sizes | change))


def test_streams_differ_by_seed_and_purpose_and_stay_the_same():
    keys = [stream(0, "a", "b"), stream(0, "b", "a"), stream(1, "a", "b"), stream(0, "a")]
    data = {tuple(np.asarray(jax.random.key_data(key))) for key in keys}
    assert len(data) == 4
    again = jax.random.key_data(stream(0, "a", "b"))
    np.testing.assert_array_equal(again, jax.random.key_data(keys[0]))


def test_average_starts_at_the_parameters_in_buffers_of_its_own():
    params = {"w": jnp.ones(3)}
    state = TrainState.create(params, ())
    np.testing.assert_array_equal(state.ema["w"], 1.0)
    assert state.ema["w"].unsafe_buffer_pointer() != params["w"].unsafe_buffer_pointer()
    assert TrainState.create(params, (), average=False).ema == {}


def plan(boxes, identity=("3",)):
    return Plan(identity=identity, boxes=np.asarray(boxes, np.float32))


def test_a_plan_is_refused_by_what_is_wrong_with_it():
    for boxes, message in (
        ([[0, 0, 4, 4]], r"has boxes \[T 1 4\], got \[1, 4\]"),
        ([[[0, 0, 4, np.nan]]], "four finite numbers"),
        ([[[0, 0, 4, 4]], [[5, 0, 4, 4]]], r"the box of '3' in frame 1 ends before"),
        ([[[0, 4, 4, 4]]], r"\[0.0, 4.0, 4.0, 4.0\] is not \(top, left, bottom, right\)"),
    ):
        with pytest.raises(ValueError, match=message):
            plan(boxes)


def test_a_plan_of_a_truth_says_nothing_of_what_is_not_there():
    boxes = np.array([[[0, 1, 4, 5], [2, 2, 2, 6], [np.nan] * 4]], np.float32)
    made = Plan.of(("3", "4"), boxes)
    assert made.boxes.shape == (1, 2, 4)
    np.testing.assert_array_equal(made.boxes[0, 0], boxes[0, 0])
    assert np.isnan(made.boxes[0, 1]).all()
    assert boxes[0, 1, 0] == 2  # the truth's own are left alone


@pytest.fixture
def layout() -> Layout:
    """Of two clips of three frames and two objects; the second object stands in the first frame of
    the first clip alone.
    """
    boxes = np.arange(48.0, dtype=np.float32).reshape(2, 3, 2, 4) / 48
    mask = np.array([[[1, 1], [1, 0], [1, 0]], [[1, 0]] * 3], bool)
    return Layout.of(boxes, mask, np.ones((2, 2, 5), np.float32))


def test_a_layout_has_zeros_wherever_nothing_is_said(layout):
    assert (np.asarray(layout.boxes)[~np.asarray(layout.mask)] == 0).all()
    np.testing.assert_array_equal(layout.kind.any(axis=-1), [[True, True], [True, False]])


def test_conditions_lose_their_layouts_with_everything_or_alone(condition, layout):
    told = Condition.of(
        condition.text, condition.text_mask, condition.context, condition.context_mask, layout
    )
    alone = told.keep(layout=jnp.array([False, True]))
    np.testing.assert_array_equal(alone.layout.mask.any(axis=(1, 2)), [False, True])
    np.testing.assert_array_equal(alone.text, told.text)
    for leaf in jax.tree.leaves(told.unconditional()):
        assert not leaf.any()
    assert told.keep(text=False, context=False).layout.mask.any()
    twice = told.beside(told.unconditional()).layout
    np.testing.assert_array_equal(twice.mask.any(axis=(1, 2)), [True, True, False, False])


def test_steps_of_a_layout(layout):
    """The first frame alone, then two at a time: the mean of those that are said."""
    steps = layout.steps(2)
    assert steps.mask.shape == (2, 2, 2)
    np.testing.assert_allclose(steps.boxes[:, 0], layout.boxes[:, 0])
    np.testing.assert_allclose(
        steps.boxes[1, 1, 0], (layout.boxes[1, 1, 0] + layout.boxes[1, 2, 0]) / 2
    )
    assert steps.mask[0].tolist() == [[True, True], [True, False]]
    longer = layout.steps(3)  # of the second step there are two of three frames
    np.testing.assert_allclose(longer.boxes[:, 1], steps.boxes[:, 1])
    np.testing.assert_array_equal(layout.steps(1).boxes, layout.boxes)
