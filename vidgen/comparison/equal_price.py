"""The comparison at equal prices, side by side: equal training FLOPs, and equal parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from vidgen.comparison.headings import COST_DEFINITIONS
from vidgen.comparison.pairs import PRIMARY_METRICS
from vidgen.comparison.results import Results
from vidgen.comparison.rows import EQUAL_PRICES, TEST
from vidgen.comparison.table import Cell, Head, Table
from vidgen.comparison.tables import metric_head, price_cell, score_cell, who_head

_SPENT = {
    "training_seconds": "Training",
    "total_flops": "Training FLOPs",
    "parameters": "Parameters",
}


def equal_table(
    results: Results, contestants: Sequence[str], headings: Mapping[str, str]
) -> Table | None:
    """What everybody spent and came to at each price: a line a price or preregistered metric.

    None where no price was made equal beyond the budget.

    Args:
        results: of the comparison.
        contestants: the generators that compete.
        headings: what was equal, by protocol: see `Row.protocol`.
    """
    asked = [name for name in EQUAL_PRICES if results.pick("parameters", protocol=name)]
    if not asked:
        return None
    return Table(
        name="equal",
        caption="What everybody spent and came to, by what was equal; all prompts, with 95% "
        "intervals",
        corner="What",
        columns=tuple(who_head(name, quiet=False) for name in contestants),
        groups=tuple(
            (headings[name], _lines(results, contestants, name)) for name in (TEST, *asked)
        ),
    )


def _lines(
    results: Results, contestants: Sequence[str], protocol: str
) -> tuple[tuple[Head, tuple[Cell, ...]], ...]:
    spent = [
        (
            Head(
                key=f"{protocol}:{metric}",
                text=text,
                metric=metric,
                note=COST_DEFINITIONS[metric],
                quiet=True,
            ),
            tuple(price_cell(results, name, metric, protocol) for name in contestants),
        )
        for metric, text in _SPENT.items()
    ]
    metrics: dict[str, str] = dict.fromkeys(PRIMARY_METRICS, "all")
    metrics.update([results.quality(contestants, protocol=protocol)])  # where no oracle judges
    scored = [
        (
            dataclasses.replace(
                metric_head(metric, prompts, primary=protocol == TEST), key=f"{protocol}:{metric}"
            ),
            tuple(score_cell(results, name, metric, prompts, protocol) for name in contestants),
        )
        for metric, prompts in metrics.items()
        if any(
            row.value is not None
            for row in results.pick(metric, prompts=prompts, protocol=protocol)
        )
    ]
    return (*spent, *scored)
