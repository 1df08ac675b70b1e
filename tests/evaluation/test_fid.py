"""FID as a statistic of frames that come in clips, and its way through the judge."""

import numpy as np
import pytest

from vidgen.evaluation import frechet_distance, frechet_inception_distance
from vidgen.evaluation.fid import fid_scores, of_frames


def features(seed, clips, frames, shift=0.0):
    """Frames of one clip are alike, as they are."""
    rng = np.random.default_rng(seed)
    own = rng.standard_normal((clips, 1, 8)) + 0.3 * rng.standard_normal((clips, frames, 8))
    return (own + shift).astype(np.float32)


def test_it_is_the_distance_of_all_frames():
    real, fake = features(0, 24, 4), features(1, 24, 4, shift=0.5)
    found = fid_scores(real, fake, "a network")
    expected = frechet_distance(real.reshape(-1, 8), fake.reshape(-1, 8))
    assert found["fid"].value == pytest.approx(expected)
    assert found["fid"].n == 24
    assert found["fid"].better == found["fid_infinity"].better == "lower"
    assert "a network, all frames; N=24" in found["fid"].note
    assert found["fid_infinity"].value < found["fid"].value
    assert found["fid_infinity"].low is None


def test_the_clip_is_what_the_interval_leaves_out():
    """More frames of the same clips tell next to nothing new."""

    def width(frames):
        score = fid_scores(features(0, 48, frames), features(1, 48, frames, 0.5), "")["fid"]
        return score.high - score.low

    assert width(8) > 0.7 * width(2)


def test_frames_go_through_a_network_one_by_one():
    video = np.random.default_rng(0).integers(0, 256, (3, 5, 4, 4, 1), dtype=np.uint8)

    def means(frames):
        assert frames.shape == (15, 1, 4, 4, 1)
        return frames.mean((1, 2, 3)).astype(np.float32)

    np.testing.assert_allclose(of_frames(means, video), video.mean((2, 3)), rtol=1e-6)


def test_without_weights_it_says_how_to_get_them():
    video = np.zeros((9, 2, 8, 8, 1), np.uint8)
    score = frechet_inception_distance(video, video)
    assert score.value is None
    assert score.note.startswith("not computed: FID on frames needs Inception-v3")
    assert "no file" in frechet_inception_distance(video, video, weights="nowhere.npz").note


def test_too_few_clips_have_no_score():
    score = fid_scores(features(0, 7, 4), features(1, 7, 4), "")["fid"]
    assert score.value is None
    assert "at least 8 clips" in score.note
