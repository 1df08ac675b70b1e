import numpy as np
import pytest

from vidgen.comparison.pairs import pairs_of, supported_best
from vidgen.comparison.rows import Row
from vidgen.evaluation import significance
from vidgen.evaluation.significance import benjamini_hochberg, holm, label_permutation

FAMILIES = ("gan", "autoregressive", "diffusion")


def rows_about(means, *, seeds=5, metric="oracle_success", prompts="all", spread=0.02, **rest):
    """Seed values about a mean for each family."""
    rng = np.random.default_rng(0)
    return [
        Row(
            generator=who,
            kind="generator",
            seed=seed,
            metric=metric,
            prompts=prompts,
            value=float(mean + spread * rng.normal()),
            n=64,
            **rest,
        )
        for who, mean in means.items()
        for seed in range(seeds)
    ]


APART = dict(zip(FAMILIES, (0.1, 0.5, 0.9), strict=True))


def test_five_seeds_apart_are_told_apart_within_their_family():
    pairs = pairs_of(rows_about(APART), FAMILIES)
    assert [(pair.a, pair.b) for pair in pairs] == [
        ("gan", "autoregressive"),
        ("gan", "diffusion"),
        ("autoregressive", "diffusion"),
    ]
    for pair in pairs:
        assert pair.primary
        assert pair.p == 2 / 252
        assert pair.p_adjusted == pytest.approx(3 * 2 / 252)
        assert pair.family == "Holm over the 3 pairs of oracle_success"
        assert pair.low < pair.difference < pair.high < 0
        assert pair.winner == pair.b
    assert supported_best(pairs) == "diffusion"


@pytest.mark.parametrize("seeds", [1, 2, 3, 4])
def test_fewer_seeds_describe_without_p_or_winner_however_far_apart(seeds):
    pairs = pairs_of(rows_about(APART, seeds=seeds), FAMILIES)
    assert len(pairs) == 3
    for pair in pairs:
        assert (pair.p, pair.p_adjusted, pair.winner) == (None, None, None)
        assert pair.family.startswith("descriptive only")
        assert "permutation" not in pair.note
        assert pair.ahead == pair.b
        assert (pair.low is None) == (seeds == 1)
    assert supported_best(pairs) is None


def test_where_lower_is_better_the_lower_one_wins():
    pairs = pairs_of(rows_about(APART, metric="kvd_in_domain", better="lower"), FAMILIES)
    assert supported_best(pairs) == "gan"
    assert pairs[0].family == "Holm over the 3 pairs of kvd_in_domain"


def test_a_lead_needs_every_pair():
    close = dict(zip(FAMILIES, (0.1, 0.9, 0.9), strict=True))
    pairs = pairs_of(rows_about(close), FAMILIES)
    assert supported_best(pairs) is None
    assert pairs[0].winner == "autoregressive"


def test_everything_else_is_exploratory_and_corrected_together():
    rows = rows_about(APART) + rows_about(APART, prompts="text", spread=0.5)
    rows += rows_about(APART, metric="motion", spread=0.5)
    rows += rows_about(APART, spread=0.5, protocol="compositional")
    pairs = pairs_of(rows, FAMILIES)
    rest = [pair for pair in pairs if not pair.primary]
    assert len(rest) == 9
    assert {p.family for p in rest} == {"Benjamini-Hochberg over the 9 exploratory tests"}
    expected = benjamini_hochberg([pair.p for pair in rest])
    assert [pair.p_adjusted for pair in rest] == pytest.approx(expected)
    assert all("Holm" in pair.family for pair in pairs if pair.primary)


def test_a_pair_that_lacks_seeds_still_counts_in_its_family():
    rows = rows_about(APART)
    rows = [r for r in rows if r.generator != "gan" or r.seed < 2]
    pairs = pairs_of(rows, FAMILIES)
    tested = [pair for pair in pairs if pair.p is not None]
    assert [(pair.a, pair.b) for pair in tested] == [("autoregressive", "diffusion")]
    assert tested[0].p_adjusted == pytest.approx(holm([2 / 252, 1.0, 1.0])[0])
    assert supported_best(pairs) is None


def test_rows_at_a_share_of_the_budget_prices_and_baselines_are_left_out():
    rows = rows_about(APART) + rows_about(APART, share=0.5) + rows_about(APART, metric="clips_seen")
    assert len(pairs_of(rows, FAMILIES)) == 3
    assert len(pairs_of(rows, FAMILIES[:2])) == 1
    one, other = ([r.value for r in rows[i : i + 5]] for i in (0, 5))
    assert pairs_of(rows, FAMILIES[:2])[0].p == label_permutation(one, other)


def test_one_seed_is_compared_on_the_prompts_that_both_answered(monkeypatch):
    # Its p would be thrown away.
    monkeypatch.setattr(significance, "sign_flip", None)
    rng = np.random.default_rng(1)
    right = {who: (rng.random(64) < mean).astype(float) for who, mean in APART.items()}
    rows = [
        Row(
            generator=who,
            kind="generator",
            seed=0,
            metric="oracle_success",
            value=float(values.mean()),
            n=64,
        )
        for who, values in right.items()
    ]
    clips = {(who, 0, "oracle_success", "all", "test"): list(v) for who, v in right.items()}
    pair = pairs_of(rows, FAMILIES, clips)[0]
    assert (pair.paired, pair.n, pair.p) == (True, 64, None)
    assert pair.note == "paired over prompts within one seed, clustered by prompt"
    assert pair.low < pair.difference < pair.high
    assert pair.difference == pytest.approx(right["gan"].mean() - right["autoregressive"].mean())
    assert pairs_of(rows, FAMILIES)[0].low is None
