import numpy as np
import pytest

from vidgen.data import Physics, starts, trajectory
from vidgen.evaluation.motion_fit import MotionModel, bounce_error, required

WORLD = Physics(
    height=32,
    width=32,
    size=14,
    speed=2.0,
    frames=8,
    motions=("up", "down", "left", "right", "up and left", "down and right"),
    min_moves=3,
)
MODEL = MotionModel(physics=WORLD, reach=np.array([2.0, 2.0]), share=7 / 8)
UNGIVEN = np.full((1, 2), np.nan)


def paths(motion, offset=(0.0, 0.0)):
    """Centroids [S T 2] from every start along the diagonal of the starts."""
    low, high = starts(WORLD, motion)
    corner = np.stack([np.linspace(a, b, 7).astype(int) for a, b in zip(low, high, strict=True)], 1)
    return trajectory(WORLD, motion, corner) + 7.0 + np.array(offset)


def name(fit):
    return [MODEL.classes[i] for i in fit.motion]


def fit(path, first=None, asked="up"):
    first = np.full((len(path), 2), np.nan) if first is None else first
    return MODEL.fit(path, first, np.full(len(path), MODEL.classes.index(asked)))


@pytest.mark.parametrize("motion", WORLD.motions)
@pytest.mark.parametrize("offset", [(0.0, 0.0), (1.8, -1.2)])
def test_every_motion_is_recognised_bounces_included(motion, offset):
    path = paths(motion, offset)
    found = fit(path, asked=motion)
    assert set(name(found)) == {motion}
    np.testing.assert_allclose(found.residual, 0.0, atol=1e-9)


@pytest.mark.parametrize("motion", WORLD.motions)
def test_wobble_and_one_lost_frame_are_forgiven_and_two_are_not(motion):
    path = paths(motion) + np.random.default_rng(0).normal(scale=0.25, size=(7, 8, 2))
    path[:, 3] = np.nan
    found = fit(path, asked=motion)
    assert set(name(found)) == {motion}
    assert np.isnan(found.residual[:, 3]).all()
    path[:, 5] = np.nan
    assert set(name(fit(path))) == {"none"}


def test_one_wild_frame_decides_nothing():
    path = paths("left")
    path[:, 4] += 15.0
    assert set(name(fit(path))) == {"left"}


def test_standing_still_is_static_and_a_random_walk_is_nothing():
    still = np.tile(np.array([12.0, 20.0]), (1, 8, 1))
    assert name(fit(still)) == ["static"]
    wild = np.random.default_rng(0).uniform(7, 25, size=(50, 8, 2))
    assert set(name(fit(wild))) == {"none"}
    assert name(fit(np.full((1, 8, 2), np.nan))) == ["none"]


def test_stopping_midway_is_no_motion():
    path = paths("up")
    path[:, 4:] = path[:, 3:4]
    assert "up" not in name(fit(path))


def test_half_the_speed_is_another_motion():
    path = paths("right")
    slow = path[:, :1] + (path - path[:, :1]) / 2
    assert "right" not in name(fit(slow))


def test_a_given_first_frame_fixes_where_the_path_starts():
    path = paths("up")
    assert set(name(fit(path, first=path[:, 0]))) == {"up"}
    elsewhere = path[:, 0] + np.array([0.0, 5.0])
    assert "up" not in name(fit(path, first=elsewhere))


def test_seven_of_eight_is_rounded_up():
    assert [required(t, 7 / 8) for t in (1, 4, 8, 9, 16, 20)] == [1, 4, 7, 8, 14, 18]


def test_where_the_object_should_be_is_the_best_path_of_the_motion_asked():
    path = paths("up", (1.0, -1.0))
    np.testing.assert_allclose(fit(path).expected, path)
    wrong = fit(path, asked="down")
    gap = np.linalg.norm(wrong.expected - path, axis=-1)
    np.testing.assert_allclose(gap, wrong.residual)
    assert gap.max() > WORLD.speed


def test_a_late_bounce_is_late_by_its_frames_and_no_bounce_has_no_error():
    up = np.array([[10.0, 8, 6, 4, 6, 8, 10, 12], [16, 14, 12, 10, 8, 6, 4, 2]])
    due = np.stack([up, np.full_like(up, 9.0)], axis=-1)
    heading = np.array([[-1, 0], [-1, 0]])
    late = due.copy()
    late[0, :, 0] = [10, 8, 6, 5, 4.5, 4, 6, 8]
    np.testing.assert_array_equal(bounce_error(due, due, heading), [0.0, np.nan])
    np.testing.assert_array_equal(bounce_error(late, due, heading), [2.0, np.nan])
    unseen = np.full_like(due, np.nan)
    assert np.isnan(bounce_error(unseen, due, heading)).all()
    # Both axes of a diagonal count, and the one that does not bounce does not dilute.
    both = np.stack([up[0], up[1]], axis=-1)[None]
    off = both.copy()
    off[0, :, 0] = [10, 8, 6, 6, 4, 6, 8, 10]
    np.testing.assert_array_equal(bounce_error(off, both, np.array([[-1, -1]])), [1.0])
