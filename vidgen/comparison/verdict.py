"""The verdict in words: what the numbers show, and what they cannot."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

from vidgen.comparison.headings import AT_EQUAL, prose, title
from vidgen.comparison.limits import limits_of, seeds_of
from vidgen.comparison.pairs import PRIMARY_METRICS, Pair
from vidgen.comparison.results import Results
from vidgen.comparison.rows import (
    COMPOSITIONAL,
    EQUAL_FLOPS,
    EQUAL_PARAMETERS,
    ROLLOUT,
    TEST,
    Row,
)
from vidgen.comparison.trust import CHANCE
from vidgen.comparison.wording import amount, capital, interval, number, seconds
from vidgen.evaluation import METHODS
from vidgen.evaluation.power import in_digits
from vidgen.evaluation.statistics import apart

_EVEN = 1.1
"""How many times the fewest parameters the most may be where they are called equal."""

STRATA = (("text", "from a sentence alone"), ("text+image", "from a sentence and a first frame"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a comparison says.

    Attributes:
        headline: one sentence.
        findings: a sentence each.
        limits: what these numbers cannot show, a sentence each.
    """

    headline: str
    findings: tuple[str, ...]
    limits: tuple[str, ...]


def verdict(results: Results, *, baselines: Sequence[str] = ()) -> Verdict:
    """The verdict of a comparison.

    From five seeds on it rests on the tests of the preregistered metrics; with fewer it describes
    what these trainings did, and says so.

    Args:
        results: its rows.
        baselines: generators that learn nothing; they are compared with, and cannot win.
    """
    contestants = [name for name in results.who("generator") if name not in baselines]
    tested = [p for p in results.pairs if p.primary and p.p is not None]
    findings = [_tests(metric, results.pairs_on(metric)) for metric in _metrics_of(tested)]
    leads = []
    for prompts, words in STRATA:
        rows = _rows(results, "oracle_success", prompts, contestants)
        if rows:
            lead = _leader(rows)
            leads.append(lead and f"{lead} {words}")
            findings.append(_ranking(rows, f"Asked {words}"))
        findings += _against_chance(results, prompts, words, contestants, baselines)
    findings += _paired(results)
    findings += _new_combinations(results, contestants)
    findings += _beyond_training(results, contestants)
    findings += _at_equal_prices(results, contestants)
    findings += _prices(results, contestants)
    headline = (
        _tested_headline(results, _metrics_of(tested)[0])
        if tested
        else _headline(leads, contestants, seeds_of(results, contestants))
    )
    return Verdict(
        headline=headline,
        findings=tuple(findings),
        limits=tuple(limits_of(results, contestants)),
    )


def _rows(
    results: Results, metric: str, prompts: str, who: Sequence[str], *, protocol: str = TEST
) -> list[Row]:
    found = results.pick(metric, prompts=prompts, protocol=protocol)
    rows = [row for row in found if row.generator in who]
    rows = [row for row in rows if row.value is not None]
    rows.sort(key=lambda r: -(r.value or 0.0) if r.better == "higher" else (r.value or 0.0))
    return rows


def _leader(rows: Sequence[Row]) -> str | None:
    """The name whose interval lies above all others, if there is one."""
    best, *others = rows
    return best.generator if others and all(apart(best, row) for row in others) else None


def _metrics_of(tested: Sequence[Pair]) -> list[str]:
    """The preregistered metrics that were tested, in their order."""
    return [name for name in PRIMARY_METRICS if any(pair.metric == name for pair in tested)]


def _tested_headline(results: Results, metric: str) -> str:
    pairs = results.pairs_on(metric)
    words = prose(metric)
    lead = results.best(metric)
    if lead is None:
        return (
            f"No family is ahead of all others in {words}: the tests do not tell every pair apart."
        )
    p = max(p.p_adjusted or 0.0 for p in pairs if lead in (p.a, p.b))
    return (
        f"{capital(lead)} is ahead of all others in {words} "
        f"(p = {in_digits(p)} at most, after {pairs[0].family})."
    )


def _tests(metric: str, pairs: Sequence[Pair], where: str = "") -> str:
    """What the tests of one preregistered metric say, pair by pair."""
    told: list[str] = []
    ahead, alike = [], []
    for pair in pairs:
        if pair.p_adjusted is None:
            told.append(f"{pair.a} and {pair.b} differ by {_size(pair)}, {pair.family}")
            continue
        found = f"({_size(pair)}, p = {in_digits(pair.p_adjusted)})"
        behind = pair.b if pair.ahead == pair.a else pair.a
        if pair.winner is not None:
            told.append(f"{pair.winner} is better than {behind} {found}")
        elif pair.ahead is None or pair.low is None or _spans_zero(pair):
            alike.append(f"{pair.a} and {pair.b} {found}")
        else:
            ahead.append(f"{pair.ahead} of {behind} {found}")
    if ahead:
        told.append(f"ahead by the interval and not by the test: {', '.join(ahead)}")
    if alike:
        told.append(f"not told apart: {', '.join(alike)}")
    family = next(pair.family for pair in pairs if pair.p_adjusted is not None)
    return f"{title(metric)}{where}, tested over seeds ({family}): {'; '.join(told)}."


def _size(pair: Pair) -> str:
    """A difference with its interval: ``0.40 [0.31, 0.49]``."""
    sign = 1 if pair.difference >= 0 else -1
    ends = [None if end is None else sign * end for end in (pair.low, pair.high)]
    low, high = ends if sign == 1 else reversed(ends)
    value = number(abs(pair.difference), pair.metric)
    if low is None or high is None:
        return value
    return f"{value} [{number(low, pair.metric)}, {number(high, pair.metric)}]"


def _spans_zero(pair: Pair) -> bool:
    return pair.low is not None and pair.high is not None and pair.low <= 0.0 <= pair.high


def _paired(results: Results, protocol: str = TEST, where: str = "") -> list[str]:
    """One seed against another, on the prompts that both answered."""
    found = results.pairs_on("oracle_success", protocol=protocol)
    pairs = [pair for pair in found if pair.paired]
    if not pairs:
        return []
    told = [_of_one_seed(pair) for pair in pairs]
    return [
        f"On the same {pairs[0].n} prompts{where}, within one seed (paired, clustered by prompt): "
        f"{'; '.join(told)}. This describes these trained models and not another training."
    ]


def _of_one_seed(pair: Pair) -> str:
    if pair.ahead is None:
        return f"{pair.a} and {pair.b} are equal"
    if _spans_zero(pair):
        return f"{pair.a} and {pair.b} are not told apart ({_size(pair)})"
    behind = pair.b if pair.ahead == pair.a else pair.a
    return f"{pair.ahead} succeeds more often than {behind} by {_size(pair)}"


def _new_combinations(results: Results, contestants: Sequence[str]) -> list[str]:
    """How generators fare that were trained without the combinations they are asked for."""
    told = []
    for prompts, words in STRATA:
        rows = _rows(results, "oracle_success", prompts, contestants, protocol=COMPOSITIONAL)
        each = []
        for row in rows:
            usual = results.one(row.generator, "oracle_success", prompts=prompts)
            beside = "" if usual is None or usual.value is None else f" (else {interval(usual)})"
            each.append(f"{row.generator} {interval(row)}{beside}")
        if each:
            told.append(
                f"Asked {words} for combinations of identity and motion that their training left "
                f"out, oracle success is {', '.join(each)}; in brackets, trained and asked on all "
                "combinations."
            )
    return told


def _beyond_training(results: Results, contestants: Sequence[str]) -> list[str]:
    """What is still right at the end of clips longer than those of training, and how it drifts."""
    told = []
    for row in _rows(results, "identity", "all", contestants, protocol=ROLLOUT):
        slope = results.one(row.generator, "drift_identity", protocol=ROLLOUT)
        drifts = "" if slope is None or slope.value is None else f", {interval(slope)} a frame"
        told.append(f"{row.generator} {interval(row)} ({METHODS[row.method]}{drifts})")
    if not told:
        return []
    return [
        "At the end of clips longer than those of training, in as many frames as training shows, "
        f"the right identity has lasted in a share of {', '.join(told)}; a frame changes the share "
        "that is right in it by what stands in brackets."
    ]


def _at_equal_prices(results: Results, contestants: Sequence[str]) -> list[str]:
    """Who is better where all were trained on equal FLOPs, or have equal parameters."""
    told = []
    for protocol, price in ((EQUAL_FLOPS, "total_flops"), (EQUAL_PARAMETERS, "parameters")):
        quality, prompts = results.quality(contestants, protocol=protocol)
        rows = _rows(results, quality, prompts, contestants, protocol=protocol)
        found = results.pick(price, protocol=protocol)
        spent = sorted(row.value for row in found if row.value and row.generator in contestants)
        if not (rows and spent):
            continue
        ends = " to ".join(dict.fromkeys(amount(end) for end in (spent[0], spent[-1])))
        where = f" {AT_EQUAL[protocol]}"
        told.append(_ranking(rows, f"Trained{where} ({ends})"))
        sizes = [f"{r.generator} {amount(r.value)}" for r in found if r.value]
        if protocol == EQUAL_PARAMETERS and spent[-1] > _EVEN * spent[0]:
            told.append(
                f"Their parameters are not equal ({', '.join(sizes)}): whoever's config declares "
                "no widths keeps its size, and others come as near as their widths allow."
            )
        pairs = results.pairs_on(quality, prompts=prompts, protocol=protocol)
        if any(pair.p_adjusted is not None for pair in pairs):
            told.append(_tests(quality, pairs, where))
        told += _paired(results, protocol, where)
    return told


def _headline(leads: Sequence[str | None], contestants: Sequence[str], seeds: int) -> str:
    """What the intervals say where there are too few seeds for a test."""
    words = _described(leads, contestants)
    if len(contestants) < 2 or not any(leads):
        return words
    count = "one seed" if seeds == 1 else f"{seeds} seeds"
    return f"{words.removesuffix('.')}; a description of {count}, not a test."


def _described(leads: Sequence[str | None], contestants: Sequence[str]) -> str:
    if len(contestants) < 2:
        return "One contestant alone: there is nothing to compare."
    if not leads:
        return "No contestant has a score on the oracle."
    known = [lead for lead in leads if lead]
    if not known:
        return "No family is ahead of all others with its interval apart."
    names = {lead.split(" ", 1)[0] for lead in known}
    if len(known) == len(STRATA) and len(names) == 1:
        return f"{capital(names.pop())} is ahead of all others, with and without a first frame."
    text = " and ".join(known)
    rest = "" if len(known) == len(leads) else "; on the other prompts nobody is clearly ahead"
    return f"Ahead of all others: {text}{rest}."


def _ranking(rows: Sequence[Row], words: str) -> str:
    named = [f"{row.generator} {interval(row)}" for row in rows]
    split: dict[bool, list[str]] = {True: [], False: []}
    for a, b in itertools.combinations(rows, 2):
        split[apart(a, b)].append(f"{a.generator} and {b.generator}")
    sentence = f"{words}, {prose(rows[0].metric)} is {', '.join(named)}"
    if len(rows) < 2:
        return sentence + "."
    if not split[False]:
        return sentence + "; all intervals are apart."
    if not split[True] and len(rows) > 2:
        return sentence + "; all intervals overlap."
    if 0 < len(split[True]) < len(split[False]):  # the fewer pairs are told
        return f"{sentence}; only the intervals of {', of '.join(split[True])} are apart."
    return f"{sentence}; the intervals of {', of '.join(split[False])} overlap."


def _against_chance(
    results: Results, prompts: str, words: str, who: Sequence[str], baselines: Sequence[str]
) -> list[str]:
    floor = [
        row
        for row in results.pick("oracle_success", prompts=prompts)
        if row.value is not None
        and row.generator not in who
        and (row.generator in CHANCE or row.generator in baselines)
    ]
    if not floor:
        return []
    highest = max(floor, key=lambda row: row.high if row.high is not None else row.value or 0.0)
    sentences = []
    for metric in ("oracle_success", "oracle_success_majority"):
        rows = _rows(results, metric, prompts, who)
        below = [r.generator for r in rows if r.low is None or r.low <= (highest.high or 0.0)]
        if metric == "oracle_success" and rows and not below:
            return [
                f"Every family is above chance {words} ({highest.generator} {interval(highest)})."
            ]
        if metric == "oracle_success" and below:
            sentences.append(
                f"Not clearly above chance {words} ({highest.generator} {interval(highest)}): "
                f"{', '.join(below)}."
            )
    return sentences


def _prices(results: Results, who: Sequence[str]) -> list[str]:
    rows = [r for r in results.pick("sampling_p50") if r.generator in who and r.value]
    if len(rows) < 2:
        return []
    rows.sort(key=lambda row: row.value or 0.0)
    words = [f"{row.generator} {seconds(row.value or 0.0)}" for row in rows]
    return [f"One clip takes (median, batch 1): {', '.join(words)}."]
