import sys

import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import METRICS, Judge, anchors, protocol
from vidgen.evaluation import judge as judging
from vidgen.evaluation.metrics import STRATA
from vidgen.evaluation.statistics import apart


@pytest.fixture(scope="module")
def scores(judge, prompts, held_out):
    sets = anchors(prompts, held_out, seed=0)
    return {name: judge.judge(clips, prompts) for name, clips in sets.items()}


def test_every_metric_is_there_in_every_stratum_it_has(scores):
    expected = {(m.name, s) for m in METRICS.values() if not m.several for s in m.strata}
    for found in scores.values():
        assert set(found) == expected
        assert all(found[key].better == METRICS[key[0]].better for key in expected)


def test_the_anchors_are_ordered(scores):
    def value(name, metric, stratum="all"):
        return scores[name][metric, stratum].value

    real = "held-out-real"
    for chance in ("copy-first-frame", "frozen-real", "shuffled-frames", "shuffled-captions"):
        for metric in ("oracle_success", "oracle_success_majority", "motion"):
            assert value(real, metric) > value(chance, metric) + 0.9
        assert value(real, "trajectory_error_px") < value(chance, "trajectory_error_px")
        assert value(real, "psnr", "text+image") > value(chance, "psnr", "text+image") + 20
        assert value(real, "ssim", "text+image") > value(chance, "ssim", "text+image")
    assert value("copy-first-frame", "missing_rate", "text") == 1.0
    assert value("copy-first-frame", "missing_rate", "text+image") == 0.0
    assert value("copy-first-frame", "drift_psnr", "text+image") < 0


@pytest.mark.parametrize(
    ("metric", "stratum"),
    [
        ("drift_identity", "all"),
        ("drift_one_object", "all"),
        ("drift_psnr", "text+image"),
        ("drift_ssim", "text+image"),
    ],
)
def test_drift_puts_real_clips_above_those_that_decay(scores, metric, stratum):
    real, decaying = (scores[name][metric, stratum] for name in ("held-out-real", "decaying-real"))
    assert apart(real, decaying)
    assert real.value > decaying.value
    assert abs(real.value) < 0.1 * abs(decaying.value)
    assert "decaying-real" not in METRICS[metric].blind


def test_every_curve_along_the_frames_has_a_slope_with_an_interval(judge, scores, prompts):
    curves = judge.observe(prompts, prompts).curves
    assert {curve.metric for curve in curves} == {
        "identity",
        "one_object",
        "trajectory_error_px",
        "psnr",
        "ssim",
    }
    for curve in curves:
        slope = scores["decaying-real"][f"drift_{curve.metric}", curve.prompts]
        assert slope.low < slope.value < slope.high, curve.metric
        assert slope.better == curve.better


def test_strata_hold_the_clips_they_name(judge, prompts, scores):
    found = scores["held-out-real"]
    assert [found["oracle_success", s].n for s in STRATA] == [160, 80, 80]
    text = prompts[~prompts.context_mask]
    alone = judge.judge(text, text)
    assert {stratum for _, stratum in alone} == {"all", "text"}


def test_psnr_leaves_the_given_frame_out(judge, prompts):
    worse = prompts.video.copy()
    worse[:, 0] = 0
    found = judge.judge(prompts.replace(video=worse), prompts)
    assert found["psnr", "text+image"].value == pytest.approx(58.92, abs=0.01)


def test_a_clip_that_decays_drifts(judge, prompts):
    video = prompts.video.astype(np.float32)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=video.shape) * np.linspace(0, 60, 8)[None, :, None, None, None]
    worse = prompts.replace(video=np.clip(video + noise, 0, 255).astype(np.uint8))
    found = judge.judge(worse, prompts)
    for metric in ("drift_psnr", "drift_ssim"):
        assert found[metric, "text+image"].high < 0
    lost = prompts.video.copy()
    lost[:, 5:] = 0
    found = judge.judge(prompts.replace(video=lost), prompts)
    for metric in ("drift_identity", "drift_one_object"):
        assert found[metric, "all"].high < 0


def test_what_nobody_asked_for_is_not_measured(judge, prompts, monkeypatch):
    monkeypatch.setattr(judge, "groups", ("pixel",))
    monkeypatch.setattr(judge, "_examine", None)  # whoever calls it fails
    found = judge.judge(prompts[:4], prompts[:4])
    assert "do not name the group 'oracle'" in found["identity", "all"].note
    assert found["psnr", "text+image"].value > 50


def test_an_empty_clip_has_no_trajectory_error(judge, prompts):
    blank = prompts.replace(video=np.zeros_like(prompts.video))
    found = judge.judge(blank, prompts)
    assert found["trajectory_error_px", "all"].value is None
    assert found["missing_rate", "all"].value == 1.0
    assert found["oracle_success", "all"].value == 0.0


def test_failed_clips_are_visible_in_the_notes(judge, prompts):
    failed = np.arange(160) < 16
    found = judge.judge(prompts.replace(failed=failed), prompts)
    assert found["failed_rate", "all"].value == 0.1
    assert found["oracle_success", "all"].value <= 0.9
    assert "16 failed clips" in found["oracle_success", "all"].note


def test_without_truth_only_pixels_are_judged(judge, prompts):
    bare = prompts[:20].replace(truth=None)
    found = judge.judge(bare, bare)
    assert found["oracle_success", "all"].value is None
    assert "not simulated" in found["oracle_success", "all"].note
    assert found["psnr", "text+image"].value > 50


def test_a_source_without_exemplars_has_no_oracle(held_out, prompts, monkeypatch):
    monkeypatch.setattr(type(held_out), "exemplars", lambda self: None)
    judge = Judge(held_out)
    assert judge.oracle is None
    few = prompts[:4]
    assert "no exemplars" in judge.judge(few, few)["motion", "all"].note
    with pytest.raises(ValueError, match="no exemplars"):
        judge.own_error(few)


def test_what_is_given_is_no_merit_among_all_prompts(judge, prompts):
    """Right where it was given and lost afterwards: wrong in all that the generator made."""
    lost = prompts.video.copy()
    lost[:, 1:] = np.roll(prompts.video, 5, axis=3)[:, 1:]
    found = judge.judge(prompts.replace(video=lost), prompts)
    given = found["trajectory_error_px", "text+image"].per_clip
    among_all = found["trajectory_error_px", "all"].per_clip
    np.testing.assert_allclose(among_all[prompts.context_mask], given)


def test_scores_and_observations_of_the_same_clips_are_examined_once(judge, prompts, monkeypatch):
    calls = []
    examine = judge.oracle.examine
    monkeypatch.setattr(judge.oracle, "examine", lambda *sets: calls.append(1) or examine(*sets))
    few = prompts[:8]
    judge.judge(few, few)
    judge.observe(few, few)
    judge.judge(few, few)
    assert len(calls) == 1
    judge.judge(few.replace(failed=np.arange(8) == 0), few)
    assert len(calls) == 2


def test_groups_that_nobody_asked_for_cost_nothing(held_out, prompts, monkeypatch):
    monkeypatch.setattr(judging, "oracle_for", None)
    monkeypatch.setattr(judging, "_BY_FRAME", (("pixel", None, ()),))
    few = prompts[:4]
    plain = Judge(held_out, groups=())
    assert all(score.value is None for score in plain.judge(few, few).values())
    assert plain.observe(few, few).curves == ()
    with pytest.raises(ValueError, match="do not name the group 'oracle'"):
        plain.own_error(few)


def test_frames_too_small_for_ssim_have_a_psnr_all_the_same(judge, prompts):
    few = prompts[:4].replace(truth=None)
    few = few.replace(video=few.video[:, :, :8, :8].copy())
    found = judge.judge(few, few)
    assert found["psnr", "text+image"].value is not None
    for metric in ("ssim", "drift_ssim"):
        assert found[metric, "text+image"].value is None
        assert "at least 11x11" in found[metric, "text+image"].note


def test_the_oracle_looks_once_for_scores_and_observations_of_the_same_sets(judge, prompts):
    class Counting:
        looked = 0

        def examine(self, clips, real):
            self.looked += 1
            return judge.oracle.examine(clips, real)

    mine, few = judge.only(judge.groups), prompts[:4]
    mine.oracle = Counting()
    scores, seen = mine.judge(few, few), mine.observe(few, few)
    assert mine.oracle.looked == 1
    fresh = judge.only(judge.groups).observe(few, few)
    assert seen.to_json() == fresh.to_json()
    mine.judge(prompts[4:8], prompts[4:8])
    assert mine.judge(few, few).keys() == scores.keys()
    assert mine.oracle.looked == 3


def test_a_judge_for_some_groups_alone_says_the_same_and_leaves_the_other_as_it_was(judge, prompts):
    groups, few = judge.groups, prompts[:4]
    alone = judge.only(["pixel"])
    assert (alone.groups, judge.groups) == (("pixel",), groups)
    found, whole = alone.judge(few, few), judge.judge(few, few)
    assert found["psnr", "text+image"].value == whole["psnr", "text+image"].value
    assert found["identity", "all"].value is None
    assert whole["identity", "all"].value is not None


def test_answers_to_other_prompts_are_refused(judge, prompts):
    with pytest.raises(ValueError, match="do not answer these prompts"):
        judge.judge(prompts[:4], prompts[4:8])


def test_judging_does_not_depend_on_the_order_of_clips(judge, prompts):
    order = np.random.default_rng(0).permutation(len(prompts))
    one, two = judge.judge(prompts, prompts), judge.judge(prompts[order], prompts[order])
    for key, score in one.items():
        if score.value is None:
            assert two[key].value is None
        else:
            assert two[key].value == pytest.approx(score.value, rel=1e-9, abs=1e-12)


@pytest.fixture(scope="module")
def moving_camera():
    chosen = source("camera", split="test", size=32, frames=8, clips=300)
    return protocol(chosen, n=24, seed=0, context_frames=1)


@pytest.fixture(scope="module")
def camera_judge():
    return Judge(source("camera", size=32, frames=8))


def test_a_moving_camera_is_judged_by_its_own_oracle(camera_judge, moving_camera):
    real = camera_judge.judge(moving_camera, moving_camera)
    wanted = {(m.name, s) for m in METRICS.values() if not m.several for s in m.strata}
    assert set(real) == wanted
    assert real["oracle_success", "all"].n == 24
    still = moving_camera.replace(video=moving_camera.video[:, :1].repeat(8, axis=1))
    frozen = camera_judge.judge(still, moving_camera)
    for metric in ("oracle_success", "motion"):
        assert real[metric, "all"].value >= 0.9
        # What was asked to hold still is right to.
        held = np.mean([motion == ("hold still",) for motion in moving_camera.truth.motion])
        assert frozen[metric, "all"].value == pytest.approx(held)
    for metric in ("identity", "one_object", "trajectory_error_px", "drift_identity"):
        assert real[metric, "all"].value is None
        assert "no objects" in real[metric, "all"].note
    assert real["psnr", "text+image"].value > 50


def test_without_opencv_a_camera_is_not_judged_and_the_note_says_why(
    camera_judge, moving_camera, monkeypatch
):
    monkeypatch.setitem(sys.modules, "cv2", None)
    found = camera_judge.judge(moving_camera, moving_camera)
    assert found["oracle_success", "all"].value is None
    assert "vidgen[camera]" in found["oracle_success", "all"].note


def test_the_own_error_of_a_camera_is_that_of_its_oracle(camera_judge, moving_camera):
    found = camera_judge.own_error(moving_camera)
    assert found["real"].value >= 0.9
    assert found["still"].value == 0.0
