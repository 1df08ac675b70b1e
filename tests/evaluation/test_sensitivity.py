"""Meta-tests: what is corrupted more scores worse, metric by metric."""

import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import psnr, ssim
from vidgen.evaluation.corruptions import CORRUPTIONS, STRENGTHS
from vidgen.evaluation.features import InDomainConfig, train_in_domain
from vidgen.evaluation.frechet import frechet_distance
from vidgen.evaluation.kernel import kernel_distance
from vidgen.evaluation.temporal import flicker, motion

STEPS = range(STRENGTHS + 1)


@pytest.fixture(scope="module")
def spoiled(prompts):
    """By corruption: clips at strengths 0 (as they are) to 5."""
    few = prompts.video[:48]
    return {kind: [corrupt(few, s) for s in STEPS] for kind, corrupt in CORRUPTIONS.items()}


def rises(values, *, slack=0.0):
    steps = np.diff(np.asarray(values, float))
    return (steps > -slack).all() and values[-1] > values[0]


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_strength_nought_changes_nothing_and_each_step_more(prompts, spoiled, kind):
    clips = spoiled[kind]
    np.testing.assert_array_equal(clips[0], prompts.video[:48])
    assert all(clip.dtype == np.uint8 for clip in clips)
    gaps = [np.abs(clip.astype(int) - clips[0]).mean() for clip in clips]
    assert rises(gaps)


@pytest.mark.parametrize("kind", CORRUPTIONS)
@pytest.mark.parametrize("measure", [psnr, ssim])
def test_likeness_to_the_real_clip_falls(spoiled, kind, measure):
    values = [measure(clips, spoiled[kind][0]).mean() for clips in spoiled[kind]]
    assert rises(np.negative(values))


@pytest.mark.parametrize("kind", CORRUPTIONS)
@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance])
def test_distances_of_sets_rise(spoiled, network, kind, measure):
    real = network(spoiled[kind][0])
    values = [measure(real, network(clips)) for clips in spoiled[kind]]
    assert rises(values, slack=0.02 * values[-1])


def test_flicker_rises_with_noise_and_falls_with_blur(spoiled):
    assert rises([flicker(clips).mean() for clips in spoiled["noise"]])
    assert rises([-flicker(clips).mean() for clips in spoiled["blur"]])


def test_warp_error_rises_with_noise_and_sees_jitter_at_once(spoiled):
    noise, jitter = (
        [np.nanmean(motion(clips[:16]).warp_error) for clips in spoiled[kind]]
        for kind in ("noise", "jitter")
    )
    assert rises(noise)
    # Beyond two frames of eight nearly every pair is broken, and there is nothing left to break.
    assert min(jitter[1:]) > 10 * jitter[0]


@pytest.fixture(scope="module")
def network():
    """One that has learned nothing: the distances' own behaviour, without the luck of training."""
    return train_in_domain(source("digits"), "random", config=InDomainConfig(width=32, clips=256))
