"""Alarms: what the log of a training tells of a step that failed, a loss that jumped, a collapse.

An alarm changes nothing. It is said once on the console, stands in ``metrics.jsonl`` right after
the row that raised it, and is shown in the report. It follows from the rows before it alone, so
that a run which is cut back to a checkpoint raises the same ones again.

Three rules, over logged rows of training:

- ``skipped``: more steps than at the row before were not finite, and were thrown away.
- ``spike``: `SPIKE_ROWS` rows in a row, the loss lies above median + `SPIKE_DEVIATIONS` x 1.4826 x
  MAD of the `WINDOW` finite losses before each; 1.4826 makes the median absolute deviation a
  standard deviation where noise is normal. This is the identifier of Hampel (JASA 69, 1974), on one
  side and trailing. A row or two say little, since losses over random noise levels have heavy
  tails.
- ``collapse``: `COLLAPSE_ROWS` rows in a row, a metric lies below the floor that its phase states
  (`vidgen.contract.Collapses`).

Each is raised where it begins, and again only after a row without it.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any, Literal

from vidgen.contract import Collapses, Phase

ALARM = "alarm"
"""``split`` of the rows that hold an alarm."""
WATCH = "watch"
"""``split`` of the row from which on a phase is watched; it holds the floors by metric."""

WINDOW = 50
LEAST = 20
"""Losses without which nothing is known of their spread: no spike is seen before."""
SPIKE_DEVIATIONS = 4.0
SPIKE_ROWS = 4
COLLAPSE_ROWS = 10

_NORMAL = 1.4826  # 1 / the upper quartile of the standard normal distribution

What = Literal["skipped", "spike", "collapse"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Alarm:
    """One alarm.

    Attributes:
        what: which rule.
        metric: that it was raised by.
        step: of the row that raised it.
        value: of the metric there.
        limit: that the value should have kept to.
    """

    what: What
    metric: str
    step: int
    value: float
    limit: float

    def __str__(self) -> str:
        value, limit = f"{self.value:.4g}", f"{self.limit:.4g}"
        match self.what:
            case "skipped":
                return f"{value} steps were not finite and were skipped, {limit} at the row before"
            case "spike":
                return f"{self.metric} spiked to {value}, above {limit}"
            case "collapse":
                return f"collapse: {self.metric} {value}, below {limit} {COLLAPSE_ROWS} rows long"

    def row(self) -> dict[str, Any]:
        """What stands in the log, beside the phase, the step and the split."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k != "step"}


class Watch:
    """Follows the rows of one phase.

    Args:
        floors: by metric, see `floors_of`.
    """

    def __init__(self, floors: Mapping[str, float]) -> None:
        self._floors = dict(floors)
        self._losses: deque[float] = deque(maxlen=WINDOW)
        self._skipped = 0.0
        self._rows: dict[tuple[What, str], int] = {}

    def see(self, step: int, split: str, values: Mapping[str, Any]) -> list[Alarm]:
        """The alarms that a row raises, after all that were seen before.

        Args:
            step: of the row.
            split: other rows than those of "train" raise none.
            values: as the log holds them: None where not finite.
        """
        if split != "train":
            return []
        known = {
            name: float(values[name])
            for name in ("skipped", "loss", *self._floors)
            if values.get(name) is not None
        }
        found = [self._see_skipped(step, known.get("skipped"))]
        found.append(self._see_loss(step, known.get("loss")))
        found += [
            self._see_floored(step, metric, known.get(metric), floor)
            for metric, floor in self._floors.items()
        ]
        return [alarm for alarm in found if alarm is not None]

    def _see_skipped(self, step: int, skipped: float | None) -> Alarm | None:
        if skipped is None:
            return None
        before, self._skipped = self._skipped, skipped
        alarm = Alarm(what="skipped", metric="skipped", step=step, value=skipped, limit=before)
        return self._raised(alarm, skipped > before, rows=1)

    def _see_loss(self, step: int, loss: float | None) -> Alarm | None:
        if loss is None:
            return None  # skipped, and said so
        before = list(self._losses)
        self._losses.append(loss)
        if len(before) < LEAST:
            return None
        middle = median(before)
        deviation = _NORMAL * median(abs(other - middle) for other in before)
        limit = middle + SPIKE_DEVIATIONS * deviation
        alarm = Alarm(what="spike", metric="loss", step=step, value=loss, limit=limit)
        # Where most losses are the same, as a hinge's zeros, there is no spread to judge by.
        return self._raised(alarm, loss > limit and deviation > 0, rows=SPIKE_ROWS)

    def _see_floored(
        self, step: int, metric: str, value: float | None, floor: float
    ) -> Alarm | None:
        if value is None:
            return None
        alarm = Alarm(what="collapse", metric=metric, step=step, value=value, limit=floor)
        return self._raised(alarm, value < floor, rows=COLLAPSE_ROWS)

    def _raised(self, alarm: Alarm, bad: bool, *, rows: int) -> Alarm | None:
        """The alarm, if with this row so many in a row are bad."""
        key = alarm.what, alarm.metric
        self._rows[key] = self._rows.get(key, 0) + 1 if bad else 0
        return alarm if self._rows[key] == rows else None


def floors_of(phase: Phase) -> dict[str, float]:
    """By metric, the value below which a phase counts as collapsed; none where it states none."""
    return dict(phase.collapse) if isinstance(phase, Collapses) else {}


def logged(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Alarm]]:
    """The alarms that a log holds, in order, by phase.

    Phases that began before anything was watched are absent where they raised none: what happened
    before is not known.

    Args:
        rows: of `vidgen.training.read_metrics`.
    """
    found: dict[str, list[Alarm]] = {}
    fields = [field.name for field in dataclasses.fields(Alarm)]
    for row in rows:
        if row["split"] == WATCH and row["step"] == 0:
            found.setdefault(row["phase"], [])
        elif row["split"] == ALARM:
            found.setdefault(row["phase"], []).append(Alarm(**{name: row[name] for name in fields}))
    return found
