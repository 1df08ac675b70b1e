import numpy as np
import pytest
import seeing

from vidgen.evaluation.detection import (
    PRECISIONS,
    KnownFrames,
    average_precision,
    average_precision_intervals,
)
from vidgen.evaluation.detection.precision import best_level

SIDE = seeing.SIDE
BOX, OTHER = [2, 2, 10, 10], [4, 6, 12, 14]


def known(*frames):
    """One clip of frames, each a list of (box, class)."""
    most = max(map(len, frames))
    shape = (1, len(frames), most)
    boxes, there = np.zeros((*shape, 4), np.float32), np.zeros(shape, bool)
    classes, masks = np.zeros(shape, np.int32), np.zeros((*shape, SIDE, SIDE), bool)
    for t, objects in enumerate(frames):
        for o, (box, label) in enumerate(objects):
            boxes[0, t, o], there[0, t, o] = box, True
            classes[0, t, o] = seeing.CLASSES.index(label)
            top, left, bottom, right = box
            masks[0, t, o, top:bottom, left:right] = True
    return KnownFrames(
        video=np.zeros((1, len(frames), SIDE, SIDE, 1), np.uint8),
        boxes=boxes,
        classes=classes,
        masks=masks,
        there=there,
        names=seeing.CLASSES,
    )


def precision(frames, *truth):
    return average_precision(seeing.seen([frames]), known(*truth))


def test_all_found_is_1_and_nothing_found_is_0():
    truth = [(BOX, "a")], [(OTHER, "b"), (BOX, "c")]
    all_found = [[(BOX, 0.9, "a")], [(OTHER, 0.8, "b"), (BOX, 0.7, "c")]]
    assert precision(all_found, *truth) == dict.fromkeys(PRECISIONS, pytest.approx(1))
    assert precision([[], []], *truth) == dict.fromkeys(PRECISIONS, 0)
    wrong = [[(BOX, 0.9, "b")], [(OTHER, 0.8, "c"), (BOX, 0.7, "a")]]
    assert precision(wrong, *truth) == dict.fromkeys(PRECISIONS, 0)


def test_a_false_alarm_costs_by_its_score():
    truth = [(BOX, "a")], []
    # Ranked after the object it costs nothing, ranked before it precision at every recall is half.
    assert precision([[(BOX, 0.9, "a")], [(BOX, 0.5, "a")]], *truth)["box AP50"] == pytest.approx(1)
    found = precision([[(BOX, 0.5, "a")], [(BOX, 0.9, "a")]], *truth)
    assert found["box AP50"] == pytest.approx(0.5)
    # The same object twice: the second is a false alarm, after the last recall that is reached.
    assert precision([[(BOX, 0.9, "a"), (BOX, 0.8, "a")], []], *truth)["box AP50"] == pytest.approx(
        1
    )
    # One of two objects: precision 1 up to recall 0.5, which are 51 of the 101 recalls.
    half = precision([[(BOX, 0.9, "a")], []], [(BOX, "a")], [(BOX, "a")])
    assert half["box AP50"] == pytest.approx(51 / 101)


def test_the_mean_over_classes_and_over_ten_overlaps():
    # A box of 8x8 that is 2 pixels too low overlaps by 48 of 80: 0.6, right at 3 of 10 thresholds.
    low = [4, 2, 12, 10]
    found = precision([[(low, 0.9, "a"), (OTHER, 0.9, "b")]], [(BOX, "a"), (OTHER, "b")])
    assert found["box AP50"] == found["mask AP50"] == pytest.approx(1)
    assert found["box AP"] == found["mask AP"] == pytest.approx((0.3 + 1) / 2)
    # Classes without objects do not count; a false alarm among them does not either.
    assert precision([[(BOX, 0.9, "a"), (BOX, 0.9, "c")]], [(BOX, "a")])["box AP"] == pytest.approx(
        1
    )


def test_masks_are_judged_by_their_own_pixels():
    frames = seeing.seen([[[(BOX, 0.9, "a")]]])
    frames.masks[..., 14:, :] = 0  # half of the box
    found = average_precision(frames, known([(BOX, "a")]))
    assert found["box AP"] == pytest.approx(1)
    assert found["mask AP50"] == pytest.approx(1)
    assert found["mask AP"] == pytest.approx(0.1)


def test_intervals_hold_the_estimate_and_are_points_where_all_clips_are_alike():
    frames = seeing.seen([[[(BOX, 0.9, "a")]], [[]], [[(BOX, 0.8, "a")]], [[]]])
    one = known([(BOX, "a")])
    four = KnownFrames(
        **{
            name: np.repeat(getattr(one, name), 4, axis=0)
            for name in ("video", "boxes", "classes", "masks", "there")
        },
        names=one.names,
    )
    ends = average_precision_intervals(frames, four, resamples=20)
    value = average_precision(frames, four)["box AP50"]
    low, high = ends["box AP50"]
    assert low < value < high
    all_found = seeing.seen([[[(BOX, 0.9, "a")]]] * 4)
    assert average_precision_intervals(all_found, four, resamples=3) == {
        name: (pytest.approx(1), pytest.approx(1)) for name in PRECISIONS
    }


def test_the_level_lies_between_objects_and_false_alarms():
    frames = seeing.seen(
        [[[(BOX, 0.8, "a"), (OTHER, 0.4, "b")]], [[(BOX, 0.9, "a"), (BOX, 0.3, "b")]]]
    )
    truth = known([(BOX, "a")])
    level = best_level(
        frames,
        np.repeat(truth.boxes[:, 0], 2, axis=0),
        np.repeat(truth.classes[:, 0], 2, axis=0),
        np.repeat(truth.there[:, 0], 2, axis=0),
    )
    assert 0.55 < level < 0.65
