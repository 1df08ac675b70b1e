import numpy as np
import pytest

from vidgen.comparison.flow_colours import colours, wheel


@pytest.mark.parametrize(
    ("flow", "colour"),
    [
        ((0, 0), (255, 255, 255)),
        ((2, 0), (255, 0, 0)),  # right is red
        ((-2, 0), (0, 209, 255)),  # left lies between cyan and blue
        ((0, 2), (255, 230, 0)),  # down is near yellow
        ((-1.4, 1.4), (34, 255, 3)),  # down and left is near green
        ((1, 0), (255, 128, 128)),  # half as fast is half as far from white
        ((4, 0), (191, 0, 0)),  # faster than the scale is darker
    ],
)
def test_direction_is_hue_and_speed_is_saturation(flow, colour):
    found = colours(np.array(flow, np.float64), 2.0)
    np.testing.assert_allclose(found.astype(int), colour, atol=1)


def test_neighbouring_directions_have_neighbouring_colours():
    angles = np.linspace(0, 2 * np.pi, 721)
    ring = colours(np.stack([np.cos(angles), np.sin(angles)], axis=-1), 1.0).astype(int)
    assert np.abs(np.diff(ring, axis=0)).max() <= 24
    assert len(np.unique(ring, axis=0)) > 300


def test_the_wheel_shows_where_each_colour_points():
    drawn = wheel(101)
    assert drawn.shape == (101, 101, 3)
    assert (drawn[0, 0] == 255).all()
    np.testing.assert_array_equal(drawn[50, 50], [255, 255, 255])
    np.testing.assert_array_equal(drawn[50, 99], colours(np.array([49.0, 0.0]) / 50.5, 1.0))
    np.testing.assert_array_equal(drawn[99, 50], colours(np.array([0.0, 49.0]) / 50.5, 1.0))
