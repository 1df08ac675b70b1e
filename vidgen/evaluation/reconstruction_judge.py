"""What a judge says of a tokenizer: how much of real clips is left on the way through it and back.

A generator's PSNR counts the frames after the given ones, of the prompts that give any, since other
prompts have many right answers. A rebuilt clip has one, the clip itself, and none of its frames was
given: here every frame of every clip counts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.features.feature import UnsuitableClipsError, not_computed
from vidgen.evaluation.features.perceptual import lpips
from vidgen.evaluation.judge import Judge, Scores
from vidgen.evaluation.metrics import METRICS, Stratum
from vidgen.evaluation.pixel import psnr, ssim
from vidgen.evaluation.statistics import average
from vidgen.types import Score

_BY_FRAME: dict[
    str, tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], tuple[type[Exception], ...]]
] = {
    "psnr": (psnr, ()),
    "ssim": (ssim, (ValueError,)),
    "lpips_alex": (lpips, (UnsuitableClipsError, ImportError)),
}
"""Metrics of a frame, and the errors that say why there is no value."""

_OF_SETS = (
    "fvd_in_domain",
    "fvd_in_domain_infinity",
    "fvd_i3d",
    "fvd_i3d_infinity",
    "fvd_videomae",
    "fvd_videomae_infinity",
)
"""Between all rebuilt and all real clips: what is called rFVD."""

OF_RECONSTRUCTIONS = (*_BY_FRAME, *_OF_SETS)
"""The metrics by name."""


def judge_reconstructions(judge: Judge, clips: ClipSet, real: ClipSet, scores: Scores) -> Scores:
    """How near rebuilt clips are to the real ones, frame by frame and as a set.

    Args:
        judge: of the comparison; of its groups those are computed that have such metrics.
        clips: the real clips through a tokenizer and back.
        real: the real clips.
        scores: what the judge says of the rebuilt clips as if they were answers: distances of sets
            are the same.

    Returns:
        Scores by (metric, "all"): means over clips with t intervals, distances of sets with theirs.
        A metric that cannot be computed is there with the reason.

    Raises:
        ValueError: if the clips have not the shape of the real ones.
    """
    failed = f"{clips.failed.sum()} failed clips" if clips.failed.any() else ""
    found: dict[tuple[str, Stratum], Score] = {}
    for name in OF_RECONSTRUCTIONS:
        metric = METRICS[name]
        if metric.group not in judge.groups:
            continue
        if name in _OF_SETS:
            found[name, "all"] = scores[name, "all"]
            continue
        measure, excuses = _BY_FRAME[name]
        try:
            values = measure(clips.video, real.video).mean(1)
        except excuses as reason:
            found[name, "all"] = Score.missing(not_computed(reason), better=metric.better)
        else:
            found[name, "all"] = average(values, better=metric.better, note=failed)
    return found
