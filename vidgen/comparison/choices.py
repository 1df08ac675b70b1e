"""Tables of what was decided on the way: checkpoints, sampler settings, networks that agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from vidgen.comparison.folder import ComparisonFolder
from vidgen.comparison.headings import COSTS, PROMPTS, title
from vidgen.comparison.rows import LATENCY
from vidgen.comparison.selection import all_tried
from vidgen.comparison.table import Cell, Head, Table
from vidgen.comparison.tables import value_cell
from vidgen.comparison.wording import seconds
from vidgen.evaluation.agreement import Agreement


def settings_table(
    folder: ComparisonFolder, names: Sequence[str], seeds: Sequence[int]
) -> Table | None:
    """Every checkpoint and sampler setting that was tried on validation prompts; None without any.

    Args:
        folder: of the comparison.
        names: generators.
        seeds: of training; each chose for itself.
    """
    lines, deciding, candidates = [], ("", "all"), False
    for name in names:
        for seed in seeds:
            for place, tried in enumerate(all_tried(folder.run(name, seed))):
                deciding = (tried.row.metric, tried.row.prompts)
                cells = (
                    value_cell(tried.row),
                    *(_latency(metric, tried.price.get(metric)) for metric in LATENCY),
                    Cell(text="chosen" if tried.is_chosen else ""),
                )
                candidates |= tried.step is not None
                words = [f"{key} {value}" for key, value in tried.sampler.items()]
                if tried.step is not None:
                    words.insert(0, f"checkpoint at step {tried.step}")
                head = Head(
                    key=f"{name}:{seed}:{place}",
                    text=f"{name}, seed {seed}",
                    under=", ".join(words),
                )
                lines.append((head, cells))
    if not lines:
        return None
    metric, prompts = deciding
    return Table(
        name="settings",
        caption=f"{'Checkpoints and sampler' if candidates else 'Sampler'} settings tried on "
        "validation prompts, by which alone they were chosen",
        corner="Setting",
        columns=(
            Head(key=metric, text=title(metric), under=PROMPTS[prompts], metric=metric),
            *(Head(key=metric, text=COSTS[metric], metric=metric) for metric in LATENCY),
            Head(key="chosen", text="Taken"),
        ),
        groups=(("", tuple(lines)),),
    )


def _latency(metric: str, value: float | None) -> Cell:
    return Cell(text="-" if value is None else seconds(value), value=value, metric=metric)


def agreement_table(
    found: Sequence[Agreement],
    *,
    name: str = "agreement",
    caption: str = "Rank agreement of metrics that answer one question",
) -> Table | None:
    """How far metrics rank everybody alike; None where fewer than two measured."""
    if not found:
        return None
    columns = (
        Head(key="kendall", text="Kendall's tau", note="1: the same order; 0: none in common"),
        Head(key="spearman", text="Spearman's rho", note="1: the same order; 0: none in common"),
        Head(key="n", text="Sets", note="generators and anchors that both have a value for"),
    )
    lines = []
    for pair in found:
        values = dataclasses.asdict(pair)
        cells = [Cell(text=f"{values[k]:.2f}", value=values[k]) for k in ("kendall", "spearman")]
        cells.append(Cell(text=str(pair.n), value=float(pair.n)))
        head = Head(
            key=f"{pair.first}:{pair.second}",
            text=title(pair.first),
            under=f"against {title(pair.second)}",
            metric=pair.second,
        )
        lines.append((head, tuple(cells)))
    return Table(
        name=name,
        caption=caption,
        corner="Metrics",
        columns=columns,
        groups=(("", tuple(lines)),),
    )
