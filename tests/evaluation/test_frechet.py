import numpy as np
import pytest
from scipy import linalg

from vidgen.evaluation.features import UnsuitableClipsError
from vidgen.evaluation.frechet import (
    extrapolate,
    frechet_distance,
    frechet_estimate,
    frechet_video_distance,
)


class Means:
    """Features of clips: their mean light, frame by frame."""

    name, width = "means-0", 4

    def __call__(self, video):
        if video.shape[1] != 4:
            raise UnsuitableClipsError("only clips of four frames")
        return video.mean((2, 3, 4)).astype(np.float32)


def features(seed, n, width, shift=0.0):
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(width, width)) / np.sqrt(width)
    return (rng.normal(size=(n, width)) @ mix + shift).astype(np.float32)


def by_square_root(x, y, ddof):
    """Heusel et al.'s formula, with scipy's matrix square root."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    a, b = np.cov(x.T, ddof=ddof), np.cov(y.T, ddof=ddof)
    root = linalg.sqrtm(a @ b)
    gap = x.mean(0) - y.mean(0)
    return gap @ gap + np.trace(a) + np.trace(b) - 2 * np.trace(root).real


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize(("n", "m", "width"), [(64, 64, 5), (200, 150, 32), (400, 300, 96)])
def test_the_distance_is_the_one_by_a_matrix_square_root(n, m, width, ddof):
    x, y = features(0, n, width), features(1, m, width, shift=0.1)
    expected = by_square_root(x, y, ddof)
    assert frechet_distance(x, y, ddof=ddof) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("n", [20, 100, 399, 500])
def test_identical_sets_are_at_distance_zero_even_with_fewer_clips_than_features(n):
    x = features(0, n, 400) * 10
    assert abs(frechet_distance(x, x)) < 1e-3


def test_fewer_clips_than_features_give_a_real_distance():
    x, y = features(0, 30, 200), features(1, 40, 200)
    assert frechet_distance(x, y) > 0
    # A shift of the mean adds its square and nothing else.
    assert frechet_distance(x, y + 1) - frechet_distance(x, y) == pytest.approx(
        np.sum((x.mean(0) - y.mean(0) - 1.0) ** 2) - np.sum((x.mean(0) - y.mean(0)) ** 2), rel=1e-5
    )


def test_normal_distributions_are_as_far_apart_as_they_are():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40_000, 2)), 2.0 * rng.normal(size=(40_000, 2)) + 3.0
    assert frechet_distance(x, y) == pytest.approx(2 * 9 + 2 * 1, rel=0.02)


def test_the_line_against_one_over_n_takes_the_bias_away():
    found = [
        frechet_estimate(features(2 * s, 256, 48), features(2 * s + 1, 256, 48)) for s in range(6)
    ]
    biased = np.mean([f.value for f in found])
    assert biased > 3.0
    assert abs(np.mean([f.extrapolated for f in found])) < 0.2 * biased
    # Twice the bias at half the clips, for real against real as for equal distributions.
    assert np.mean([f.floor for f in found]) == pytest.approx(2 * biased, rel=0.25)
    assert np.mean([f.at_floor for f in found]) == pytest.approx(2 * biased, rel=0.25)
    assert found[0].n == 256
    assert found[0].floor_n == 128


def test_the_interval_covers_what_the_distance_is_at_that_many_clips():
    drawn = [
        frechet_estimate(features(s, 128, 8), features(1000 + s, 128, 8, 0.3)) for s in range(60)
    ]
    truth = np.mean([found.value for found in drawn])
    covered = [found.low <= truth <= found.high for found in drawn]
    # 57 of 60 on average; 50 or fewer by chance once in a thousand.
    assert sum(covered) > 50


def test_no_number_depends_on_the_order_of_clips():
    x, y = features(0, 60, 8), features(1, 60, 8)
    order = np.random.default_rng(0).permutation(60)
    one, two = frechet_estimate(x, y), frechet_estimate(x[order], y[order])
    for field in ("value", "low", "high", "extrapolated", "floor", "at_floor"):
        assert getattr(one, field) == pytest.approx(getattr(two, field), rel=1e-9)


def test_extrapolation_needs_no_more_than_the_least_number_of_clips():
    x, y = features(0, 8, 3), features(1, 8, 3)
    assert extrapolate(x, y) == frechet_distance(x, y)


def test_videos_are_compared_by_a_network_and_the_note_says_all():
    rng = np.random.default_rng(0)
    real = rng.integers(256, size=(40, 4, 8, 8, 1), dtype=np.uint8)
    score = frechet_video_distance(real, real // 2, network=Means())
    assert score.low < score.value < score.high
    assert score.better == "lower"
    for words in ("means-0", "N=40", "infinite N", "real against real", "jackknife"):
        assert words in score.note
    assert frechet_video_distance(real, real, network=Means()).value == pytest.approx(0, abs=1e-3)


def test_what_cannot_be_judged_is_refused_with_the_reason():
    clips = np.zeros((10, 3, 8, 8, 1), np.uint8)
    score = frechet_video_distance(clips, clips, network=Means())
    assert score.value is None
    assert "four frames" in score.note
    few = np.zeros((5, 4, 8, 8, 1), np.uint8)
    assert "at least 8 clips" in frechet_video_distance(few, few, network=Means()).note
    with pytest.raises(ValueError, match="do not compare"):
        frechet_distance(features(0, 9, 3), features(0, 9, 4))
