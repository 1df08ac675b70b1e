import numpy as np
import pytest
from scipy import stats

from vidgen.evaluation.power import minimum_detectable_effect, smallest_p, what_seeds_can_show


def test_what_five_and_six_seeds_can_show():
    five = what_seeds_can_show(5, pairs=3, metrics=3)
    assert five.smallest_p == pytest.approx(0.0079, abs=5e-5)
    assert five.threshold == pytest.approx(0.0167, abs=5e-5)
    assert five.threshold_over_metrics == pytest.approx(0.0056, abs=5e-5)
    assert (five.can_reject, five.can_reject_over_metrics) == (True, False)
    assert (five.needed, five.needed_over_metrics) == (5, 6)
    assert "p = 0.0079 at best" in str(five)
    assert "for which 6 are needed" in str(five)
    assert smallest_p(6) == pytest.approx(0.0022, abs=5e-5)
    assert what_seeds_can_show(6, pairs=3, metrics=3).can_reject_over_metrics
    assert not what_seeds_can_show(5, pairs=10).can_reject
    assert what_seeds_can_show(5, pairs=10).needed == 6


@pytest.mark.parametrize("seeds", [1, 2, 3, 4])
def test_fewer_than_five_seeds_describe_and_name_no_p(seeds):
    few = what_seeds_can_show(seeds, pairs=1, metrics=3)
    assert few.descriptive
    assert not few.can_reject
    assert "descriptive only" in str(few)
    assert "p =" not in str(few)
    with pytest.raises(ValueError, match="start at 1"):
        what_seeds_can_show(0, pairs=1)


def test_the_minimum_detectable_effect_has_the_power_it_promises():
    effect = minimum_detectable_effect(0.1, 5)
    # Cohen (1988): 26 a group find d = 0.80 with power 0.80 at 0.05, two-sided.
    assert minimum_detectable_effect(1.0, 26) == pytest.approx(0.80, abs=0.01)
    rng = np.random.default_rng(5)
    a, b = rng.normal(effect, 0.1, (4000, 5)), rng.normal(0, 0.1, (4000, 5))
    assert np.mean(stats.ttest_ind(a, b, axis=1).pvalue <= 0.05) == pytest.approx(0.8, abs=0.025)
    assert minimum_detectable_effect(0.0, 5) == 0.0
    assert minimum_detectable_effect(0.1, 5, paired=True) < effect
    with pytest.raises(ValueError, match="n=1"):
        minimum_detectable_effect(0.1, 1)
