import jax.numpy as jnp
import numpy as np

from vidgen.vision.detection.assignment import by_centre, by_overlap
from vidgen.vision.detection.losses import binary, focal, smooth_l1

POINTS = np.stack(np.meshgrid([2, 6, 10, 14], [2, 6, 10, 14], indexing="ij"), -1).reshape(-1, 2)
POINTS = jnp.asarray(POINTS, jnp.float32)
"""Middles of 4x4 cells of 4 pixels."""


def centre(boxes, there):
    found = by_centre(POINTS, jnp.array(boxes, jnp.float32), jnp.array(there), stride=4.0)
    return np.asarray(found).reshape(4, 4)


def test_cells_around_the_middle_answer_and_of_two_objects_for_the_smaller():
    # The middle of the whole frame is (8, 8): cells within 6 pixels of it, but not at 6.
    whole = centre([[0, 0, 16, 16]], [True])
    np.testing.assert_array_equal(whole == 0, np.pad(np.ones((2, 2), bool), 1))
    both = centre([[0, 0, 16, 16], [5, 5, 9, 9]], [True, True])
    assert both[1, 1] == 1  # whose middle (6, 6) lies in the small box too
    assert both[2, 2] == 0  # (10, 10) does not
    assert (both >= 0).sum() == 4


def test_the_smallest_object_gets_its_nearest_cell_and_padding_none():
    tiny = centre([[3.2, 3.2, 3.8, 3.8], [0, 0, 0, 0]], [True, False])
    assert np.argwhere(tiny >= 0).tolist() == [[0, 0]]
    assert tiny.max() == 0


def test_overlap_decides_by_two_thresholds_and_the_best_answers_anyway():
    boxes = jnp.array([[0.0, 0, 4, 4], [10, 10, 20, 20], [0, 0, 0, 0]])
    there = jnp.array([True, True, False])
    candidates = jnp.array(
        [
            [0, 0, 4, 4],  # the first itself
            [0, 0, 4, 8],  # half of it is: between the thresholds
            [0, 4, 4, 8],  # beside it
            [10, 10, 14, 14],  # 0.16 of the second, and no other has more
            [0, 0, 0, 0],  # padding
        ],
        jnp.float32,
    )
    strict = by_overlap(candidates, boxes, there, low=0.3, high=0.7)
    assert np.asarray(strict).tolist() == [0, -2, -1, -1, -1]
    best = by_overlap(candidates, boxes, there, low=0.3, high=0.7, best_too=True)
    assert np.asarray(best).tolist() == [0, -2, -1, 1, -1]


def test_losses_by_hand():
    p = jnp.array([0.9, 0.2])
    logits = jnp.log(p / (1 - p))
    wanted = jnp.array([1.0, 0])
    np.testing.assert_allclose(binary(logits, wanted), -np.log([0.9, 0.8]), rtol=1e-5)
    # a_t (1 - p_t)^2 times that.
    expected = [0.25 * 0.1**2 * -np.log(0.9), 0.75 * 0.2**2 * -np.log(0.8)]
    np.testing.assert_allclose(focal(logits, wanted), expected, rtol=1e-4)
    np.testing.assert_allclose(smooth_l1(jnp.array([0.5, -3])), [0.125, 2.5], rtol=1e-6)
    np.testing.assert_allclose(smooth_l1(jnp.array([0.1, 2]), beta=0.5), [0.01, 1.75], rtol=1e-6)
