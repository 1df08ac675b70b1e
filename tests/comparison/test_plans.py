import json

import numpy as np
import pytest

from vidgen.comparison.plans import LARGEST, read

BOX = [4, 4, 18, 14]


@pytest.fixture
def file(tmp_path):
    def write(*objects, text=None):
        path = tmp_path / "plan.json"
        path.write_text(json.dumps({"objects": objects}) if text is None else text)
        return path

    return write


def test_boxes_move_straight_from_key_to_key(file):
    moving = {"identity": "3", "boxes": {"1": BOX, "5": [12, 4, 26, 14], "6": [12, 4, 26, 14]}}
    found = read(file(moving, {"identity": "4", "boxes": {"0": BOX}}), frames=8)
    assert found.identity == ("3", "4")
    assert found.boxes.shape == (8, 2, 4)
    assert found.boxes.dtype == np.float32
    np.testing.assert_allclose(found.boxes[1:7, 0, 0], [4, 6, 8, 10, 12, 12])
    np.testing.assert_allclose(found.boxes[1:7, 0, 1], 4)
    assert np.isnan(found.boxes[[0, 7], 0]).all()
    np.testing.assert_array_equal(np.isfinite(found.boxes[:, 1, 0]), [True] + [False] * 7)


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ({"8": BOX}, "there is no frame 8 in a clip of 8, which are 0 to 7"),
        ({"-1": BOX}, "there is no frame -1"),
        ({"first": BOX}, "frames are whole numbers"),
        ({"0": [1, 2, 3]}, "the box of frame 0 must be four finite numbers"),
        ({"0": [1, 2, 3, float("nan")]}, "must be four finite numbers"),
        ({"0": "here"}, "boxes four numbers"),
        ({"0": [9, 0, 4, 4]}, "ends before it begins"),
        ({}, "has no boxes"),
        ({"0": BOX, "00": BOX}, "frame 0 is told twice"),
        ({"7.9": BOX}, "frames are whole numbers"),
        ({"0": [10**400, 0, 4, 4]}, "boxes four numbers"),
        ([[7.9, BOX]], "is no plan"),
    ],
)
def test_boxes_that_make_no_sense_are_refused(file, boxes, message):
    with pytest.raises(ValueError, match=message):
        read(file({"identity": "3", "boxes": boxes}), frames=8)


@pytest.mark.fault(19)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no plan"),
        ("[]", "is no plan"),
        ('{"objects": [{"boxes": {}}]}', "is no plan.*identity"),
        ('{"objects": 3}', "is no plan"),
        ('{"objects": []}', "places no object"),
        ("[" * 400_000, "is no plan"),
        ('{"objects": [{"identity": "3", "boxes": {}, "colour": 1}]}', "'colour' is none of"),
        (
            '{"objects": [{"identity": null, "boxes": {"0": [0, 0, 4, 4]}}]}',
            "say in words what it is",
        ),
        (
            '{"objects": [{"identity": " ", "boxes": {"0": [0, 0, 4, 4]}}]}',
            "say in words what it is",
        ),
        (" " * (LARGEST + 1), "more than 1,000,000 bytes"),
    ],
)
def test_files_that_are_no_plans_are_refused(file, text, message):
    with pytest.raises(ValueError, match=message):
        read(file(text=text), frames=8)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.json does not exist"):
        read(tmp_path / "none.json", frames=8)
    with pytest.raises(ValueError, match="is a folder"):
        read(tmp_path, frames=8)
