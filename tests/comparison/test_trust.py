import dataclasses

import pytest

from vidgen.comparison.rows import Row
from vidgen.comparison.trust import BROKEN, blind_to, trust_in, trust_of


def anchors(values, *, metric="oracle_success", prompts="all", better="higher", half=0.01):
    return [
        Row(
            generator=name,
            kind="anchor",
            seed=None,
            metric=metric,
            prompts=prompts,
            value=value,
            low=None if value is None else value - half,
            high=None if value is None else value + half,
            n=64,
            better=better,
        )
        for name, value in values.items()
    ]


GOOD = {"held-out-real": 0.98, "reconstruction (gan)": 0.9} | dict.fromkeys(BROKEN, 0.02)


def test_a_metric_that_orders_all_anchors_is_trusted():
    trust = trust_in(anchors(GOOD))
    assert (trust.trusted, trust.why, trust.violated, trust.unsure) == (True, "", (), ())
    assert [name for name, _ in trust.order[:2]] == ["held-out-real", "reconstruction (gan)"]


@pytest.mark.parametrize("name", BROKEN)
def test_every_broken_anchor_can_cost_the_trust(name):
    trust = trust_in(anchors(GOOD | {name: 0.99}))
    assert trust.trusted is False
    assert trust.violated == (name,)
    assert name in trust.why


def test_where_lower_is_better_real_clips_are_the_lowest():
    values = {"held-out-real": 0.1} | dict.fromkeys(BROKEN, 2.0)
    lower = anchors(values, metric="trajectory_error_px", better="lower")
    assert trust_in(lower).trusted
    assert trust_in(lower).order[0] == ("held-out-real", 0.1)
    assert trust_in(anchors(values, metric="trajectory_error_px")).trusted is False


def test_before_a_metric_of_sets_other_real_clips_are_the_fair_ones():
    # Half of the held-out clips are the prompts' own, which is why they lie below the floor.
    values = {"held-out-real": 0.0, "real-against-real": 1.0} | dict.fromkeys(BROKEN, 2.0)
    good = anchors(values, metric="kvd_in_domain", better="lower")
    assert trust_in(good).trusted
    bad = anchors(values | {"frozen-real": 0.5}, metric="kvd_in_domain", better="lower")
    assert trust_in(bad).violated == ("frozen-real",)
    assert trust_in(anchors(values | {"frozen-real": 0.5}, better="lower")).trusted


def test_what_a_metric_cannot_see_by_definition_is_named_and_forgiven():
    same = GOOD | {"frozen-real": 0.98, "shuffled-frames": 0.98}
    assert trust_in(anchors(same, metric="identity")).trusted
    assert trust_in(anchors(same, metric="identity")).blind == ("frozen-real", "shuffled-frames")
    assert trust_in(anchors(same, metric="motion")).trusted is False
    # The copied first frame is the frozen real clip where the first frame is given.
    assert "copy-first-frame" in blind_to("identity", "text+image")
    assert "copy-first-frame" not in blind_to("identity", "all")
    assert blind_to("a metric of a plug-in", "all") == ()


def test_what_decays_is_what_drift_must_put_below_real_clips():
    still = {"held-out-real": 0.0} | dict.fromkeys(BROKEN, 0.0)
    good = anchors(still | {"decaying-real": -0.2}, metric="drift_identity")
    assert trust_in(good).trusted
    assert trust_in(anchors(still, metric="drift_identity")).violated == ("decaying-real",)


def test_intervals_that_reach_into_each_other_are_said():
    trust = trust_in(anchors(GOOD | {"frozen-real": 0.9}, half=0.1))
    assert trust.trusted
    assert trust.unsure == ("frozen-real",)
    assert "reaches into that of frozen-real" in trust.why


def test_where_no_anchor_breaks_what_is_measured_there_is_no_verdict():
    trust = trust_in(anchors(GOOD, metric="extra_rate"))
    assert trust.trusted is None
    assert "no anchor" in trust.why
    assert trust_in(anchors(dict.fromkeys(BROKEN, 0.1))) is None


def test_a_share_of_the_budget_has_no_say():
    rows = anchors(GOOD)
    rows += [dataclasses.replace(row, share=0.5) for row in anchors({"copy-first-frame": 0.99})]
    (trust,) = trust_of(rows)
    assert trust.trusted
    assert trust == trust_of(anchors(GOOD))[0]


def test_trust_is_told_for_each_metric_and_kind_of_prompts():
    rows = anchors(GOOD) + anchors(GOOD, prompts="text") + anchors(GOOD, metric="motion")
    assert [(t.metric, t.prompts) for t in trust_of(rows)] == [
        ("oracle_success", "all"),
        ("oracle_success", "text"),
        ("motion", "all"),
    ]
