import numpy as np
import pytest

from vidgen.data.shapes import COLOURS
from vidgen.data.sprites import Sprites


@pytest.fixture
def soft():
    """Objects of every colour, whose cover takes every value, above an empty row."""
    cover = np.zeros((len(COLOURS), 17, 17), np.uint8)
    cover[:, 1:] = np.linspace(0, 255, 16 * 17).reshape(16, 17).round()
    colours = np.array(list(COLOURS.values()))[:, None, None]
    images = np.rint(cover[..., None] / 255 * colours).astype(np.uint8)
    return Sprites(images, [*COLOURS], [*COLOURS], cover)


@pytest.mark.parametrize("behind", [0, 7, 112, 255])
def test_what_lies_over_hides_its_share_and_never_wraps_round(soft, behind):
    for row in range(len(COLOURS)):
        video = np.full((2, 20, 30, 3), behind, np.uint8)
        soft.lay_over(video, row, [0, 3], [13, 2])
        share = soft.cover[row][..., None] / 255
        mixed = soft.images[row] + behind * (1 - share)
        for frame, y, x in zip(video, (0, 3), (13, 2), strict=True):
            error = frame[y : y + 17, x : x + 17].astype(float) - mixed
            # Rounding down loses less than one; the share is rounded to 1/256.
            assert error.min() > -1.5
            assert error.max() < 1.0
            outside = frame.copy()
            outside[y : y + 17, x : x + 17] = behind
            assert (outside == behind).all()


def test_light_adds_no_darkness():
    rng = np.random.default_rng(0)
    digit = rng.integers(0, 256, (1, 5, 5, 1), np.uint8)
    sprites = Sprites(digit, ["3"], ["3"])
    before = rng.integers(0, 256, (3, 9, 9, 1), np.uint8)
    video = before.copy()
    sprites.lay_over(video, 0, [0, 2, 4], [4, 1, 0])
    expected = before.copy()
    for frame, y, x in zip(expected, (0, 2, 4), (4, 1, 0), strict=True):
        frame[y : y + 5, x : x + 5] = np.maximum(frame[y : y + 5, x : x + 5], digit[0])
    np.testing.assert_array_equal(video, expected)


def test_an_object_without_ink_is_refused():
    with pytest.raises(ValueError, match="no ink"):
        _ = Sprites(np.full((1, 4, 4, 1), 25, np.uint8), ["x"], ["x"]).boxes
