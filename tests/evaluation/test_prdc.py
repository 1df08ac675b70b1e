import importlib

import numpy as np
import pytest

from vidgen.evaluation.prdc import prdc, prdc_scores


def features(seed, n, shift=0.0, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(size=(n, 4)) + shift).astype(np.float32)


def directly(real, fake, k):
    """One distance at a time, after the definitions."""
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    far = lambda a, b: float(np.sqrt(np.sum((a - b) ** 2)))  # noqa: E731

    def reach(points):
        return [
            sorted(far(p, q) for j, q in enumerate(points) if j != i)[k - 1]
            for i, p in enumerate(points)
        ]

    reach_real, reach_fake = reach(real), reach(fake)
    inside = [[far(r, f) <= reach_real[i] for f in fake] for i, r in enumerate(real)]
    return {
        "precision": np.mean([any(row[j] for row in inside) for j in range(len(fake))]),
        "recall": np.mean(
            [any(far(r, f) <= reach_fake[j] for j, f in enumerate(fake)) for r in real]
        ),
        "density": np.sum(inside) / (k * len(fake)),
        "coverage": np.mean([any(row) for row in inside]),
    }


@pytest.mark.parametrize(("n", "m", "k"), [(12, 9, 3), (40, 40, 5), (70, 55, 5)])
def test_all_four_are_the_direct_ones(n, m, k, monkeypatch):
    monkeypatch.setattr(importlib.import_module("vidgen.evaluation.prdc"), "_ROWS_AT_ONCE", 16)
    real, fake = features(0, n), features(1, m, shift=0.5, scale=0.7)
    found = prdc(real, fake, k=k)
    for name, value in directly(real, fake, k).items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-12)


def test_few_good_fakes_are_precise_and_do_not_recall():
    real = np.concatenate([features(0, 50), features(1, 50, shift=20)])
    one_mode = prdc(real, features(2, 100))
    assert one_mode.precision > 0.9
    assert one_mode.recall < 0.6
    assert one_mode.coverage < 0.6
    # Swapped, the two change places: real and fake are not interchangeable.
    swapped = prdc(features(2, 100), real)
    assert swapped.recall == one_mode.precision
    assert swapped.precision == one_mode.recall


def test_scores_have_intervals_and_name_k_and_n():
    scores = prdc_scores(features(0, 80), features(1, 80, shift=0.6))
    assert set(scores) == {"precision", "recall", "density", "coverage"}
    for score in scores.values():
        assert score.low <= score.value <= score.high
        assert "k=5, N=80" in score.note
    assert scores["precision"].high <= 1
    perfect = prdc_scores(features(0, 80), features(0, 80))["coverage"]
    assert perfect.value == perfect.high == 1
    assert 0.9 < perfect.low < 1


def test_scores_do_not_depend_on_the_order_of_clips():
    real, fake = features(0, 50), features(1, 50, shift=0.4)
    order = np.random.default_rng(0).permutation(50)
    one, two = prdc_scores(real, fake), prdc_scores(real[order], fake[order])
    for name, score in one.items():
        assert (score.value, score.low, score.high) == pytest.approx(
            (two[name].value, two[name].low, two[name].high), rel=1e-9
        )


def test_too_few_clips_are_refused():
    with pytest.raises(ValueError, match="more than 5 clips"):
        prdc(features(0, 5), features(1, 9))
    assert prdc_scores(features(0, 5), features(1, 9))["density"].value is None
    assert prdc_scores(features(0, 6), features(1, 6))["density"].low is None
