"""Trust: whether a metric orders the anchors, whose order is known before anything is judged.

A metric that cannot tell real clips from clips that are broken on purpose measures something else.
Some metrics cannot see some breaks by what they are (a count of objects does not read captions):
those are named, and no ground for distrust.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from vidgen.comparison.rows import TEST, Row

CHANCE = ("copy-first-frame", "shuffled-captions", "frozen-real")
"""Anchors that know nothing of what was asked: their best is what chance reaches."""

BROKEN = (*CHANCE, "shuffled-frames")
"""Anchors that real clips must stand above."""

CEILING = "held-out-real"

FLOOR = "real-floor"
"""Real clips against others of the same kind: the best that a metric of sets can say."""

_COUNTS = ("frozen-real", "shuffled-frames", "shuffled-captions")
_SET_METRICS = ("fvd", "kvd", "frechet", "precision", "recall", "density", "coverage")

_BLIND: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("identity", "identity_majority"), ("frozen-real", "shuffled-frames")),
    (("one_object", "missing_rate"), _COUNTS),
    (("extra_rate",), (*_COUNTS, "copy-first-frame")),
    (("failed_rate", "drift_identity", "drift_one_object"), BROKEN),
    (("drift_psnr", "drift_ssim"), ("shuffled-frames", "shuffled-captions")),
)
"""Metrics by name, and the anchors whose break they cannot see by definition."""


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
    real = known.get(CEILING, known.get(FLOOR))
    if real is None:
        return None
    blind = blind_to(real.metric, real.prompts)
    seen = [known[name] for name in BROKEN if name in known and name not in blind]
    violated = [row for row in seen if not _above(real, row)]
    unsure = [row for row in seen if row not in violated and not apart(real, row)]
    floor = known.get(FLOOR)
    upside_down = floor is not None and _above(real, floor) and apart(real, floor)
    clauses = []
    if violated:
        clauses.append(f"it does not put real clips above {_names(violated)}")
    if upside_down:
        clauses.append("it puts other real clips above the floor of real against real")
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
        trusted=not (violated or upside_down) if seen or upside_down else None,
        why="; ".join(clauses),
        violated=tuple(row.generator for row in violated),
        unsure=tuple(row.generator for row in unsure),
        blind=blind,
        order=tuple((row.generator, float(row.value or 0.0)) for row in best_first),
    )


def trust_of(summary: Sequence[Row]) -> tuple[Trust, ...]:
    """The trust in every metric of a comparison that has anchors, in the order of the rows."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in summary:
        if row.kind == "anchor" or row.generator in BROKEN:
            groups.setdefault((row.metric, row.prompts, row.protocol), []).append(row)
    found = [trust_in(group) for group in groups.values()]
    return tuple(trust for trust in found if trust is not None)


def blind_to(metric: str, prompts: str) -> tuple[str, ...]:
    """The anchors whose break a metric cannot see by definition."""
    blind = next((anchors for names, anchors in _BLIND if metric in names), ())
    if metric.startswith("fid"):  # of single frames
        blind = ("shuffled-frames", "shuffled-captions")
    elif metric.startswith(_SET_METRICS):
        blind = ("shuffled-captions",)  # the same clips, in another order
    if prompts == "text+image" and "frozen-real" in blind:
        blind = tuple(dict.fromkeys((*blind, "copy-first-frame")))  # there it is the same clip
    return blind


def apart(a: Row, b: Row) -> bool:
    """Whether two intervals do not overlap; False where one is missing."""
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return False
    return a.low > b.high or b.low > a.high


def _above(a: Row, b: Row) -> bool:
    assert a.value is not None
    assert b.value is not None
    return a.value > b.value if a.better == "higher" else a.value < b.value


def _names(rows: Sequence[Row]) -> str:
    return ", ".join(row.generator for row in rows)
