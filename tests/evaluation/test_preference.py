"""Strengths out of votes: against simulation, by hand, and where a fit would run away."""

import numpy as np
import pytest

from vidgen.evaluation.preference import Vote, bradley_terry


def vote(first, second, preferred="first", visitor="a"):
    return Vote(first=first, second=second, preferred=preferred, visitor=visitor)


def simulated(strengths, count, seed, visitors=40):
    rng = np.random.default_rng(seed)
    names = list(strengths)
    votes = []
    for n in range(count):
        i, j = rng.choice(len(names), 2, replace=False)
        odds = strengths[names[i]] - strengths[names[j]]
        wins = rng.random() < 1 / (1 + np.exp(-odds))
        votes.append(vote(names[i], names[j], "first" if wins else "second", str(n % visitors)))
    return votes


TRUE = {"a": 1.0, "b": 0.3, "c": -0.2, "d": -1.1}


def test_simulated_strengths_are_found_again():
    found = bradley_terry(simulated(TRUE, 20_000, 0), resamples=200)
    assert [one.name for one in found] == list(TRUE)
    for one in found:
        assert one.value == pytest.approx(TRUE[one.name], abs=0.08)
        assert one.low < one.value < one.high
        assert one.high - one.low < 0.2
    assert sum(one.value for one in found) == pytest.approx(0.0, abs=1e-9)


def test_intervals_cover_the_truth():
    covered = [
        one.low <= TRUE[one.name] <= one.high
        for seed in range(60)
        for one in bradley_terry(simulated(TRUE, 400, seed), resamples=200)
    ]
    assert 0.88 <= np.mean(covered) <= 0.99


def test_two_rivals_by_hand():
    votes = [vote("x", "y")] * 3 + [vote("y", "x")]
    first, second = bradley_terry(votes, resamples=10)
    assert (first.name, first.votes, first.won) == ("x", 4, 0.75)
    assert first.value == -second.value
    # At the maximum each has as many wins as the model expects, the prior's among them.
    s = np.exp(first.value)
    expected = 4 * s / (s + 1 / s) + s / (s + 1)
    assert pytest.approx(expected, abs=1e-3) == 3 + 0.5


def test_the_fit_is_stationary_where_somebody_never_lost():
    names = "abcde"
    votes = [vote(x, y) for i, x in enumerate(names) for y in names[i + 1 :] for _ in range(100)]
    found = {one.name: one.value for one in bradley_terry(votes, resamples=5)}
    s = np.array([found[name] for name in names])

    def off(shift):
        """How far wins are from what the model expects, the prior's among them."""
        p = 1 / (1 + np.exp(s[None] - s[:, None]))
        np.fill_diagonal(p, 0)
        own = 1 / (1 + np.exp(-(s + shift)))
        return np.array([400, 300, 200, 100, 0]) + 0.5 - 100 * p.sum(1) - own

    # The strengths are told with mean 0; the prior is about an average of its own.
    assert min(np.abs(off(shift)).max() for shift in np.linspace(-1, 1, 401)) < 0.01


def test_few_and_unanimous_votes_say_little():
    for count, visitors in ((1, 1), (2, 2), (20, 20)):
        votes = [vote("x", "y", visitor=str(n % visitors)) for n in range(count)]
        strong, _ = bradley_terry(votes, resamples=50)
        assert strong.low < strong.value - 1.4
        assert strong.high > strong.value + 1.4


def test_who_never_lost_is_not_infinitely_strong_and_draws_say_nothing():
    strong, weak = bradley_terry([vote("x", "y")] * 50, resamples=50)
    assert np.isfinite([strong.value, strong.low, strong.high]).all()
    assert strong.value > 1.5 > -1.5 > weak.value
    even = bradley_terry([vote("x", "y", "neither")] * 9, resamples=50)
    assert [one.value for one in even] == pytest.approx([0, 0])
    assert [one.won for one in even] == [0.5, 0.5]


def test_votes_of_one_visitor_count_together():
    # Twelve visitors, each of one mind: seven for x.
    once = [
        vote("x", "y", "first" if n < 7 else "second", str(n)) for n in range(12) for _ in range(10)
    ]
    one, again = (bradley_terry(votes, resamples=400)[0] for votes in (once, once * 4))
    # Saying the same four times over does not make a visitor surer.
    assert again.high - again.low > 0.9 * (one.high - one.low)
    # Nor are ten votes of one mind worth ten minds.
    apart = [vote(v.first, v.second, v.preferred, str(n)) for n, v in enumerate(once)]
    alone = bradley_terry(apart, resamples=400)[0]
    assert alone.high - alone.low < 0.6 * (one.high - one.low)


def test_what_is_no_vote_is_refused():
    with pytest.raises(ValueError, match="no rival"):
        vote("x", "x")
    with pytest.raises(ValueError, match="no votes"):
        bradley_terry([])
