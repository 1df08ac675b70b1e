import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation.optical_flow import METHODS, optical_flow
from vidgen.evaluation.true_flow import end_point_error, true_flow
from vidgen.types import Truth


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("shapes", {"ground": "textured", "objects": 2, "size": 64, "shape_size": 24}),
        ("digits", {}),
        ("camera", {}),
    ],
)
def test_each_pixel_looks_in_the_next_frame_as_it_did_where_it_was(name, options):
    """Pixels brought back along the true flow are the frame again, and without it they are not."""
    cv2 = pytest.importorskip("cv2")
    clips = source(name, split="test", **options)
    for index in range(4):
        clip = clips[index]
        height, width = clip.video.shape[1:3]
        true = true_flow(clip.truth, height, width)
        assert true.flow.shape == (len(clip.video) - 1, height, width, 2)
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        video = clip.video.astype(np.float32)
        warped = np.stack(
            [
                cv2.remap(
                    after,
                    columns + flow[..., 0].astype(np.float32),
                    rows + flow[..., 1].astype(np.float32),
                    cv2.INTER_CUBIC,
                ).reshape(after.shape)
                for flow, after in zip(true.flow, video[1:], strict=True)
            ]
        )
        seen = true.stays & true.moving
        explained = np.abs(warped - video[:-1]).mean(-1)[seen].mean()
        change = np.abs(video[1:] - video[:-1]).mean(-1)[seen].mean()
        assert explained < 0.35 * change, (index, explained, change)


def test_what_goes_behind_another_thing_or_out_of_the_picture_does_not_stay():
    masks = np.zeros((2, 2, 1, 6), bool)
    masks[0, 0, 0, 0:2] = masks[1, 0, 0, 1:3] = True  # moves right by one ...
    masks[:, 1, 0, 2] = True  # ... behind one that stands still
    boxes = np.array([[[0, 0, 1, 2], [0, 2, 1, 3]], [[0, 1, 1, 3], [0, 2, 1, 3]]], np.float32)
    truth = Truth(
        identity=("a", "b"),
        motion=("right", "none"),
        boxes=boxes,
        masks=masks.any(axis=1),
        object_masks=masks,
    )
    found = true_flow(truth, 1, 6)
    assert found.flow[0, 0, :, 0].tolist() == [1, 1, 0, 0, 0, 0]
    assert found.moving[0, 0].tolist() == [True, True, True, False, False, False]
    assert found.stays[0, 0].tolist() == [True, False, True, True, True, True]


def test_a_flow_that_is_not_known_is_refused():
    truth = Truth(
        identity=(), motion=(), boxes=np.zeros((2, 0, 4)), masks=np.zeros((2, 4, 4), bool)
    )
    with pytest.raises(ValueError, match="camera, or a mask of each object"):
        true_flow(truth, 4, 4)


@pytest.mark.parametrize("method", METHODS)
def test_both_methods_find_most_of_a_camera(method):
    """Far below the error of a flow that finds nothing, which is the speed."""
    clips = source("camera", split="test")
    errors, speeds = [], []
    for index in range(12):
        clip = clips[index]
        true = true_flow(clip.truth, *clip.video.shape[1:3])
        found = optical_flow(clip.video, method=method)
        assert found.dtype == np.float32
        errors.append(end_point_error(found, true.flow)[true.stays].mean())
        speeds.append(np.linalg.norm(true.flow, axis=-1)[true.stays].mean())
    assert np.mean(errors) < 0.2 * np.mean(speeds)


def test_one_frame_has_no_flow_and_small_ones_are_refused():
    assert optical_flow(np.zeros((1, 8, 8, 1), np.uint8)).shape == (0, 8, 8, 2)
    with pytest.raises(ValueError, match="at least 8x8"):
        optical_flow(np.zeros((2, 7, 9, 1), np.uint8))
