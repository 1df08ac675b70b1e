"""Rebuilt clips against the real ones: every frame of every clip, and distances as they are."""

import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import Judge, judge_reconstructions, psnr, reconstruction_judge, ssim
from vidgen.pretrained import MissingWeightsError
from vidgen.types import Score


@pytest.fixture(scope="module")
def rebuilt(prompts):
    """Real clips, of which those whose first frame nobody gives lose their brightest pixels."""
    few = prompts[:12]
    video = few.video.copy()
    silent = ~few.context_mask
    video[silent] = np.minimum(video[silent], 128)
    return few, few.replace(video=video)


def test_every_frame_of_every_clip_counts_and_distances_are_taken_over(rebuilt, monkeypatch):
    real, clips = rebuilt
    assert 0 < real.context_mask.sum() < len(real)
    judge = Judge(source("digits", split="train"), groups=("pixel", "lpips", "i3d"))

    def absent(a, b):
        raise MissingWeightsError("not computed: install vidgen[metrics]")

    excuses = reconstruction_judge._BY_FRAME["lpips_alex"][1]
    monkeypatch.setitem(reconstruction_judge._BY_FRAME, "lpips_alex", (absent, excuses))
    distance = Score(value=3.0, low=2.0, high=4.0, n=12, better="lower", note="jackknife")
    told = {("fvd_i3d", "all"): distance, ("fvd_i3d_infinity", "all"): distance}
    found = judge_reconstructions(judge, clips, real, told)
    # The group "in-domain" was not asked for.
    assert set(found) == {
        (name, "all") for name in ("psnr", "ssim", "lpips_alex", "fvd_i3d", "fvd_i3d_infinity")
    }
    as_answers = judge.only(("pixel",)).judge(clips, real)
    for name, measure in (("psnr", psnr), ("ssim", ssim)):
        score, values = found[name, "all"], measure(clips.video, real.video)
        assert score.n == len(real)
        assert score.value == pytest.approx(values.mean())
        assert score.low < score.value < score.high
        # As an answer only clips that go on from a given frame count, and those are untouched.
        assert score.value < as_answers[name, "text+image"].value
    assert found["fvd_i3d", "all"] is distance
    assert found["lpips_alex", "all"].value is None
    assert found["lpips_alex", "all"].note == "not computed: install vidgen[metrics]"
