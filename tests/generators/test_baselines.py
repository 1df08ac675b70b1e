"""The baselines hold what they are given."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from vidgen import registry
from vidgen.contract import RollsOut
from vidgen.types import Condition


def prompts(task, frames: int) -> Condition:
    context = jax.random.uniform(jax.random.key(0), (2, frames, task.height, task.width, 1))
    text = jnp.zeros((2, task.text_length, task.text_width))
    given = jnp.broadcast_to(jnp.array([[True], [False]]), (2, frames))
    return Condition.of(text, jnp.zeros(text.shape[:2], bool), context, given)


KEYS = jax.random.split(jax.random.key(1), 2)


def test_copy_first_frame_holds_it_or_stays_black(task):
    baseline = registry.entry("copy-first-frame").build(task)
    condition = prompts(task, 1)
    video = baseline.sample({}, condition, KEYS)
    assert video.shape == (2, *task.video_shape)
    expected = jnp.broadcast_to(condition.context[0], video[0].shape)
    np.testing.assert_array_equal(video[0], expected)
    np.testing.assert_array_equal(video[1], -1.0)
    assert isinstance(baseline, RollsOut)
    longer = baseline.rollout({}, condition, KEYS, 9)
    assert longer.shape[1] == 9
    np.testing.assert_array_equal(longer[0, 8], condition.context[0, 0])
    np.testing.assert_array_equal(baseline.sample({}, prompts(task, 0), KEYS), -1.0)


def test_frozen_prior_is_still_random_and_keeps_the_frame(task):
    baseline = registry.entry("frozen-prior").build(task)
    condition = prompts(task, 1)
    video = baseline.sample({}, condition, KEYS)
    np.testing.assert_array_equal(video[0, 0], condition.context[0, 0])
    still = jnp.broadcast_to(video[:, 1:2], video[:, 1:].shape)
    np.testing.assert_array_equal(video[:, 1:], still)
    np.testing.assert_array_equal(video[1, 0], video[1, 1])
    assert not np.allclose(video[0, 1], video[1, 1])
