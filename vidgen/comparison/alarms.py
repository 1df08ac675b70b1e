"""The report's table of what went wrong while training: which alarms, whose, and when."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import ClassVar

from vidgen.comparison.folder import ComparisonFolder, RunFolder
from vidgen.comparison.headings import AT_EQUAL
from vidgen.comparison.rows import COMPOSITIONAL
from vidgen.comparison.table import Cell, Head, Table
from vidgen.training import alarms, read_metrics

WHAT = {
    "skipped": "steps skipped",
    "spike": "loss spike",
    "collapse": "collapse",
}
"""The kinds of alarms in words."""

RULES = (
    "Steps that were not finite are skipped. A loss spikes where it lies above the median of the "
    f"{alarms.WINDOW} logged losses before it by more than {alarms.SPIKE_DEVIATIONS:g} of their "
    f"standard deviations (by the median absolute deviation), {alarms.SPIKE_ROWS} logged rows in a "
    "row. A metric by which a family tells its collapse raises an alarm after "
    f"{alarms.COLLAPSE_ROWS} logged rows in a row below its limit. No alarm changes a training."
)
"""When they are raised."""

_COLUMNS = (
    Head(key="phase", text="Phase"),
    Head(key="step", text="Step", note="Of the first, where there are several of a kind"),
    Head(key="what", text="What"),
    Head(key="value", text="Value", note="Of the metric, when the first was raised"),
    Head(key="limit", text="Limit", note="That the value should have kept to"),
    Head(key="times", text="Times"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Watched:
    """What is known of the trainings of a comparison.

    Attributes:
        table: a line a training, phase, kind and metric; None where no alarm was raised.
        phases: how many phases were watched from their first step.
        floored: how many of them state by which metric they tell a collapse.
        unwatched: trainings with phases that were not, since they are older than alarms.
    """

    rules: ClassVar[str] = RULES
    table: Table | None
    phases: int
    floored: int
    unwatched: tuple[str, ...]


def watched(folder: ComparisonFolder) -> Watched:
    """What the logs of all trainings hold, finished or not, those of further questions too.

    Args:
        folder: of the comparison.
    """
    phases, floored, unwatched = 0, 0, list[str]()
    lines: list[tuple[Head, tuple[Cell, ...]]] = []
    for run in folder.every_run():
        rows, who = read_metrics(os.fspath(run.path)), _who(run, folder)
        found = alarms.logged(rows)
        phases += len(found)
        starts = [row for row in rows if row["split"] == alarms.WATCH and row["step"] == 0]
        floored += sum(bool(row.keys() - {"phase", "step", "split"}) for row in starts)
        if {row["phase"] for row in rows} - found.keys():
            unwatched.append(", ".join(who))
        for phase, raised in found.items():
            lines += _lines(who, phase, raised)
    table = Table(
        name="alarms",
        caption="Training: alarms",
        corner="Training",
        columns=_COLUMNS,
        groups=(("", tuple(lines)),),
    )
    return Watched(
        table=table if lines else None, phases=phases, floored=floored, unwatched=tuple(unwatched)
    )


def _lines(
    who: tuple[str, str], phase: str, raised: Sequence[alarms.Alarm]
) -> Iterable[tuple[Head, tuple[Cell, ...]]]:
    groups: dict[tuple[str, str], list[alarms.Alarm]] = {}
    for alarm in raised:
        groups.setdefault((alarm.what, alarm.metric), []).append(alarm)
    name, under = who
    for (what, metric), group in groups.items():
        first = group[0]
        words = WHAT[what] if what == "skipped" else f"{WHAT[what]}: {metric}"
        cells = (
            Cell(text=phase),
            _number(first.step),
            Cell(text=words, note=str(first)),
            _number(first.value),
            _number(first.limit),
            _number(len(group)),
        )
        yield Head(key=":".join((*who, phase, what, metric)), text=name, under=under), cells


def _who(run: RunFolder, folder: ComparisonFolder) -> tuple[str, str]:
    """A training's generator, and its seed with what it was trained on."""
    seed, generator, *above = run.path.relative_to(folder.path).parts[::-1]
    words = [seed.replace("-", " ")]
    for part in above:
        share = part.removeprefix("budget-")
        words.append(
            f"{float(share):.0%} of the budget"
            if share != part
            else {COMPOSITIONAL: "without some combinations", **AT_EQUAL}[part]
        )
    return generator, ", ".join(words)


def _number(value: float | int) -> Cell:
    text = f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
    return Cell(text=text, value=float(value))
