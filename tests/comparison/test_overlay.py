import numpy as np
import pytest

from vidgen.comparison.overlay import overlaid, told
from vidgen.data import source
from vidgen.types import Truth

BLUE, AMBER, MAGENTA = (0, 190, 255), (255, 170, 0), (255, 0, 255)


def where(shown, colour):
    return (shown == colour).all(axis=-1)


def before_a_camera(camera, side=16):
    frames = len(camera)
    return np.zeros((frames, side, side, 1), np.uint8), Truth(
        identity=("a photograph",),
        motion=("a move",),
        boxes=np.zeros((frames, 0, 4), np.float32),
        masks=np.zeros((frames, side, side), bool),
        camera=np.asarray(camera, float),
    )


def view(scale=1.0, x=0.0, y=0.0, degrees=0.0):
    """A view of 16x16 about the point (100 + x, 100 + y) of the scene."""
    turn = np.radians(degrees)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([linear, [100 + x, 100 + y] - linear @ [8, 8]])


def test_each_object_is_outlined_where_another_hides_it():
    masks = np.zeros((1, 2, 16, 16), bool)
    masks[0, 0, 2:10, 2:10] = True
    masks[0, 1, 6:14, 6:14] = True
    truth = Truth(
        identity=("a", "b"),
        motion=("up", "down"),
        boxes=np.full((1, 2, 4), -9, np.float32),
        masks=masks.any(axis=1),
        object_masks=masks,
    )
    (drawn,) = where(overlaid(np.zeros((1, 16, 16, 1), np.uint8), truth, 1), MAGENTA)
    assert drawn[9, 2:10].all()
    assert drawn[6, 6:14].all()
    assert not drawn[7, 7]


def test_the_first_view_is_framed_where_it_lies_in_the_others():
    clip, truth = before_a_camera([view(), view(x=4), view(x=8)])
    first, middle, _ = where(overlaid(clip, truth, 4), BLUE)
    assert first[:, 0].all()
    # Four pixels to the right of the first view: its right edge stands at 12 of 16.
    assert set(np.nonzero(middle[1:-1])[1]) in ({47}, {48})


def test_a_zoom_shows_where_it_ends():
    clip, truth = before_a_camera([view(), view(0.5)])
    first, last = where(overlaid(clip, truth, 4), AMBER)
    rows, columns = np.nonzero(first)
    assert (rows.min(), columns.min()) == (16, 16)
    assert {rows.max(), columns.max()} <= {47, 48}
    assert last[0].all()


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (view(), "at rest"),
        (view(x=3, y=-2), "3.0 px right, 2.0 px up"),
        (view(0.5), "zoomed 2.00-fold"),
        (view(degrees=30), "30.0 degrees clockwise"),
        (
            view(0.5, x=-4, degrees=-30),
            "4.0 px left, 30.0 degrees counterclockwise, zoomed 2.00-fold",
        ),
    ],
)
def test_the_way_of_a_camera_is_told(last, words):
    _, truth = before_a_camera([view(), last])
    assert told(truth)[1] == f"camera: {words}"


def test_an_episode_is_told_and_its_agent_framed():
    clip = source("babyai", clips=1)[0]
    lines = told(clip.truth)
    assert lines[0] == f"agent: {clip.caption}"
    assert lines[1].startswith("BabyAI-GoToLocal-v0: ")
    assert lines[1].endswith("; mission fulfilled")
    forward = (clip.truth.episode.actions == 2).sum()
    counted = [part.strip().split() for part in lines[1].split(":")[1].split(";")[0].split(",")]
    told_forward = sum(
        int(words[0]) if words[0].isdigit() else 1 for words in counted if words[-1] == "forward"
    )
    assert told_forward == forward
    assert where(overlaid(clip.video, clip.truth, 2), AMBER).any(axis=(1, 2)).all()
