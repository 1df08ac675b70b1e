import dataclasses

import numpy as np
import pytest

from vidgen.data import FAMILIES, MOTIONS, Physics, starts, trajectory

DIAGONAL = Physics(
    height=32,
    width=32,
    size=14,
    speed=2.0,
    frames=8,
    motions=FAMILIES["diagonal"],
    min_moves=3,
)
MAGE = Physics(
    height=64, width=64, size=28, speed=3.6, frames=20, motions=FAMILIES["mage"], min_moves=2
)
SYNC_DRAW = dataclasses.replace(MAGE, speed=7.2, frames=10, motions=FAMILIES["sync-draw"])
WORLDS = [(world, motion) for world in (DIAGONAL, MAGE, SYNC_DRAW) for motion in world.motions]


def every_start(physics, motion):
    low, high = starts(physics, motion)
    grid = np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(low, high, strict=True)))
    return np.stack(grid, axis=-1).reshape(-1, 2)


def test_bounces_are_flush_and_turn_back():
    path = trajectory(DIAGONAL, "down and left", np.array([[1, 5], [11, 7]]))
    assert path[0, :, 0].tolist() == [1, 3, 5, 7, 9, 11, 13, 15]
    assert path[0, :, 1].tolist() == [5, 3, 1, 0, 2, 4, 6, 8]
    assert path[1, :, 0].tolist() == [11, 13, 15, 17, 18, 16, 14, 12]
    assert path[1, :, 1].tolist() == [7, 5, 3, 1, 0, 2, 4, 6]


def test_fractional_speeds_are_rounded_for_display_only():
    path = trajectory(MAGE, "right then left", np.array([[3, 0]]))
    exact = [0, 3.6, 7.2, 10.8, 14.4, 18, 21.6, 25.2, 28.8, 32.4, 36, 32.4, 28.8, 25.2]
    assert path[0, :14, 1].tolist() == [int(np.floor(x + 0.5)) for x in exact]
    assert (path[0, :, 0] == 3).all()


@pytest.mark.parametrize(("physics", "motion"), WORLDS)
def test_every_start_shows_its_motion_inside_the_canvas(physics, motion):
    path = trajectory(physics, motion, every_start(physics, motion))
    assert path.min() >= 0
    assert (path <= np.array(physics.free)).all()
    sign = np.sign(np.diff(path, axis=1))
    heading = np.array(MOTIONS[motion].heading)
    assert (sign[:, : physics.min_moves] == heading).all()
    # What does not head along an axis never moves along it.
    assert not sign[..., heading == 0].any()
    if MOTIONS[motion].turns:
        back = (sign == -heading) & (heading != 0)
        assert (back.sum(axis=1).max(axis=1) >= physics.min_moves).all()


@pytest.mark.parametrize("motion", DIAGONAL.motions)
def test_at_whole_speeds_an_object_never_stands_still(motion):
    moves = np.abs(np.diff(trajectory(DIAGONAL, motion, every_start(DIAGONAL, motion)), axis=1))
    moving = np.array(MOTIONS[motion].heading) != 0
    assert (moves[..., moving] > 0).all()
    assert moves.max() == 2


def test_opposite_motions_mirror_each_other():
    start = every_start(DIAGONAL, "up and left")
    free = np.array(DIAGONAL.free)
    mirrored = trajectory(DIAGONAL, "down and right", free - start)
    np.testing.assert_array_equal(free - mirrored, trajectory(DIAGONAL, "up and left", start))


def test_starts_of_what_turns_leave_time_to_come_back():
    short = dataclasses.replace(MAGE, frames=8)
    low, high = starts(short, "up then down")
    assert low[0] == 8
    assert high[0] == 18
    path = trajectory(short, "up then down", np.array([[18, 0]]))[0, :, 0]
    assert path.argmin() == 5


def test_a_start_outside_the_canvas_is_refused():
    with pytest.raises(ValueError, match="outside the free canvas"):
        trajectory(DIAGONAL, "up", np.array([[19, 0]]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 33}, "33 px does not fit a canvas of 32x32"),
        ({"speed": 7.0}, "cannot show 3 moves of 7 px"),
        ({"speed": 0.0}, "speed must be positive"),
        ({"speed": float("nan")}, "speed must be positive"),
        ({"min_moves": 8}, r"min_moves must lie in \[1, 7\]"),
        ({"frames": 0}, "frames must be at least 1"),
        ({"motions": ("sideways",)}, "no motion is called 'sideways'"),
        ({"motions": ()}, "at least one motion"),
        ({"motions": ("up then down",), "min_moves": 4}, "before and after its turn"),
    ],
)
def test_impossible_worlds_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(DIAGONAL, **change)
