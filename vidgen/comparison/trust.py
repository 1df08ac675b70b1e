"""Trust: whether a metric orders the anchors, whose order is known before anything is judged.

A metric that cannot tell real clips from clips that are broken on purpose measures something else.
Some metrics cannot see some breaks by what they are (a count of objects does not read captions):
those are named, and no ground for distrust.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from vidgen.comparison.rows import TEST, Row
from vidgen.evaluation import METRICS
from vidgen.evaluation.statistics import apart

CHANCE = ("copy-first-frame", "shuffled-captions", "frozen-real")
"""Anchors that know nothing of what was asked: their best is what chance reaches."""

BROKEN = (*CHANCE, "shuffled-frames", "decaying-real")
"""Anchors that real clips must stand above."""

CEILING = "held-out-real"

FLOOR = "real-against-real"
"""Real clips that are none of the prompts': the best that a metric of sets can say. Held-out real
clips answer a first frame by the prompt's own clip, which flatters them before such metrics."""

_OF_SETS = ("fid", "fvd", "kvd", "precision", "recall", "density", "coverage")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trust:
    """Whether a metric is to be trusted here.

    Attributes:
        metric: which.
        prompts: on which: "all", "text" or "text+image".
        protocol: on which list, see `Row.protocol`.
        trusted: True if real clips stand above every broken anchor that it could see; False if
            not; None where no anchor that was judged breaks what it measures.
        why: a clause that says so, empty where it is trusted without reserve.
        violated: anchors that it does not put below real clips.
        unsure: anchors below real clips whose intervals reach into theirs.
        blind: anchors whose break it cannot see by definition.
        order: (anchor, value), the best first.
    """

    metric: str
    prompts: str = "all"
    protocol: str = TEST
    trusted: bool | None
    why: str = ""
    violated: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    order: tuple[tuple[str, float], ...] = ()


def trust_in(anchors: Sequence[Row]) -> Trust | None:
    """Whether one metric orders its anchors.

    Args:
        anchors: summary rows of one metric, kind of prompts and protocol.

    Returns:
        None where real clips have no value, so that there is nothing to order.
    """
    known = {row.generator: row for row in anchors if row.value is not None}
    of_sets = anchors[0].metric.startswith(_OF_SETS) if anchors else False
    real = known.get(FLOOR if of_sets and FLOOR in known else CEILING)
    if real is None:
        return None
    blind = blind_to(real.metric, real.prompts)
    seen = [known[name] for name in BROKEN if name in known and name not in blind]
    violated = [row for row in seen if not _above(real, row)]
    unsure = [row for row in seen if row not in violated and not apart(real, row)]
    clauses = []
    if violated:
        clauses.append(f"it does not put real clips above {_names(violated)}")
    if unsure:
        clauses.append(f"its interval of real clips reaches into that of {_names(unsure)}")
    if not seen:
        clauses.append("no anchor breaks what it measures")
    best_first = sorted(
        known.values(), key=lambda r: r.value or 0.0, reverse=real.better == "higher"
    )
    return Trust(
        metric=real.metric,
        prompts=real.prompts,
        protocol=real.protocol,
        trusted=not violated if seen else None,
        why="; ".join(clauses),
        violated=tuple(row.generator for row in violated),
        unsure=tuple(row.generator for row in unsure),
        blind=blind,
        order=tuple((row.generator, float(row.value or 0.0)) for row in best_first),
    )


def trust_of(summary: Sequence[Row]) -> tuple[Trust, ...]:
    """The trust in every metric of a comparison that has anchors, in the order of the rows.

    A baseline answers at every share of the budget alike; one of its rows speaks for all.
    """
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in summary:
        if row.share == 1.0 and (row.kind == "anchor" or row.generator in BROKEN):
            groups.setdefault((row.metric, row.prompts, row.protocol), []).append(row)
    found = [trust_in(group) for group in groups.values()]
    return tuple(trust for trust in found if trust is not None)


def blind_to(metric: str, prompts: str) -> tuple[str, ...]:
    """The anchors whose break a metric cannot see by definition."""
    blind = METRICS[metric].blind if metric in METRICS else ()
    if prompts == "text+image" and "frozen-real" in blind:
        blind = tuple(dict.fromkeys((*blind, "copy-first-frame")))  # there it is the same clip
    return blind


def _above(a: Row, b: Row) -> bool:
    assert a.value is not None
    assert b.value is not None
    return a.value > b.value if a.better == "higher" else a.value < b.value


def _names(rows: Sequence[Row]) -> str:
    return ", ".join(row.generator for row in rows)
