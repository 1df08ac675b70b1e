import numpy as np
import pytest
import seeing

from vidgen.data import source
from vidgen.evaluation.detection import examine_detected, follow_boxes, judge_seen, motion_of_boxes
from vidgen.evaluation.features import UnsuitableClipsError
from vidgen.evaluation.motion_fit import MotionModel


def judged(found, asked, identity, *, motion=None):
    wanted = seeing.Told(found).classes_of(identity)
    return judge_seen(found, asked, asked, wanted, classes=3, motion=motion)


def test_count_conservation_and_overlaps_by_hand():
    box, half = [2, 2, 6, 6], [2, 4, 6, 8]  # they share 8 of 24 pixels
    faint = (box, 0.4, "b")  # below the level: not there
    doubled = (box, 0.6, "b")  # where a better one is: the same object
    frames = [
        [[(box, 0.9, "a"), faint], [(half, 0.9, "a")], [(box, 0.9, "a"), doubled], []],
        [[(box, 0.9, "a")], [(box, 0.9, "b")], [(half, 0.7, "a"), ([9, 9, 13, 13], 0.9, "c")], []],
        [[]] * 4,
    ]
    asked = seeing.prompts(np.tile(np.float32(box), (3, 4, 1, 1)), (("a",),) * 3, (("up",),) * 3)
    found = judged(seeing.seen(frames), asked, (("a",),) * 3)
    assert found.count.tolist() == [[1, 1, 1, 0], [1, 1, 2, 0], [0, 0, 0, 0]]
    third = 1 / 3
    np.testing.assert_allclose(
        found.box_overlap, [[1, third, 1, 0], [1, 0, third, 0], [0] * 4], atol=1e-6
    )
    np.testing.assert_allclose(found.mask_overlap, found.box_overlap, atol=1e-6)
    assert found.conserved.tolist() == [False, False, False]  # of 4 frames all 4 must be alike
    assert np.isnan(found.relation).all()
    assert found.success is None
    assert "detected_success" not in found.measures()


def test_the_same_objects_all_through_are_conserved_whichever_they_are():
    one, two = ([1, 1, 5, 5], 0.9, "a"), ([8, 8, 12, 12], 0.8, "c")
    missing = [[one, two]] * 7 + [[one]]
    morphs = [[one, two]] * 6 + [[one, ([8, 8, 12, 12], 0.8, "b")]] * 2
    asked = seeing.prompts(
        np.tile(np.float32([[1, 1, 5, 5], [8, 8, 12, 12]]), (2, 8, 1, 1)),
        (("b", "c"),) * 2,
        (("up", "up"),) * 2,
    )
    found = judged(seeing.seen([missing, morphs]), asked, (("b", "c"),) * 2)
    assert found.conserved.tolist() == [True, False]


def test_relations_by_hand():
    high, low = [1, 1, 5, 5], [9, 1.5, 13, 5.5]  # above each other, within a pixel sideways
    asked = seeing.prompts(
        np.tile(np.float32([high, low]), (1, 3, 1, 1)), (("a", "b"),), (("up", "up"),)
    )
    right = [(high, 0.9, "a"), ([9, 0, 13, 4], 0.9, "b")]
    wrong = [(low, 0.9, "a"), (high, 0.9, "b")]
    found = judged(seeing.seen([[right, wrong, right[:1]]]), asked, (("a", "b"),))
    np.testing.assert_array_equal(found.relation, [[1, 0, 0]])
    left = np.tile(np.float32([high, [9, 9, 13, 13]]), (1, 3, 1, 1))
    both = seeing.prompts(left, (("a", "b"),), (("up", "up"),))
    found = judged(seeing.seen([[right, wrong, right[:1]]]), both, (("a", "b"),))
    # Below in the first frame, but to the left; above and to the right, of which neither is so.
    np.testing.assert_array_equal(found.relation, [[0.5, 0, 0]])


def test_a_clip_that_failed_shows_nothing():
    box = [2, 2, 6, 6]
    asked = seeing.prompts(np.tile(np.float32(box), (2, 4, 1, 1)), (("a",),) * 2, (("up",),) * 2)
    clips = asked.replace(failed=np.array([True, False]))
    found = judge_seen(
        seeing.seen([[[(box, 0.9, "a")]] * 4] * 2),
        clips,
        asked,
        np.zeros((2, 1), np.int64),
        classes=3,
        motion=None,
    )
    assert found.count.sum(1).tolist() == [0, 4]
    assert found.box_overlap.mean(1).tolist() == [0, 1]
    assert found.conserved.tolist() == [False, True]


@pytest.fixture(scope="module")
def world():
    """A source and how the middles of its boxes move."""
    train = source(
        "digits", size=16, frames=8, digit_size=8, speed=1, min_moves=1, motion="diagonal"
    )
    motion = motion_of_boxes(train)
    assert isinstance(motion, MotionModel)
    return train, motion


def along(path, label="a"):
    return [[([y, x, y + 4, x + 4], 0.9, label)] for y, x in path]


def test_success_asks_for_identity_count_and_motion_at_once(world):
    _, motion = world
    right = [(2 + t, 5) for t in range(8)]
    back = right[::-1]
    two = along(right)
    for t in (3, 5):
        two[t] = [*two[t], ([11, 11, 15, 15], 0.8, "b")]
    once = along(right)
    once[4] = [*once[4], ([11, 11, 15, 15], 0.8, "b")]
    morph = along(right[:5]) + along(right[5:], "b")
    frames = [along(right), along(back), two, once, morph, along([right[0]] * 8)]
    n = len(frames)
    truth = np.array([[[[y, x, y + 4, x + 4]] for y, x in right]] * n, np.float32)
    for given in (True, False):
        asked = seeing.prompts(truth, (("a",),) * n, (("down",),) * n, given=given)
        found = judged(seeing.seen(frames), asked, (("a",),) * n, motion=motion)
        assert found.success.tolist() == [True, False, False, True, False, False]
    # Where the first frame is given, the path must begin there.
    aside = [[([y, x + 5, y + 4, x + 9], 0.9, "a")] for y, x in right]
    asked = seeing.prompts(truth[:1], (("a",),), (("down",),))
    assert not judged(seeing.seen([aside]), asked, (("a",),), motion=motion).success.any()


def test_of_two_objects_each_must_move_as_asked(world):
    _, motion = world
    down, up = [(2 + t, 2) for t in range(8)], [(10 - t, 10) for t in range(8)]
    pairs = [(down, up), (down, up[::-1]), (up, down)]
    frames = [
        [a + b for a, b in zip(along(first), along(second, "b"), strict=True)]
        for first, second in pairs
    ]
    truth = [[[y, x, y + 4, x + 4] for y, x in places] for places in zip(down, up, strict=True)]
    asked = seeing.prompts(
        np.array([truth] * 3, np.float32), (("a", "b"),) * 3, (("down", "up"),) * 3, given=False
    )
    found = judged(seeing.seen(frames), asked, (("a", "b"),) * 3, motion=motion)
    # As asked; the second turns back; and they have changed places.
    assert found.success.tolist() == [True, False, False]


def test_a_box_reaches_no_further_from_its_cell_than_the_exemplars_do(world):
    train, motion = world
    ink = train.exemplars()[0].max(3) >= 26
    rows = [np.flatnonzero(one.any(1)) for one in ink]
    furthest = max(abs((r[0] + r[-1] + 1) / 2 - 4) for r in rows)
    assert motion.reach[0] == furthest + 0.5


def test_following_boxes_by_hand():
    box, half = [2, 2, 6, 6], [2, 4, 6, 8]
    frames = [
        [[(box, 0.9, "a"), (half, 0.7, "b")], [(half, 0.9, "a")]],
        [[(box, 0.9, "b")], []],
        [[(box, 0.9, "a"), ([9, 9, 13, 13], 0.8, "a")], [([9, 9, 13, 13], 0.9, "a")]],
        [[], []],
    ]
    nan = [np.nan] * 4
    asked = np.array(
        [
            [[box, nan], [box, nan]],
            [[box, nan], [box, nan]],
            [[box, [9, 9, 13, 13]], [box, [9, 9, 13, 13]]],
            [[nan, nan], [nan, nan]],
        ],
        np.float32,
    )
    network = seeing.Told(seeing.seen(frames))
    video = np.zeros((4, 2, 16, 16, 1), np.uint8)
    names = (("a",), ("a",), ("a", "a"), ("a",))
    found = follow_boxes(network, video, asked, names)
    # a third in the second frame; nothing of the class; both and then one of two; nothing asked
    np.testing.assert_allclose(found, [2 / 3, 0, 3 / 4, np.nan], atol=1e-6)
    failed = np.array([True, False, False, True])
    found = follow_boxes(network, video, asked, names, failed)
    np.testing.assert_allclose(found, [0, 0, 3 / 4, np.nan], atol=1e-6)
    with pytest.raises(ValueError, match="do not belong together"):
        follow_boxes(network, video, asked, names[:3])


def test_prompts_without_truth_are_refused():
    asked = seeing.prompts(np.zeros((1, 2, 1, 4)), (("a",),), (("up",),)).replace(truth=None)
    with pytest.raises(UnsuitableClipsError, match="no truth"):
        examine_detected(seeing.Told(seeing.seen([[[], []]])), asked, asked)
