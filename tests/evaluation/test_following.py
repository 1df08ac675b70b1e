"""Boxes that are seen against boxes that were asked, by hand."""

import numpy as np
import pytest

from vidgen.evaluation.components import INK_LEVEL
from vidgen.evaluation.following import following, ink_boxes, overlap
from vidgen.evaluation.protocol import plans_of
from vidgen.types import Plan


def test_overlap_by_hand():
    a = np.array([[0, 0, 2, 4], [0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 1, 1]], float)
    b = np.array([[1, 0, 3, 4], [0, 0, 2, 2], [2, 2, 3, 3], [np.nan] * 4])
    np.testing.assert_allclose(overlap(a, b), [1 / 3, 1, 0, np.nan])


def test_the_box_of_ink_holds_all_of_it_and_no_more():
    video = np.zeros((1, 3, 8, 9, 3), np.uint8)
    video[0, 0, 2:5, 1, 2] = INK_LEVEL
    video[0, 0, 3, 6, 0] = 255
    video[0, 1] = INK_LEVEL - 1
    video[0, 2] = 255
    found = ink_boxes(video)
    np.testing.assert_array_equal(found[0, 0], [2, 1, 5, 7])
    assert np.isnan(found[0, 1]).all()
    np.testing.assert_array_equal(found[0, 2], [0, 0, 8, 9])


def test_frames_without_ink_count_nothing_and_frames_without_a_wish_not_at_all():
    box = [0.0, 0, 2, 2]
    seen = np.array([[box, [np.nan] * 4, box, [0, 0, 2, 4]]])
    asked = np.array([[box], [box], [[np.nan] * 4], [box]], np.float32)
    plan = Plan(identity=("3",), boxes=asked)
    np.testing.assert_allclose(following(seen, [plan]), [(1 + 0 + 0.5) / 3])
    two = Plan(identity=("3", "4"), boxes=np.tile(asked, (1, 2, 1)))
    with pytest.raises(ValueError, match="several objects"):
        following(seen, [two])


def test_real_clips_follow_their_own_plans_and_not_each_others(prompts):
    plans = plans_of(prompts)
    own = following(ink_boxes(prompts.video), plans)
    other = following(ink_boxes(prompts.video), plans[1:] + plans[:1])
    assert own.min() > 0.5
    assert own.mean() > 0.8
    assert other.mean() < 0.5
