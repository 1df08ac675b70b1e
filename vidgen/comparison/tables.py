"""The report's tables of scores, pairs, prices and the oracle's own error."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from vidgen.comparison.headings import (
    AT_EQUAL,
    COST_DEFINITIONS,
    COSTS,
    MAIN,
    PROMPTS,
    grouped,
    title,
)
from vidgen.comparison.pairs import PRIMARY_METRICS, Pair
from vidgen.comparison.results import Results
from vidgen.comparison.rows import RECONSTRUCTION, ROLLOUT, TEST, Row
from vidgen.comparison.table import Cell, Head, Table
from vidgen.comparison.wording import amount, number, seconds
from vidgen.evaluation import METHODS, METRICS
from vidgen.evaluation.anchors import DESCRIPTIONS
from vidgen.types import Score

_PREREGISTERED = "primary: chosen before anything was run"


def main_table(
    results: Results, contestants: Sequence[str], framing: Sequence[str], protocol: str = TEST
) -> Table:
    """Families against primary metrics, the anchors below, and whether each metric orders them.

    Args:
        results: of the comparison.
        contestants: the generators that compete.
        framing: baselines and anchors.
        protocol: on which list of prompts, see `Row.protocol`.
    """
    columns = [
        (metric, prompts)
        for metric, prompts in MAIN
        if results.pick(metric, prompts=prompts, protocol=protocol)
    ]
    heads = tuple(metric_head(metric, prompts) for metric, prompts in columns)

    def lines(names: Sequence[str]) -> tuple[tuple[Head, tuple[Cell, ...]], ...]:
        return tuple(
            (
                who_head(name, quiet=name in framing),
                tuple(score_cell(results, name, m, p, protocol) for m, p in columns),
            )
            for name in names
        )

    trusted = Head(
        key="trust",
        text="Orders its anchors?",
        note="Whether the metric puts real clips above every anchor that ignores the prompt. One "
        "that does not measures something else here, and is not to be trusted.",
        quiet=True,
    )
    verdicts = tuple(_trust_cell(results, metric, prompts, protocol) for metric, prompts in columns)
    return Table(
        name="main" if protocol == TEST else protocol,
        caption="Primary metrics with 95% intervals"
        + ("" if protocol == TEST else ", on combinations that training left out"),
        corner="Who",
        columns=heads,
        groups=(
            ("Generators", lines(contestants)),
            ("Anchors: what the numbers are framed by", (*lines(framing), (trusted, verdicts))),
        ),
    )


def metric_tables(
    results: Results, contestants: Sequence[str], framing: Sequence[str], *, answers: int = 1
) -> list[tuple[str, Table]]:
    """(heading, table) of every metric: a line a metric and kind of prompts, a column a name.

    Args:
        results: of the comparison.
        contestants: the generators that compete.
        framing: baselines and anchors.
        answers: K, where there are metrics of several answers to a prompt.
    """
    rows = [row for row in results.summary if row.protocol == TEST]
    measured = [name for name in METRICS if any(row.metric == name for row in rows)]
    everybody = [*contestants, *framing]
    columns = (
        *(who_head(name, quiet=name in framing) for name in everybody),
        Head(key="trust", text="Orders its anchors?", quiet=True),
    )
    tables = []
    for heading, metrics in grouped(measured).items():
        lines = []
        for metric in metrics:
            strata = METRICS[metric].strata
            measured_on = [p for p in strata if _has_values(results, metric, p)]
            for prompts in measured_on or strata[:1]:
                head = metric_head(metric, prompts)
                if METRICS[metric].several:
                    head = dataclasses.replace(head, under=f"{head.under}, K = {answers}")
                if not measured_on:
                    why = next(row.note for row in rows if row.metric == metric)
                    head = dataclasses.replace(head, under=f"not computed: {why}")
                cells = [score_cell(results, name, metric, prompts) for name in everybody]
                cells.append(_trust_cell(results, metric, prompts))
                lines.append((head, tuple(cells)))
        name = "metrics-" + "-".join(heading.lower().split())
        table = Table(
            name=name,
            caption=f"{heading}, with 95% intervals",
            corner="Metric",
            columns=columns,
            groups=(("", tuple(lines)),),
        )
        tables.append((heading, table))
    return tables


def rollout_table(
    results: Results, contestants: Sequence[str], framing: Sequence[str]
) -> Table | None:
    """Drift in clips longer than training's: a line a metric and kind of prompts, a column a name.

    Whoever made none is there, and each of its cells says why. None where nobody was asked.

    Args:
        results: of the comparison.
        contestants: the generators that compete.
        framing: baselines and anchors.
    """
    rows = [row for row in results.summary if row.protocol == ROLLOUT]
    if not rows:
        return None
    made = {row.generator: row.method for row in rows}
    everybody = [name for name in (*contestants, *framing) if name in made]
    asked = {(row.metric, row.prompts) for row in rows if row.value is not None}
    lines = []
    for metric in METRICS.values():
        for prompts in metric.strata:
            if (metric.name, prompts) in asked:
                cells = [score_cell(results, n, metric.name, prompts, ROLLOUT) for n in everybody]
                cells.append(_trust_cell(results, metric.name, prompts, ROLLOUT))
                lines.append((metric_head(metric.name, prompts, primary=False), tuple(cells)))
    heads = [
        dataclasses.replace(
            who_head(name, quiet=name in framing),
            under=METHODS[made[name]] if made[name] else "",
        )
        for name in everybody
    ]
    return Table(
        name="rollout",
        caption="Slopes a frame in clips longer than training's, and what their last frames show, "
        "with 95% intervals",
        corner="Metric",
        columns=(*heads, Head(key="trust", text="Orders its anchors?", quiet=True)),
        groups=(("", tuple(lines)),),
    )


def reconstruction_table(results: Results) -> Table | None:
    """What tokenizers leave of real clips: a line a metric, a column a tokenizer. None where no
    generator has one, or the judging is older than these metrics.
    """
    rows = [r for r in results.summary if r.protocol == RECONSTRUCTION and r.share == 1.0]
    if not rows:
        return None
    names = list(dict.fromkeys(row.generator for row in rows))
    measured = {row.metric for row in rows}
    lines = [
        (
            dataclasses.replace(metric_head(name, "all", primary=False), under="all clips"),
            tuple(score_cell(results, who, name, "all", RECONSTRUCTION) for who in names),
        )
        for name in METRICS
        if name in measured
    ]
    return Table(
        name="reconstruction",
        caption="Real clips through each tokenizer and back against the clips themselves, every "
        "frame, with 95% intervals",
        corner="Metric",
        columns=tuple(who_head(name, quiet=True) for name in names),
        groups=(("", tuple(lines)),),
    )


def cost_table(results: Results, names: Sequence[str], contestants: Sequence[str]) -> Table:
    """What each generator cost to train and costs to sample, means over seeds."""
    lines = []
    for name in names:
        cells = [price_cell(results, name, metric) for metric in COSTS]
        lines.append((who_head(name, quiet=name not in contestants), tuple(cells)))
    return Table(
        name="price",
        caption="Price: means over seeds",
        corner="Who",
        columns=tuple(
            Head(key=metric, text=text, metric=metric, note=COST_DEFINITIONS[metric])
            for metric, text in COSTS.items()
        ),
        groups=(("", tuple(lines)),),
    )


def pair_table(results: Results, protocol: str = TEST) -> Table:
    """Who differs from whom on the preregistered metrics, with the test where there is one.

    Args:
        results: of the comparison.
        protocol: of which question, see `Row.protocol`.
    """
    found = [
        pair for metric in PRIMARY_METRICS for pair in results.pairs_on(metric, protocol=protocol)
    ]
    tested = any(pair.p is not None for pair in found)
    heads = [Head(key="difference", text="Difference"), Head(key="n", text="n")]
    if tested:
        heads += [Head(key="p", text="p"), Head(key="p_adjusted", text="p, adjusted")]
    heads.append(Head(key="family", text="Family of tests"))
    lines = []
    for pair in found:
        cells = [_difference(pair), Cell(text=str(pair.n), value=float(pair.n))]
        if tested:
            cells += [_p(pair.p), _p(pair.p_adjusted)]
        cells.append(Cell(text=pair.family))
        head = Head(
            key=f"{pair.metric}:{pair.a}:{pair.b}",
            text=f"{pair.a} - {pair.b}",
            under=title(pair.metric),
            metric=pair.metric,
        )
        lines.append((head, tuple(cells)))
    return Table(
        name="pairs" if protocol == TEST else f"pairs-{protocol}",
        caption="Differences on the preregistered metrics, all prompts, with 95% intervals"
        + ("" if protocol == TEST else f", {AT_EQUAL[protocol]}: exploratory"),
        corner="Pair",
        columns=tuple(heads),
        groups=(("", tuple(lines)),),
    )


def own_error_table(shares: Mapping[str, Mapping[str, Any]]) -> Table:
    """What the oracle lets pass, of real clips and of clips broken on purpose.

    Args:
        shares: by kind of clips, a score as JSON.
    """
    lines = []
    for kind, data in shares.items():
        score = Score(**{**data, "per_clip": None})
        text = "real clips" if kind == "real" else f"broken: {kind.replace('-', ' ')}"
        cell = Cell(
            text=f"{score.value:.3f}" if score.value is not None else "-",
            value=score.value,
            low=score.low,
            high=score.high,
            below="" if score.low is None else f"{score.low:.3f} to {score.high:.3f}",
            note=_rests_on(score.n, score.note),
            metric="oracle_success",
        )
        wanted = Cell(text="near 1" if kind == "real" else "near 0")
        lines.append((Head(key=kind, text=text), (cell, wanted)))
    return Table(
        name="oracle",
        caption="The oracle's own error, with 95% intervals",
        corner="Clips",
        columns=(
            Head(key="pass", text="Pass as success", metric="oracle_success"),
            Head(key="wanted", text="Should be"),
        ),
        groups=(("", tuple(lines)),),
    )


def value_cell(row: Row) -> Cell:
    """A row's value with its interval, in the digits of its metric, and what they rest on."""
    return Cell(
        text=number(row.value, row.metric),
        value=row.value,
        low=row.low,
        high=row.high,
        below=_ends(row.low, row.high, row.metric),
        note=row.note if row.value is None else _rests_on(row.n, row.note),
        metric=row.metric,
    )


def _has_values(results: Results, metric: str, prompts: str) -> bool:
    return any(row.value is not None for row in results.pick(metric, prompts=prompts))


def metric_head(metric: str, prompts: str, *, primary: bool = True) -> Head:
    """The head of a metric on one kind of prompts; `primary` marks the preregistered ones."""
    return Head(
        key=f"{metric}:{prompts}",
        text=title(metric),
        under=PROMPTS[prompts],
        metric=metric,
        note=_PREREGISTERED if primary and metric in PRIMARY_METRICS and prompts == "all" else "",
        sign="↑" if METRICS[metric].better == "higher" else "↓",
    )


def who_head(name: str, *, quiet: bool) -> Head:
    """The head of a generator or anchor; `quiet` where it frames the others."""
    return Head(key=name, text=name, note=DESCRIPTIONS.get(name.partition(" ")[0], ""), quiet=quiet)


def score_cell(
    results: Results, name: str, metric: str, prompts: str, protocol: str = TEST
) -> Cell:
    """What somebody came to on a metric, marked where the tests support that nobody is better."""
    row = results.one(name, metric, prompts=prompts, protocol=protocol)
    if row is None:
        return Cell(text="-", note="not measured", metric=metric)
    best = name == results.best(metric, prompts=prompts, protocol=protocol)
    return dataclasses.replace(value_cell(row), best=best)


def price_cell(results: Results, name: str, metric: str, protocol: str = TEST) -> Cell:
    """What somebody cost, a mean over seeds."""
    row = results.one(name, metric, protocol=protocol)
    if row is None or row.value is None:
        return Cell(text="-", note="" if row is None else row.note, metric=metric)
    note = f"mean over {row.n} seeds" if row.n > 1 else row.note
    return Cell(text=_amount(metric, row.value), value=row.value, note=note, metric=metric)


def _difference(pair: Pair) -> Cell:
    return Cell(
        text=number(pair.difference, pair.metric),
        value=pair.difference,
        low=pair.low,
        high=pair.high,
        below=_ends(pair.low, pair.high, pair.metric),
        note=pair.note,
        metric=pair.metric,
        best=pair.winner is not None,
    )


def _p(value: float | None) -> Cell:
    return Cell(text="-" if value is None else f"{value:.2g}", value=value)


def _ends(low: float | None, high: float | None, metric: str) -> str:
    if low is None or high is None:
        return ""
    return f"{number(low, metric)} to {number(high, metric)}"


def _trust_cell(results: Results, metric: str, prompts: str, protocol: str = TEST) -> Cell:
    found = results.trust_in(metric, prompts=prompts, protocol=protocol)
    if found is None:
        return Cell(text="-", note="no anchor was judged by it")
    words = "open" if found.trusted is None else "yes" if found.trusted else "no"
    order = " > ".join(f"{name} {number(value, metric)}" for name, value in found.order)
    blind = f"Blind by definition to {', '.join(found.blind)}" if found.blind else ""
    parts = (found.why, blind, f"Best first: {order}")
    return Cell(text=words, note=". ".join(p[:1].upper() + p[1:] for p in parts if p))


def _rests_on(n: int, note: str) -> str:
    return f"n = {n}; {note}" if note else f"n = {n}"


def _amount(metric: str, value: float) -> str:
    if value == 0:
        return "0"
    is_time = metric.endswith("_seconds") or metric.startswith("sampling_p")
    return seconds(value) if is_time else amount(value)
