import itertools

import numpy as np
import pytest
from scipy import stats

from vidgen.evaluation.significance import (
    benjamini_hochberg,
    between_seeds,
    holm,
    label_permutation,
    over_prompts,
    sign_flip,
)


def difference_of_means(x, y, axis):
    return x.mean(axis) - y.mean(axis)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (4, 6)])
def test_permutation_of_labels_against_scipy(n, m):
    rng = np.random.default_rng(n)
    a, b = rng.normal(size=n), rng.normal(0.8, size=m)
    both = np.concatenate([a, b])
    observed = abs(a.mean() - b.mean())
    splits = [
        abs(both[list(s)].mean() - np.delete(both, s).mean())
        for s in itertools.combinations(range(n + m), n)
    ]
    assert label_permutation(a, b) == pytest.approx(np.mean(np.array(splits) >= observed - 1e-12))
    if n == m:
        theirs = stats.permutation_test((a, b), difference_of_means, vectorized=True)
        assert label_permutation(a, b) == pytest.approx(theirs.pvalue)


def test_five_seeds_apart_reach_two_in_252_and_ties_are_not_broken_by_rounding():
    assert label_permutation([0.1, 0.2, 0.3, 0.4, 0.5], [1.1, 1.2, 1.3, 1.4, 1.5]) == 2 / 252
    assert label_permutation([0.1] * 5, [0.1] * 5) == 1.0
    # 0.1 + 0.2 + 0.3 is not 0.6 to the last bit: all four orders of the labels tie.
    assert label_permutation([0.1, 0.3], [0.3, 0.1]) == 1.0


def test_many_seeds_are_drawn_from_and_never_give_nothing():
    rng = np.random.default_rng(0)
    a = rng.normal(size=12)
    assert label_permutation(a, a + 100.0) == pytest.approx(1e-4)
    b = rng.normal(0.5, size=12)
    assert label_permutation(a, b) == pytest.approx(stats.ttest_ind(a, b).pvalue, abs=0.02)


def test_flips_of_signs_against_scipy_and_against_the_binomial():
    d = np.random.default_rng(1).normal(0.5, size=9)
    theirs = stats.permutation_test(
        (d, np.zeros(9)), difference_of_means, permutation_type="samples", vectorized=True
    )
    assert sign_flip(d) == pytest.approx(theirs.pvalue)
    # McNemar's exact test: 12 prompts that differ, 10 of them one way; ties say nothing.
    wins = np.r_[np.ones(10), -np.ones(2), np.zeros(300)]
    assert sign_flip(wins) == pytest.approx(stats.binomtest(10, 12).pvalue)
    many = np.r_[np.ones(60), -np.ones(36)]
    assert sign_flip(many) == pytest.approx(stats.binomtest(60, 96).pvalue)
    drawn = np.random.default_rng(3).normal(0.2, size=100)
    assert sign_flip(drawn) == pytest.approx(stats.ttest_1samp(drawn, 0).pvalue, abs=0.01)
    assert sign_flip(drawn + 5) == pytest.approx(1e-4)
    assert sign_flip(np.zeros(5)) == 1.0
    # The mid-p leaves out half of what is exactly as extreme as 60 of 96.
    half = stats.binom.pmf(60, 96, 0.5)
    assert sign_flip(many, mid_p=True) == pytest.approx(sign_flip(many) - half)


def test_the_difference_of_seeds_is_welchs_and_one_seed_has_no_test():
    a, b = [0.5, 0.6, 0.9], [0.1, 0.2, 0.2]
    found = between_seeds(a, b)
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high))
    assert (found.value, found.n, found.p) == (pytest.approx(0.5), 3, pytest.approx(0.1))
    single = between_seeds([0.5], [0.1, 0.2])
    assert (single.low, single.high, single.p) == (None, None, None)
    same = between_seeds([0.5, 0.5], [0.0, 0.0])
    assert (same.value, same.low, same.p) == (0.5, None, pytest.approx(1 / 3))
    nearly = between_seeds([0.1 + 0.2, 0.3], [0.3, 0.3])  # the same but for the last bit
    assert (nearly.low, nearly.note) == (None, "no spread between seeds, no interval")
    with pytest.raises(ValueError, match="both generators"):
        between_seeds([], [0.1])


def test_pairing_by_prompt_takes_out_what_prompts_have_in_common():
    rng = np.random.default_rng(2)
    hard = rng.normal(0, 5, 200)
    a, b = hard + 0.5 + rng.normal(size=(3, 200)), hard + rng.normal(size=(2, 200))
    paired = over_prompts(a, b)
    assert paired.high - paired.low < 0.6
    assert paired.low < 0.5 < paired.high
    assert paired.p < 0.01
    assert (paired.n, paired.note.split(",")[0]) == (200, "paired over prompts within 2 seeds")
    assert over_prompts(a, b[:, rng.permutation(200)]).high > 1.0


def test_copies_of_a_seed_do_not_narrow_the_difference_over_prompts():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(1, 50)), rng.normal(size=(1, 50))
    once, often = over_prompts(a, b), over_prompts(np.repeat(a, 9, 0), np.repeat(b, 9, 0))
    assert (often.low, often.high, often.p) == pytest.approx((once.low, once.high, once.p))


def test_prompts_without_a_value_are_left_out_for_both():
    a = np.array([[1.0, np.nan, 3.0, 2.0]])
    b = np.array([[0.0, 1.0, np.nan, 0.5]])
    found = over_prompts(a, b)
    assert (found.value, found.n) == (1.25, 2)
    with pytest.raises(ValueError, match="same prompts"):
        over_prompts(a, b[:, :3])
    with pytest.raises(ValueError, match="no values"):
        over_prompts(a[:, 1:2], b[:, 1:2])


def test_holm_by_hand():
    # By hand: 4 x 0.005, 3 x 0.01, 2 x 0.02, and 0.03 held up to the one before it.
    assert holm([0.01, 0.02, 0.03, 0.005]) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert holm([]).size == 0


def test_benjamini_hochberg_rejects_what_their_paper_does():
    # Benjamini & Hochberg (1995), section 3.2: 15 p-values of which 4 are rejected at 0.05.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
    p += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert (benjamini_hochberg(p) <= 0.05).sum() == 4
    assert (holm(p) <= 0.05).sum() == 3
    assert benjamini_hochberg([]).size == 0
