"""The verdict in words: what the numbers show, and what they cannot."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

from vidgen.comparison.results import Results
from vidgen.comparison.rows import Row
from vidgen.comparison.trust import BROKEN, CHANCE, apart, trust_in
from vidgen.evaluation.power import ENOUGH_SEEDS

STRATA = (("text", "from a sentence alone"), ("text+image", "from a sentence and a first frame"))

TITLES = {
    "oracle_success": "oracle success",
    "oracle_success_majority": "oracle success by majority",
}


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

    Args:
        results: its rows.
        baselines: generators that learn nothing; they are compared with, and cannot win.
    """
    contestants = [name for name in results.who("generator") if name not in baselines]
    findings: list[str] = []
    leads = []
    for prompts, words in STRATA:
        rows = _rows(results, "oracle_success", prompts, contestants)
        if rows:
            lead = _leader(rows)
            leads.append(lead and f"{lead} {words}")
            findings.append(_ranking(rows, f"Asked {words}"))
        findings += _against_chance(results, prompts, words, contestants, baselines)
    findings += _prices(results, contestants)
    return Verdict(
        headline=_headline(leads, contestants),
        findings=tuple(findings),
        limits=tuple(_limits(results, contestants)),
    )


def untrusted(results: Results, metric: str, prompts: str = "all") -> str:
    """Why a metric is not to be trusted here; empty where it orders its anchors.

    A metric that cannot tell real clips from clips that ignore the prompt measures something else.
    """
    found = trust_in(
        [
            row
            for row in results.pick(metric, prompts=prompts)
            if row.kind == "anchor" or row.generator in BROKEN
        ]
    )
    return found.why if found is not None and found.trusted is False else ""


def number(value: float | None, metric: str = "") -> str:
    """A value for prose and tables, with the digits that its metric deserves."""
    if value is None:
        return "-"
    digits = 3 if metric.startswith("drift") else 1 if metric.startswith("psnr") else 2
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0 makes nothing of a negative zero


def interval(row: Row) -> str:
    """``0.90 [0.85, 0.94]``."""
    value, low, high = (number(end, row.metric) for end in (row.value, row.low, row.high))
    return value if row.low is None or row.high is None else f"{value} [{low}, {high}]"


def amount(value: float) -> str:
    """A large count with a letter: ``3.2 M``."""
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}"


def _rows(results: Results, metric: str, prompts: str, who: Sequence[str]) -> list[Row]:
    rows = [r for r in results.pick(metric, prompts=prompts) if r.generator in who]
    rows = [row for row in rows if row.value is not None]
    rows.sort(key=lambda r: -(r.value or 0.0) if r.better == "higher" else (r.value or 0.0))
    return rows


def _leader(rows: Sequence[Row]) -> str | None:
    """The name whose interval lies above all others, if there is one."""
    best, *others = rows
    return best.generator if others and all(apart(best, row) for row in others) else None


def _headline(leads: Sequence[str | None], contestants: Sequence[str]) -> str:
    if len(contestants) < 2:
        return "One contestant alone: there is nothing to compare."
    if not leads:
        return "No contestant has a score on the oracle."
    known = [lead for lead in leads if lead]
    if not known:
        return "No family is ahead of all others with its interval apart."
    names = {lead.split(" ", 1)[0] for lead in known}
    if len(known) == len(STRATA) and len(names) == 1:
        return f"{_title(names.pop())} is ahead of all others, with and without a first frame."
    text = " and ".join(known)
    rest = "" if len(known) == len(leads) else "; on the other prompts nobody is clearly ahead"
    return f"Ahead of all others: {text}{rest}."


def _ranking(rows: Sequence[Row], words: str) -> str:
    named = [f"{row.generator} {interval(row)}" for row in rows]
    overlapping = [
        f"{a.generator} and {b.generator}"
        for a, b in itertools.combinations(rows, 2)
        if not apart(a, b)
    ]
    sentence = f"{words}, oracle success is {', '.join(named)}"
    if len(rows) < 2:
        return sentence + "."
    if not overlapping:
        return sentence + "; all intervals are apart."
    return f"{sentence}; the intervals of {', of '.join(overlapping)} overlap."


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


def seconds(value: float) -> str:
    """A duration with a fitting unit."""
    if value < 1:
        return f"{value * 1e3:.3g} ms"
    return f"{value:.3g} s" if value < 600 else f"{value / 60:.3g} min"


def _limits(results: Results, who: Sequence[str]) -> list[str]:
    seeds = {row.seed for row in results.rows if row.kind == "generator" and row.generator in who}
    count = len(seeds)
    limits = []
    if count < ENOUGH_SEEDS:
        some = "one training seed" if count == 1 else f"{count} training seeds"
        how = (
            "intervals are over prompts within that one trained model and say nothing about "
            "another training"
            if count == 1
            else "intervals are t intervals over the seeds"
        )
        limits.append(
            f"Descriptive only: {some}, {how}; with fewer than {ENOUGH_SEEDS} seeds no test can "
            "reach significance over three pairs, and no p-value is given."
        )
    else:
        limits.append(
            f"{count} training seeds: intervals are t intervals over the seeds; no p-values are "
            "computed, since intervals that are apart say it as well."
        )
    failed = sorted({r.generator for r in results.rows if r.note.startswith("the job failed")})
    if failed:
        limits.append(f"Jobs failed and are absent from the numbers: {', '.join(failed)}.")
    metrics = dict.fromkeys((row.metric, row.prompts) for row in results.summary)
    for metric, prompts in metrics:
        why = untrusted(results, metric, prompts) if prompts == "all" else ""
        if why and metric in TITLES:
            limits.append(f"{TITLES[metric].capitalize()} is not to be trusted here: {why}.")
    return limits


def _title(name: str) -> str:
    return name[:1].upper() + name[1:]
