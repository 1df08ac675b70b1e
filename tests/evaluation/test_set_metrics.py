"""Diversity, memorisation, caption swap and agreement: each by a case that is known."""

import numpy as np
import pytest

from vidgen.evaluation.agreement import rank_agreement
from vidgen.evaluation.caption_swap import caption_swap
from vidgen.evaluation.diversity import diversity
from vidgen.evaluation.memorisation import memorisation, nearest


def features(seed, n, width=8):
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


def test_diversity_is_that_of_real_clips_a_multiple_of_it_or_none():
    conditions = [i // 3 for i in range(60)]
    real = features(0, 60)
    as_real = diversity(real, features(1, 60), conditions)
    assert as_real.low < 1 < as_real.high
    assert as_real.n == 20
    assert diversity(real, 0.5 * real, conditions).value == pytest.approx(0.5, rel=1e-6)
    same = np.repeat(features(2, 20), 3, axis=0)
    assert diversity(real, same, conditions).value == pytest.approx(0, abs=1e-6)
    lonely = diversity(real, real, list(range(60)))
    assert lonely.value is None
    assert "several answers" in lonely.note


def test_copies_are_told_from_clips_like_held_out_ones():
    train, held_out = features(0, 400), features(1, 100)
    as_real = memorisation(train, held_out, features(2, 100))
    assert as_real.low < 0.5 < as_real.high
    copies = memorisation(train, held_out, train[:100] + 0.01 * features(3, 100))
    assert copies.value == 1.0
    half = memorisation(train, held_out, np.concatenate([train[:50], features(4, 50)]))
    assert half.value == pytest.approx(0.75, abs=0.06)
    assert half.low > 0.6
    assert memorisation(train, held_out, 5 * features(5, 100)).value < 0.05


def test_the_nearest_is_the_nearest():
    x, among = features(0, 30), features(1, 50)
    expected = [min(np.linalg.norm(row - other) for other in among) for row in x]
    np.testing.assert_allclose(nearest(x, among), expected, rtol=1e-5)
    assert (nearest(among[:9], among) == 0).all()


def questions(classes, labels):
    return np.eye(classes)[labels]


def test_ignoring_the_text_scores_nothing_and_following_it_all():
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=200)
    captions = tuple(f"go {label}" for label in labels)
    wanted = questions(4, labels)
    assert caption_swap(wanted, wanted, captions).value == pytest.approx(1.0)
    deaf = caption_swap(questions(4, rng.permutation(labels)), wanted, captions)
    assert deaf.low < 0 < deaf.high
    always = caption_swap(questions(4, np.zeros(200, int)), wanted, captions)
    assert abs(always.value) < 0.1
    mixed = np.where((np.arange(200) < 100)[:, None], wanted, questions(4, rng.permutation(labels)))
    assert 0.3 < caption_swap(mixed, wanted, captions).value < 0.7


def test_captions_that_cannot_be_swapped_have_no_score():
    wanted = questions(2, [0, 0, 0])
    assert "nothing to swap" in caption_swap(wanted, wanted, ("a",) * 3).note
    assert "not taught" in caption_swap(wanted, 0 * wanted, ("a", "b", "c")).note


def test_networks_that_agree_and_that_do_not():
    sets = {name: float(i) for i, name in enumerate("abcdef")}
    values = {
        "one": sets,
        "two": {n: v**2 for n, v in sets.items()},
        "three": {n: -v for n, v in sets.items()},
    }
    found = {(pair.first, pair.second): pair for pair in rank_agreement(values)}
    assert found["one", "two"].kendall == pytest.approx(1)
    assert found["one", "three"].spearman == pytest.approx(-1)
    assert found["two", "three"].n == 6
    assert rank_agreement({"one": sets, "two": {"a": 1.0, "b": 2.0}}) == []
