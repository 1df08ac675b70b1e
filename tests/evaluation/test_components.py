import numpy as np
import pytest

from vidgen.evaluation.components import (
    INK_LEVEL,
    Extent,
    cut_exemplars,
    find_objects,
    two_apart,
)

EXTENT = Extent(size=8, least_area=12.0, most_side=12)


def canvas(*blocks, level=255, frames=1):
    """Frames with filled blocks (top, left, height, width)."""
    video = np.zeros((frames, 32, 32, 1), np.uint8)
    for top, left, height, width in blocks:
        video[:, top : top + height, left : left + width] = level
    return video


def test_one_object_is_counted_and_located_in_pixels():
    seen = find_objects(canvas((4, 10, 6, 8)), EXTENT)
    assert seen.count.tolist() == [1]
    np.testing.assert_allclose(seen.centroid, [[7.0, 14.0]])


def test_frames_do_not_touch_each_other():
    video = np.concatenate([canvas((4, 4, 6, 6)), canvas((5, 5, 6, 6)), canvas()])
    seen = find_objects(video, EXTENT)
    assert seen.count.tolist() == [1, 1, 0]
    assert np.isnan(seen.centroid[2]).all()
    assert not seen.crops[2].any()


@pytest.mark.parametrize(
    ("blocks", "count"),
    [
        (((4, 4, 6, 6), (20, 20, 6, 6)), 2),
        (((4, 4, 6, 3), (4, 9, 6, 3)), 1),  # a gap of two pixels is one hand's stroke
        (((4, 4, 6, 3), (4, 10, 6, 3)), 2),  # three are not
        (((4, 4, 6, 6), (20, 20, 3, 3)), 1),  # a speck is no object
        (((4, 4, 6, 16),), 2),  # too long for one: two that touch
        (((20, 20, 3, 3),), 0),
    ],
)
def test_what_counts_as_an_object(blocks, count):
    assert find_objects(canvas(*blocks), EXTENT).count.tolist() == [count]


def test_the_threshold_is_absolute():
    assert find_objects(canvas((4, 4, 6, 6), level=INK_LEVEL), EXTENT).count.tolist() == [1]
    assert find_objects(canvas((4, 4, 6, 6), level=INK_LEVEL - 1), EXTENT).count.tolist() == [0]


def test_the_crop_shows_the_largest_object_alone():
    crops = find_objects(canvas((4, 4, 6, 6), (13, 4, 8, 8)), EXTENT).crops
    alone = find_objects(canvas((13, 4, 8, 8)), EXTENT).crops
    np.testing.assert_array_equal(crops, alone)


def test_two_objects_are_cut_out_where_they_stand_apart():
    one, other, speck = (4, 4, 6, 6), (20, 18, 5, 6), (28, 2, 2, 2)
    scenes = [
        canvas(one, other),
        canvas(one),
        canvas(one, other, speck),
        canvas(one, (4, 11, 6, 6)),  # they touch, and are as long as two
        canvas(one, other, (20, 2, 6, 6)),
        canvas(),
    ]
    apart, alone = two_apart(np.concatenate(scenes), EXTENT)
    assert apart.tolist() == [True, False, True, False, False, False]
    assert alone.shape == (6, 2, 32, 32, 1)
    for frame in (0, 2):
        found = sorted(alone[frame].reshape(2, -1).astype(bool).sum(1))
        assert found == [30, 36]
        np.testing.assert_array_equal(alone[frame].max(0), canvas(one, other)[0])
    assert not alone[~apart].any()


def test_the_extent_comes_from_the_slightest_exemplar():
    exemplars = np.concatenate([canvas((0, 0, 8, 8))[:, :8, :8], canvas((0, 0, 5, 4))[:, :8, :8]])
    extent = Extent.of(exemplars)
    assert (extent.size, extent.least_area) == (8, 10.0)
    with pytest.raises(ValueError, match="exemplar 2 has no pixel"):
        Extent.of(np.concatenate([exemplars, np.zeros_like(exemplars[:1])]))


def test_over_a_ground_ink_outshines_all_of_it():
    exemplars = np.zeros((2, 8, 8, 3), np.uint8)
    exemplars[:, 1:7, 1:7] = (0, 200, 60)
    grounds = np.full((3, 40, 40, 3), 100, np.uint8)
    extent = Extent.of(exemplars, grounds)
    assert extent.level == 150
    assert Extent.of(exemplars).level == INK_LEVEL
    frame = np.full((1, 32, 32, 3), 100, np.uint8)
    frame[:, 4:10, 4:10] = (0, 200, 60)
    seen = find_objects(frame, extent)
    assert seen.count.tolist() == [1]
    np.testing.assert_allclose(seen.centroid, [[7.0, 7.0]], atol=1e-9)
    assert find_objects(frame, Extent.of(exemplars)).count.tolist() == [2]
    cut = cut_exemplars(exemplars, extent, grounds)
    assert (cut[:, 6:10, 6:10] == (0, 200, 60)).all()
    assert (cut[:, 4] == np.where(cut[:, 4].any(-1, keepdims=True), 100, 0)).all()
    with pytest.raises(ValueError, match="cannot be told apart by their light"):
        Extent.of(exemplars, np.full_like(grounds, 210))
