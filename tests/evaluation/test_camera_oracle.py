import sys

import numpy as np
import pytest

from vidgen.data import source
from vidgen.data.camera_motion import HOLD, scripts
from vidgen.evaluation import UnjudgeableError, camera_own_error, camera_success, protocol
from vidgen.evaluation.camera_broken import camera_broken
from vidgen.evaluation.camera_flow import flow
from vidgen.evaluation.camera_oracle import _right_steps, examine_camera


@pytest.fixture(scope="module")
def real():
    """32 pixels and 8 frames: a quarter of the time of the defaults, and harder to measure."""
    chosen = source("camera", split="test", size=32, frames=8, clips=300)
    return protocol(chosen, n=40, seed=0, context_frames=1)


@pytest.fixture(scope="module")
def moving(real):
    return real[np.array([HOLD not in motion for motion in real.truth.motion])]


@pytest.fixture(scope="module")
def verdicts(real):
    return examine_camera(real, real)


def test_real_held_out_clips_succeed(verdicts):
    assert verdicts.success.mean() >= 0.95
    assert verdicts.confusion().accuracy >= 0.95
    assert verdicts.confusion().counts.sum() == 40
    assert verdicts.classes[-1] == "none"


def test_the_measured_motion_is_the_true_one(real, verdicts):
    true = [
        scripts(two_part=True)[motion[0]].steps(frames=8, fps=8) * 8 / [0.16, 0.16, 0.16, 0.27925]
        for motion in real.truth.motion
    ]
    # Rates differ from their class by up to a fifth of an octave, 15% of a fast move's 2.
    error = np.abs(verdicts.rates - np.stack(true))
    assert np.nanpercentile(error, 99) < 0.35
    assert np.nanmedian(error) < 0.05


def test_broken_clips_fail(real):
    scores = camera_own_error(real)
    assert set(scores) == {
        "real",
        "still",
        "freezes",
        "reversed",
        "shuffled-frames",
        "shuffled-captions",
        "twice-as-fast",
        "other-scene",
        "blurred",
    }
    assert scores["real"].n == 40
    assert scores.pop("real").value >= 0.95
    assert {kind: s.value for kind, s in scores.items() if s.value > 0.03} == {}
    assert all("Wilson" in score.note for score in scores.values())


def test_broken_clips_fail_for_what_is_broken(moving):
    kinds = camera_broken(moving, seed=0)
    blurred = examine_camera(kinds["blurred"][:12], moving[:12])
    assert not blurred.sharp.any()
    cut = examine_camera(kinds["other-scene"][:12], moving[:12])
    assert not cut.same_scene.any()
    still = examine_camera(kinds["still"][:12], moving[:12])
    assert {still.classes[i] for i in still.seen} == {HOLD}
    assert still.same_scene.all()
    assert still.sharp.all()


def test_each_kind_breaks_one_thing(moving):
    kinds = camera_broken(moving, seed=0)
    for kind, clips in kinds.items():
        assert clips.video.shape == moving.video.shape, kind
        assert (clips.video != moving.video).any(axis=(1, 2, 3, 4)).all(), kind
    np.testing.assert_array_equal(kinds["shuffled-frames"].video[:, 0], moving.video[:, 0])
    np.testing.assert_array_equal(kinds["reversed"].video[:, ::-1], moving.video)
    with pytest.raises(ValueError, match="whose camera moves"):
        camera_broken(moving.replace(truth=None), seed=0)


def test_a_camera_that_should_hold_still_must(real):
    hold = source("camera", split="test", size=32, frames=8)
    clips = [i for i in range(200) if hold._script(draws_of(hold, i)).name == HOLD][:3]
    from vidgen.evaluation import ClipSet

    made = ClipSet.of(
        [hold[i] for i in clips],
        context_frames=1,
        context_mask=np.ones(len(clips), bool),
        keys=np.zeros(len(clips), np.uint32),
    )
    assert camera_success(made, made).value == 1
    moved = made.replace(video=real.video[: len(clips)])
    assert camera_success(moved, made).value == 0
    blank = made.replace(
        video=np.full_like(made.video, 128), context_mask=np.zeros(len(clips), bool)
    )
    assert camera_success(blank, blank).value == 0


def draws_of(world, index):
    from vidgen.data.camera import _Draws

    return _Draws(world._salt, index)


def test_a_first_frame_that_is_ignored_is_another_scene(moving):
    """The right move before another photograph: fine for a sentence alone only."""
    given = moving[:10].replace(context_mask=np.arange(10) % 2 == 0)
    # The same pixels upside down and mirrored keep pans' speed but are another picture.
    turned = given.replace(video=np.ascontiguousarray(given.video[:, :, :, :, ::-1] ^ 255))
    seen = examine_camera(turned, given)
    assert seen.motion_right.mean() >= 0.9
    assert not seen.same_scene[given.context_mask].any()
    assert seen.same_scene[~given.context_mask].mean() >= 0.8


def test_one_step_of_eight_may_be_wrong_and_two_may_not():
    rates = np.zeros((1, 15, 4))
    rates[..., 0] = -1.0
    names = list(scripts(two_part=True))
    asked = names.index("medium pan left")
    assert _right_steps(rates)[0, asked] == 15
    rates[0, 3, 0] = -1.5
    rates[0, 4, 2] = 0.4
    rates[0, 5] = np.nan
    assert _right_steps(rates)[0, asked] == 12
    assert _right_steps(-rates)[0, asked] == 0
    assert _right_steps(2 * rates)[0, asked] == 0


def test_two_moves_may_change_over_in_the_middle_half():
    names = list(scripts(two_part=True))
    asked = names.index("zoom in then pan right")
    for switch, right in ((4, 15), (7, 15), (11, 15), (2, 13), (14, 12)):
        rates = np.zeros((1, 15, 4))
        rates[0, :switch, 2] = 1.0
        rates[0, switch:, 0] = 1.0
        assert _right_steps(rates)[0, asked] == right
    assert _right_steps(rates[:, ::-1])[0, asked] < 12


def test_failed_clips_show_nothing(real, verdicts):
    failed = np.arange(6) == 2
    score = camera_success(real[:6].replace(failed=failed), real[:6])
    assert score.per_clip[2] == 0
    assert "1 clips failed" in score.note
    assert score.value == pytest.approx(verdicts.success[:6][~failed].sum() / 6)


def test_verdicts_do_not_depend_on_other_clips_or_their_order(real, verdicts):
    order = np.array([9, 3, 21])
    part = examine_camera(real[order], real[order])
    np.testing.assert_array_equal(part.rates, verdicts.rates[order])
    np.testing.assert_array_equal(part.success, verdicts.success[order])


def test_rates_are_a_second_and_larger_clips_are_reduced():
    clip = source("camera", split="test", size=96, frames=5)[1]
    slow, quick = (flow(clip.video[None], fps=fps).rates for fps in (8, 16))
    np.testing.assert_allclose(2 * slow, quick)
    true = scripts(two_part=True)[clip.truth.motion[0]].steps(frames=5, fps=8)
    axis = np.abs(true[0]).argmax()
    assert np.sign(slow[0, 0, axis]) == np.sign(true[0, axis])


def test_clips_without_ground_truth_are_not_judged(real):
    few = real[:2]
    with pytest.raises(UnjudgeableError, match="do not know their camera"):
        camera_success(few, few.replace(truth=None))
    strange = few.truth.__class__(**vars(few.truth) | {"motion": (("dolly",),) * 2})
    with pytest.raises(UnjudgeableError, match="no motion 'dolly'"):
        camera_success(few, few.replace(truth=strange))
    with pytest.raises(ValueError, match="do not belong together"):
        camera_success(real[:3], few)


def test_a_missing_package_names_what_to_install(real, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r"pip install 'vidgen\[camera\]'"):
        camera_success(real[:1], real[:1])
