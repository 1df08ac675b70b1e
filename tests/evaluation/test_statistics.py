import numpy as np
import pytest
from scipy import stats

from vidgen.evaluation.statistics import (
    apart,
    average,
    clustered,
    over_seeds,
    proportion,
    rate,
    repeated,
    wilson,
)
from vidgen.types import Score


def test_wilson_against_published_values():
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81/263, 15/148, 0/20, 1/29.
    for k, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)):
        assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    low, high = wilson(20, 20)
    assert (low, high) == pytest.approx((1 - 0.1611, 1.0), abs=5e-5)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_wilson_refuses_what_is_no_proportion(k, n):
    with pytest.raises(ValueError, match="no proportion"):
        wilson(k, n)


def test_asking_about_the_same_clips_again_does_not_narrow_the_interval():
    once = np.random.default_rng(0).random(40) < 0.7
    one, three = repeated(once[None]), repeated(np.stack([once] * 3))
    assert (three.value, three.low, three.high, three.n) == (one.value, one.low, one.high, 40)
    assert (one.low, one.high) == wilson(int(once.sum()), 40)
    split = repeated(np.array([[True, False], [True, True]]))
    assert split.value == 0.75
    assert (split.low, split.high) == wilson(1.5, 2)
    assert split.per_clip.tolist() == [1.0, 0.5]


def test_unclustered_is_the_t_interval():
    values = np.random.default_rng(0).normal(size=12)
    expected = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert clustered(values) == pytest.approx((values.mean(), *expected))


def test_repeating_each_value_does_not_narrow_a_clustered_interval():
    values = np.random.default_rng(0).normal(size=12)
    repeated = clustered(np.repeat(values, 5), np.repeat(np.arange(12), 5))
    assert repeated == pytest.approx(clustered(values))
    naive = clustered(np.repeat(values, 5))
    assert naive[2] - naive[1] < 0.5 * (repeated[2] - repeated[1])


def test_clustered_intervals_cover_what_they_promise():
    rng = np.random.default_rng(1)
    clusters = np.repeat(np.arange(20), 4)
    covered = 0
    for _ in range(400):
        _, low, high = clustered(rng.normal(size=20)[clusters] + rng.normal(size=80), clusters)
        covered += low <= 0 <= high
    assert 0.92 <= covered / 400 <= 0.98


def test_one_seed_has_no_interval():
    mean, low, high = over_seeds([0.5])
    assert mean == 0.5
    assert np.isnan(low)
    assert np.isnan(high)
    mean, low, high = over_seeds([0.4, 0.5, 0.6])
    assert (high - mean) / (0.1 / np.sqrt(3)) == pytest.approx(4.303, abs=1e-3)
    with pytest.raises(ValueError, match="no values"):
        over_seeds([])


def test_proportion_keeps_its_clips():
    score = proportion(np.array([True, False, True, True]), better="lower", note="2 failed")
    assert score.value == 0.75
    assert (score.low, score.high) == wilson(3, 4)
    assert score.per_clip.tolist() == [1, 0, 1, 1]
    assert (score.n, score.better) == (4, "lower")
    assert score.note == "2 failed; Wilson over prompts"


def test_rate_of_whole_clips_is_about_a_proportion_over_clips():
    whole = np.repeat([0.0, 1.0], [90, 10])
    score = rate(whole)
    assert (score.low, score.high) == pytest.approx(wilson(10, 100), abs=0.002)


def test_rate_of_independent_frames_is_narrower_and_never_sure():
    rng = np.random.default_rng(0)
    frames = (rng.random((100, 8)) < 0.1).mean(1)
    score, whole = rate(frames), rate(np.repeat([0.0, 1.0], [90, 10]))
    assert score.high - score.low < 0.6 * (whole.high - whole.low)
    none = rate(np.zeros(50))
    assert none.value == none.low == 0
    assert none.high == pytest.approx(wilson(0, 50)[1])
    alike = rate(np.full(20, 2 / 3))  # whose mean is rounded, so that their variance is not 0
    assert (alike.low, alike.high) == pytest.approx(wilson(20 * 2 / 3, 20))
    nearly = np.array([2 / 3] * 19 + [1 / 3])
    capped = rate(nearly, observations=60)
    assert (capped.low, capped.high) == pytest.approx(wilson(39, 60))
    assert rate(nearly).low > capped.low


def test_average_leaves_out_what_has_no_value_and_says_so():
    score = average(np.array([1.0, np.nan, 3.0]), better="lower")
    assert score.value == 2.0
    assert score.n == 2
    assert "1 of 3 clips have no value" in score.note
    empty = average(np.array([np.nan]))
    assert empty.value is None
    assert "no clip has a value" in empty.note
    single = average(np.array([4.0]))
    assert (single.value, single.low, single.high) == (4.0, None, None)


def test_apart_means_that_intervals_do_not_overlap():
    low, high = Score(value=0.1, low=0.0, high=0.2), Score(value=0.4, low=0.3, high=0.5)
    assert apart(low, high)
    assert apart(high, low)
    assert not apart(low, Score(value=0.3, low=0.2, high=0.4))
    assert not apart(low, Score(value=0.9))
