"""The metrics by name: which way is good, what each means, and for which prompts it exists.

The one home of these words: the judge computes what stands here, `vidgen list metrics` prints it,
and the report shows it on hover.
"""

from __future__ import annotations

from vidgen.evaluation.metric import (
    GROUPS,
    STRATA,
    USUAL_GROUPS,
    Group,
    Metric,
    Stratum,
)
from vidgen.evaluation.metrics_of_clips import METRICS_OF_CLIPS
from vidgen.evaluation.metrics_of_sets import METRICS_OF_SETS

__all__ = [
    "GROUPS",
    "METRICS",
    "STRATA",
    "USUAL_GROUPS",
    "Group",
    "Metric",
    "Stratum",
]

METRICS: dict[str, Metric] = {
    metric.name: metric for metric in (*METRICS_OF_CLIPS, *METRICS_OF_SETS)
}
"""Every metric by name, the primary one first."""
