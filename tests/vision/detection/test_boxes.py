import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.vision.detection import (
    area,
    decode,
    encode,
    generalised_overlap,
    overlap,
    overlaps,
    within,
)


def boxes(*rows):
    return jnp.array(rows, jnp.float32)


def test_overlaps_by_hand():
    a = boxes([0, 0, 4, 4], [0, 0, 2, 2])
    b = boxes([2, 2, 4, 6], [4, 4, 8, 8], [0, 0, 0, 0], [3, 3, 1, 1])
    np.testing.assert_allclose(area(b), [8, 16, 0, 0])
    # 4 pixels in common of 16 + 8 - 4; corners that touch, nothing, and a box turned inside out.
    np.testing.assert_allclose(overlaps(a, b), [[0.2, 0, 0, 0], [0, 0, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(overlap(a, a), [1, 1], rtol=1e-6)


def test_generalised_overlap_by_hand_falls_as_boxes_part():
    one = boxes([0, 0, 2, 2])
    others = boxes([0, 0, 2, 2], [0, 2, 2, 4], [0, 4, 2, 6], [0, 1, 2, 3])
    # Hulls of 4, 8, 12 and 6 pixels; unions of 4, 8, 8 and 6.
    expected = [1, 0, -4 / 12, 2 / 6]
    np.testing.assert_allclose(generalised_overlap(one, others), expected, atol=1e-6)
    slope = jax.grad(lambda b: generalised_overlap(one[0], b))(others[2])
    assert slope[1] < 0  # nearer would be better, although nothing overlaps yet
    assert np.isfinite(jax.grad(lambda b: generalised_overlap(one[0] * 0, b))(others[0] * 0)).all()


def test_offsets_by_hand_and_back():
    anchor, box = boxes([0, 0, 4, 8]), boxes([1, 2, 9, 6])
    # Middle (5, 4) against (2, 4), sides (8, 4) against (4, 8).
    np.testing.assert_allclose(
        encode(box, anchor), [[3 / 4, 0, np.log(2), np.log(0.5)]], rtol=1e-6, atol=1e-7
    )
    np.testing.assert_allclose(decode(encode(box, anchor), anchor), box, rtol=1e-5)
    huge = decode(boxes([0, 0, 99, 0]), anchor)
    np.testing.assert_allclose(huge[0, 2] - huge[0, 0], 4 * 62.5, rtol=1e-5)


def test_boxes_are_cut_to_the_frame():
    cut = within(boxes([-3, 2, 40, 90]), 32, 64)
    np.testing.assert_array_equal(cut, [[0, 2, 32, 64]])


@pytest.mark.parametrize("of", [overlaps, generalised_overlap])
def test_padding_overlaps_nothing(of):
    rows = boxes([0, 0, 0, 0])
    assert float(np.max(of(rows, rows))) <= 0
