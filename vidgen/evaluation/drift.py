"""Drift: how a per-frame metric changes along the clip.

A generator that writes a clip from front to back may end worse than it began. The slope of a
metric against the frame index says so in one number, and, unlike a difference of the two ends,
uses all frames.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from vidgen.evaluation.statistics import average
from vidgen.types import Better, Score


def slopes(per_frame: Float[np.ndarray, "N T"], *, first_frame: int = 0) -> Float[np.ndarray, "N"]:
    """Least-squares slope of each clip's metric against the frame index, per frame.

    Args:
        per_frame: float [N T]; NaN where a frame has no value, which leaves it out of the fit.
        first_frame: index of the first frame to count; given frames come before it, and would
            look like a fall from perfection.

    Returns:
        float64 [N]; NaN for a clip with fewer than two values.
    """
    y = np.asarray(per_frame, np.float64)[:, first_frame:]
    known = np.isfinite(y)
    n = np.maximum(known.sum(1, keepdims=True), 1)
    t = np.broadcast_to(np.arange(y.shape[1], dtype=np.float64)[None, :], y.shape)
    t = np.where(known, t - (t * known).sum(1, keepdims=True) / n, 0.0)
    y = np.where(known, y, 0.0)
    spread = (t**2).sum(1)
    return np.where(spread > 0, (t * y).sum(1) / np.where(spread > 0, spread, 1.0), np.nan)


def drift(
    per_frame: Float[np.ndarray, "N T"],
    *,
    first_frame: int = 0,
    better: Better = "higher",
    note: str = "",
) -> Score:
    """Mean slope of a metric against the frame index, with a t interval over clips.

    The clip is the cluster: its frames share one slope. Where more is better, the clips decay below
    zero; where less is, above it.

    Args:
        per_frame: float [N T]; NaN where the metric has no value. Any T: clips longer than those of
            training too.
        first_frame: index of the first frame to count.
        better: which way is good for the metric.
        note: goes before the name of the interval.
    """
    if per_frame.shape[1] - first_frame < 2:
        return Score.missing("drift needs two frames after the context", better=better)
    return average(slopes(per_frame, first_frame=first_frame), better=better, note=note)
