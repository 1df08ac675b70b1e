import numpy as np
import pytest

from vidgen.evaluation.kernel import kernel_distance, kernel_score, kernel_video_distance


def features(seed, n, width=6, shift=0.0):
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32) + np.float32(
        shift
    )


def directly(x, y, paired):
    """One product at a time."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    k = lambda a, b: (a @ b / len(a) + 1) ** 3  # noqa: E731
    n, m = len(x), len(y)
    xx = np.mean([k(x[i], x[j]) for i in range(n) for j in range(n) if i != j])
    yy = np.mean([k(y[i], y[j]) for i in range(m) for j in range(m) if i != j])
    xy = np.mean([k(x[i], y[j]) for i in range(n) for j in range(m) if not (paired and i == j)])
    return xx + yy - 2 * xy


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("n", [7, 20, 45])
def test_the_distance_is_the_direct_one(n, paired):
    x, y = features(0, n), features(1, n if paired else n + 5, shift=0.2)
    assert kernel_distance(x, y, paired=paired) == pytest.approx(directly(x, y, paired), rel=1e-9)


def test_blocks_change_nothing(monkeypatch):
    from vidgen.evaluation import kernel

    x, y = features(0, 50), features(1, 41, shift=0.1)
    whole = kernel_distance(x, y)
    monkeypatch.setattr(kernel, "_ROWS_AT_ONCE", 8)
    assert kernel_distance(x, y) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("paired", [False, True])
def test_the_interval_is_that_of_leaving_clips_out(paired):
    x, y = features(0, 12), features(1, 12 if paired else 15, shift=0.3)
    score = kernel_score(x, y, paired=paired)
    rows = lambda n, i: np.arange(n) != i  # noqa: E731
    parts = (
        [[directly(x[rows(12, i)], y[rows(12, i)], True) for i in range(12)]]
        if paired
        else [
            [directly(x[rows(12, i)], y, False) for i in range(12)],
            [directly(x, y[rows(15, i)], False) for i in range(15)],
        ]
    )
    from scipy import stats

    squares = [
        (stats.t.ppf(0.975, len(p) - 1) ** 2)
        * (len(p) - 1)
        / len(p)
        * np.sum((p - np.mean(p)) ** 2)
        for p in parts
    ]
    half = np.sqrt(np.sum(squares))
    assert (score.high - score.low) / 2 == pytest.approx(half, rel=1e-6)


def test_it_is_unbiased_at_every_n():
    for n in (8, 64):
        values = [kernel_distance(features(2 * s, n), features(2 * s + 1, n)) for s in range(300)]
        error = np.std(values) / np.sqrt(300)
        assert abs(np.mean(values)) < 4 * error
        assert min(values) < 0 < max(values)


def test_pairs_that_are_alike_do_not_pull_it_below_zero():
    x = features(0, 40)
    assert kernel_distance(x, x, paired=True) == pytest.approx(0, abs=1e-12)
    assert kernel_distance(x, x) < -0.05
    near = x + 0.01 * features(1, 40)
    assert abs(kernel_distance(x, near, paired=True)) < 0.01
    order = np.random.default_rng(0).permutation(40)
    others = [
        kernel_distance(features(s, 40), features(s, 40)[order], paired=True) for s in range(40)
    ]
    assert abs(np.mean(others)) < 4 * np.std(others) / np.sqrt(40)


def test_the_interval_covers():
    truth = np.mean(
        [kernel_distance(features(s, 400), features(5000 + s, 400, shift=0.5)) for s in range(20)]
    )
    found = [kernel_score(features(s, 60), features(9000 + s, 60, shift=0.5)) for s in range(100)]
    assert sum(f.low <= truth <= f.high for f in found) >= 87


def test_a_video_distance_names_its_network_and_n():
    class Means:
        name, width = "means-0", 4

        def __call__(self, video):
            return video.mean((2, 3, 4)).astype(np.float32) / 100

    real = np.random.default_rng(0).integers(256, size=(30, 4, 4, 4, 1), dtype=np.uint8)
    score = kernel_video_distance(real, real // 3, network=Means())
    assert score.low > 0
    assert "means-0; N=30" in score.note


def test_sets_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="no pairs"):
        kernel_distance(features(0, 5), features(0, 6), paired=True)
    with pytest.raises(ValueError, match="two clips"):
        kernel_distance(features(0, 1), features(0, 6))
    assert "do not compare" in kernel_score(features(0, 5), features(0, 5, width=3)).note
