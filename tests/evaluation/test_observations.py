import copy
import json

import numpy as np
import pytest

from vidgen.evaluation.observations import FrameCurve, Observations
from vidgen.evaluation.statistics import wilson


def test_shares_get_wilson_and_quantities_t_each_frame_on_its_own():
    right = np.array([[True, True, False], [True, False, False]])
    curve = FrameCurve.of(right, metric="identity", prompts="all", better="higher")
    assert curve.value == (1.0, 0.5, 0.0)
    assert (curve.low[1], curve.high[1]) == wilson(1, 2)
    distance = np.array([[1.0, np.nan], [3.0, np.nan]])
    curve = FrameCurve.of(distance, metric="trajectory_error_px", prompts="all", better="lower")
    assert curve.value == (2.0, None)
    assert curve.low[1] is None
    # t(0.975, 1) * sqrt(2) / sqrt(2)
    assert curve.high[0] - 2.0 == pytest.approx(12.7062, rel=1e-5)


def test_what_the_judge_saw_survives_the_disk(judge, prompts):
    seen = judge.observe(prompts, prompts)
    again = Observations.from_json(json.loads(json.dumps(seen.to_json())))
    assert [(c.metric, c.prompts) for c in again.curves] == [
        (c.metric, c.prompts) for c in seen.curves
    ]
    for mine, theirs in zip(seen.curves, again.curves, strict=True):
        assert [value is None for value in theirs.value] == [value is None for value in mine.value]
        known = [value for value in mine.value if value is not None]
        assert [v for v in theirs.value if v is not None] == pytest.approx(known, rel=1e-5)
    assert (again.confusions["identity"].counts == seen.confusions["identity"].counts).all()
    assert again.confusions["identity"].classes == seen.confusions["identity"].classes


def test_curves_show_where_a_clip_is_lost(judge, prompts):
    video = prompts.video.copy()
    video[:, 5:] = 0
    seen = judge.observe(prompts.replace(video=video), prompts)
    curves = {(c.metric, c.prompts): c.value for c in seen.curves}
    assert curves["one_object", "text"] == (1.0,) * 5 + (0.0,) * 3
    assert min(curves["identity", "all"][:5]) > 0.95
    assert curves["identity", "all"][5:] == (0.0,) * 3
    assert curves["trajectory_error_px", "all"][5:] == (None,) * 3
    # The given frame is no merit of the generator.
    assert curves["psnr", "text+image"][0] is None
    assert curves["psnr", "text+image"][4] > 50 > curves["psnr", "text+image"][5]
    assert ("psnr", "text") not in curves
    assert seen.confusions["identity"].counts.sum() == len(prompts)


def test_given_frames_are_nobodys_merit_among_all_prompts_either(judge, prompts):
    text = ~prompts.context_mask
    video = prompts.video.copy()
    video[text, 0] = 0
    clips = prompts.replace(video=video)
    curves = {(c.metric, c.prompts): c for c in judge.observe(clips, prompts).curves}
    for metric in ("identity", "one_object"):
        assert curves[metric, "all"].value[0] == 0.0
        assert curves[metric, "all"].high[0] == wilson(0, int(text.sum()))[1]
        assert curves[metric, "text+image"].value[0] is None
        assert curves[metric, "text+image"].value[1] > 0.95
    scores = judge.judge(clips, prompts)
    assert scores["missing_rate", "text"].value == 1 / 8
    given = np.where(text[:, None, None, None, None], prompts.video, 0)
    given[:, 0] = prompts.video[:, 0]
    scores = judge.judge(prompts.replace(video=given), prompts)
    assert scores["missing_rate", "text+image"].value == 1.0


def test_changes_between_frames_stand_at_the_later_frame(judge, prompts):
    video = prompts.video.copy()
    video[:, 4:] = video[:, 3:4]
    wider = copy.copy(judge)
    wider.groups = (*judge.groups, "temporal")
    seen = wider.observe(prompts.replace(video=video), prompts)
    curves = {(c.metric, c.prompts): c.value for c in seen.curves}
    flicker = curves["flicker", "text"]
    assert flicker[0] is None
    assert min(flicker[1:4]) > 0
    assert flicker[4:] == (0.0,) * 4
