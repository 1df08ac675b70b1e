"""What the numbers of a comparison cannot show: few seeds, failed jobs, metrics without trust."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from vidgen.comparison.headings import MAIN, prose, title
from vidgen.comparison.results import Results
from vidgen.comparison.rows import TEST
from vidgen.comparison.wording import number
from vidgen.evaluation.power import (
    ALPHA,
    ENOUGH_SEEDS,
    minimum_detectable_effect,
    what_seeds_can_show,
)

QUIET = 0.1
"""Share that others take of the cores, up to which times count as those of idle ones."""

_AGAIN = "; `vidgen price` times all again, one after another"


def seeds_of(results: Results, who: Sequence[str]) -> int:
    """Seeds of the contestant that has fewest, at the whole budget; 0 where nobody has any.

    A seed whose job failed has no value, and is none. A contestant without any is not counted.
    """
    found: dict[str, set[int | None]] = {}
    for row in results.rows:
        whole = row.share == 1.0 and row.protocol == TEST
        if whole and row.generator in who and row.value is not None:
            found.setdefault(row.generator, set()).add(row.seed)
    return min((len(seeds) for seeds in found.values()), default=0)


def limits_of(results: Results, who: Sequence[str]) -> list[str]:
    """A sentence each.

    Args:
        results: of the comparison.
        who: its contestants.
    """
    count = seeds_of(results, who)
    tested = [pair for pair in results.pairs if pair.primary and pair.p is not None]
    limits = []
    if tested:  # whoever lacks seeds for it is told so pair by pair
        metrics = len({pair.metric for pair in tested})
        most = max(len(results.pairs_on(pair.metric)) for pair in tested)
        seeds = min(pair.n for pair in tested)
        limits.append(str(what_seeds_can_show(seeds, most, metrics)))
        limits += _undetected(results, who, seeds, most)
    elif count < ENOUGH_SEEDS:
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
    failed = sorted({r.generator for r in results.rows if r.note.startswith("the job failed")})
    if failed:
        limits.append(f"Jobs failed and are absent from the numbers: {', '.join(failed)}.")
    for done, devices in (("trained", results.devices), ("sampled", results.sampled_on)):
        if len(devices) > 1:
            where = "; ".join(f"{device}: {', '.join(who)}" for device, who in devices.items())
            limits.append(
                f"Not all were {done} on the same device ({where}): seconds of that compare only "
                f"within one{_AGAIN if done == 'sampled' else ''}."
            )
    busy = {name: share for name, share in results.neighbours.items() if share > QUIET}
    if busy:
        limits.append(
            f"While sampling was timed, others took up to {number(max(busy.values()))} of its "
            f"cores ({', '.join(busy)}), so that it may take less{_AGAIN}."
        )
    told = dict.fromkeys(metric for metric, prompts in MAIN if prompts == "all")
    for metric in told:
        why = untrusted(results, metric)
        if why:
            limits.append(f"{title(metric)} is not to be trusted here: {why}.")
    rest = [
        prose(trust.metric)
        for trust in results.trust
        if trust.trusted is False
        and (trust.prompts, trust.protocol) == ("all", TEST)
        and trust.metric not in told
    ]
    if rest:
        limits.append(
            "Of the exploratory metrics these do not order the anchors, and are not to be trusted "
            f"here: {', '.join(rest)}."
        )
    return limits


def _undetected(results: Results, who: Sequence[str], seeds: int, pairs: int) -> list[str]:
    """How large a difference in success has to be before this many seeds find it."""
    by_name: dict[str, list[float]] = {}
    for row in results.rows:
        wanted = (row.metric, row.prompts, row.share, row.protocol)
        if row.generator in who and wanted == ("oracle_success", "all", 1.0, TEST):
            by_name.setdefault(row.generator, []).extend([] if row.value is None else [row.value])
    spreads = [statistics.variance(values) for values in by_name.values() if len(values) > 1]
    spread = math.sqrt(statistics.fmean(spreads)) if spreads else 0.0
    if not spread:
        return []
    effect = minimum_detectable_effect(spread, seeds, alpha=ALPHA / pairs)
    return [
        f"Seeds spread by {number(spread)} (standard deviation) in oracle success: a true "
        f"difference below {number(effect)} is missed in more than one such comparison in five."
    ]


def untrusted(results: Results, metric: str, prompts: str = "all") -> str:
    """Why a metric is not to be trusted here; empty where it orders its anchors.

    A metric that cannot tell real clips from clips that ignore the prompt measures something else.
    """
    found = results.trust_in(metric, prompts=prompts)
    return found.why if found is not None and found.trusted is False else ""
