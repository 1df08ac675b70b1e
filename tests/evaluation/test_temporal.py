import sys

import numpy as np
import pytest
from scipy import ndimage

from vidgen.evaluation.frame_judge import frame_scores, temporal_frames
from vidgen.evaluation.optical_flow import frame_pairs
from vidgen.evaluation.temporal import flicker, motion


def moving(speed, frames=5, size=40, seed=0, channels=1):
    """uint8 [1 T H W C], smooth texture that moves right by `speed` pixels a frame."""
    rng = np.random.default_rng(seed)
    wide = ndimage.gaussian_filter(rng.random((size, size + 40)), 2, mode="wrap")
    wide = 255 * (wide - wide.min()) / np.ptp(wide)
    clip = [ndimage.shift(wide, (0, t * speed), order=3, mode="nearest") for t in range(frames)]
    clip = np.clip(np.stack(clip)[:, :, 20 : 20 + size], 0, 255).astype(np.uint8)
    return np.repeat(clip[None, ..., None], channels, axis=-1)


def test_flicker_by_hand():
    video = np.zeros((1, 3, 2, 2, 1), np.uint8)
    video[0, 1] = 10
    video[0, 2, 0, 0] = 250
    np.testing.assert_allclose(flicker(video), [[10, (240 + 30) / 4]])


@pytest.mark.parametrize(("speed", "channels"), [(1.0, 1), (1.0, 3), (2.0, 1)])
def test_motion_is_found_in_pixels_a_frame_and_explains_the_change(speed, channels):
    found = motion(moving(speed, channels=channels))
    assert found.degree.shape == found.warp_error.shape == (1, 4)
    # The fastest 5% are a little faster than all.
    assert (found.degree > speed - 0.05).all()
    assert np.median(found.degree) < 1.3 * speed
    assert (found.warp_error < 0.2 * flicker(moving(speed))).all()


def test_a_frozen_clip_has_neither_flicker_nor_motion():
    still = moving(0.0)
    found = motion(still)
    assert flicker(still).max() == 0
    assert found.degree.max() < 0.1
    assert found.warp_error.max() < 0.5


def test_motion_does_not_explain_new_light():
    video = moving(1.0)
    lit = video.copy()
    lit[:, 1::2] = lit[:, 1::2] // 2
    assert motion(lit).warp_error.mean() > 3 * motion(video).warp_error.mean()


def test_what_is_covered_next_is_not_held_against_the_clip():
    """A textured square moves over a textured ground that stands still."""
    rng = np.random.default_rng(0)
    ground = 0.6 * ndimage.gaussian_filter(255 * rng.random((64, 64)), 1.5)
    square = 100 + ndimage.gaussian_filter(155 * rng.random((24, 24)), 1.5)
    step = 5
    clip = np.repeat(ground[None], 3, axis=0)
    for t, frame in enumerate(clip):
        frame[20:44, 10 + step * t : 34 + step * t] = square
    clip = clip.astype(np.uint8)[..., None]
    for t, pair in enumerate(frame_pairs(clip)):
        covered_next = np.s_[22:42, 34 + step * t : 34 + step * (t + 1)]
        assert pair.visible[covered_next].mean() < 0.5
        assert pair.visible.mean() > 0.85
        assert pair.error[covered_next].mean() > 10 * pair.error[pair.visible].mean()
    hidden = motion(clip[None]).warp_error
    assert (hidden < 0.7 * np.array([pair.error.mean() for pair in frame_pairs(clip)])).all()


@pytest.mark.parametrize("measure", [flicker, motion])
def test_one_frame_has_no_change(measure):
    with pytest.raises(ValueError, match="two frames"):
        measure(np.zeros((1, 1, 16, 16, 1), np.uint8))


def test_frames_too_small_for_flow_are_refused_by_name(prompts):
    few = prompts[:4].replace(truth=None)
    few = few.replace(video=few.video[:, :, :6, :6].copy())
    with pytest.raises(ValueError, match="8x8"):
        temporal_frames(few, few)


def test_without_opencv_the_note_says_what_to_install(prompts, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r"vidgen\[metrics\]"):
        temporal_frames(prompts[:4], prompts[:4])


def test_a_clip_that_comes_to_rest_drifts(prompts):
    few = prompts[:24]
    rest = few.video.copy()
    rest[:, 4:] = rest[:, 3:4]
    frames = temporal_frames(few.replace(video=rest), few)
    scores = frame_scores(frames)(np.ones(24, bool), "all")
    assert scores["drift_dynamic_degree"].high < 0
    assert scores["drift_flicker"].high < 0
    assert scores["drift_flicker"].better == "lower"


def test_frames_that_were_given_or_failed_count_for_nothing(prompts):
    few = prompts[:4]
    failed = np.arange(4) == 3
    two = few.replace(context_frames=2, context_mask=np.arange(4) < 1)
    for values in temporal_frames(few.replace(failed=failed), two).values():
        known = np.isfinite(values)
        assert not known[0, :2].any()
        assert known[0, 2:].all()
        assert known[1:3, 1:].all()
        assert not known[3].any()
