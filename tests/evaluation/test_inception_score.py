"""The Inception score as a statistic of what a classifier says of clips."""

import numpy as np
import pytest

from vidgen.evaluation import inception_score
from vidgen.evaluation.inception_score import score_of


def said(seed, clips, sureness):
    logits = sureness * np.random.default_rng(seed).standard_normal((clips, 10))
    return (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)


def test_sure_and_even_is_the_number_of_classes_and_all_the_same_is_one():
    # Probabilities of exactly 0 are no trouble.
    score = score_of(np.tile(np.eye(5, dtype=np.float32), (32, 1)), "a network")
    assert score.value == pytest.approx(5, rel=1e-6)
    assert score.better == "higher"
    alike = score_of(np.tile(said(0, 1, 3.0), (32, 1)), "a network")
    assert alike.value == pytest.approx(1, rel=1e-6)
    assert alike.low >= 1


def test_it_is_the_published_formula_and_says_n_and_the_number_of_splits():
    p = said(0, 64, 2.0).astype(np.float64)
    expected = np.exp(np.mean(np.sum(p * (np.log(p) - np.log(p.mean(0, keepdims=True))), axis=1)))
    score = score_of(p.astype(np.float32), "a network")
    assert score.value == pytest.approx(expected, rel=1e-5)
    assert score.low < score.value < score.high
    assert score.n == 64
    assert score.note.startswith("a network; 1 split, N=64; jackknife")


def test_splits_are_averaged_over_and_change_the_value():
    p = said(0, 64, 2.0)
    whole, parts = score_of(p, ""), score_of(p, "", splits=4)
    assert "4 splits, N=64" in parts.note
    # Fewer clips of a split cover fewer classes.
    assert parts.value < whole.value
    assert parts.value == score_of(p[::-1], "", splits=4).value
    with pytest.raises(ValueError, match="one split or more"):
        score_of(p, "", splits=0)


def test_the_interval_narrows_with_the_number_of_clips_as_a_standard_error_does():
    def width(clips):
        scores = [score_of(said(seed, clips, 2.0), "") for seed in range(20)]
        return np.mean([score.high - score.low for score in scores])

    assert 1.5 < width(64) / width(256) < 2.7


def test_without_weights_or_clips_it_says_why():
    video = np.zeros((9, 16, 8, 8, 1), np.uint8)
    score = inception_score(video)
    assert score.value is None
    assert score.better == "higher"
    assert score.note.startswith("not computed: the Inception score needs C3D")
    assert "no file" in inception_score(video, weights="nowhere.npz", mean="nowhere.npz").note
    assert "at least 8 clips a split, got 15 in 2" in score_of(said(0, 15, 1.0), "", splits=2).note
