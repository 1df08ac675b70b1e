"""The metrics by name: which way is good, what each means, and for which prompts it exists.

The one home of these words: the judge computes what stands here, `vidgen list metrics` prints it,
and the report shows it on hover.
"""

from __future__ import annotations

import dataclasses

from vidgen.evaluation.metric import (
    GROUPS,
    STRATA,
    USUAL_GROUPS,
    Group,
    Metric,
    Stratum,
)
from vidgen.evaluation.metrics_of_clips import METRICS_OF_CLIPS
from vidgen.evaluation.metrics_of_detection import METRICS_OF_DETECTION
from vidgen.evaluation.metrics_of_sets import METRICS_OF_SETS

__all__ = [
    "GROUPS",
    "METRICS",
    "OF_SEVERAL",
    "STRATA",
    "USUAL_GROUPS",
    "Group",
    "Metric",
    "Stratum",
    "several_names",
]

OF_SEVERAL = ("psnr", "ssim", "lpips_alex")
"""Metrics against the real clip, of which the mean and the best of K answers are told as well."""


def several_names(name: str) -> tuple[str, str]:
    """The metrics that are the mean and the best of a metric over K answers to each prompt."""
    return f"{name}_mean_of_k", f"{name}_best_of_k"


def _over_answers(of: Metric) -> tuple[Metric, Metric]:
    mean, best = several_names(of.name)
    return (
        dataclasses.replace(
            of,
            name=mean,
            several=True,
            definition=f"{of.name}, mean over K answers to each prompt that gives first frames",
        ),
        dataclasses.replace(
            of,
            name=best,
            several=True,
            definition=f"{of.name} of the best of K answers to each prompt that gives first "
            f"frames; it gains by K alone, so read it beside {mean}",
        ),
    )


_OF_ONE = (*METRICS_OF_CLIPS, *METRICS_OF_DETECTION, *METRICS_OF_SETS)

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *_OF_ONE,
        *(one for of in _OF_ONE if of.name in OF_SEVERAL for one in _over_answers(of)),
    )
}
"""Every metric by name, the primary one first."""
