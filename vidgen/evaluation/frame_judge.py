"""What flow and perceptual networks say of answers: metrics of frames and of their changes."""

from __future__ import annotations

import numpy as np

from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.drift import drift
from vidgen.evaluation.feature_judge import Measured, absent
from vidgen.evaluation.features.feature import UnsuitableClipsError
from vidgen.evaluation.metrics import METRICS, Stratum
from vidgen.evaluation.statistics import average
from vidgen.evaluation.temporal import flicker, motion
from vidgen.types import Score


def temporal_scores(clips: ClipSet, real: ClipSet) -> Measured:
    """The metrics of the group "temporal". A change counts where the later of its two frames was
    made by the generator.
    """
    try:
        seen = motion(clips.video)
        changes = {
            "flicker": flicker(clips.video),
            "dynamic_degree": seen.degree,
            "warp_error": seen.warp_error,
        }
    except (ValueError, ImportError) as reason:
        return absent("temporal", f"not computed: {reason}")
    return _by_frame(changes, real, lost=1)


def perceptual_scores(clips: ClipSet, real: ClipSet) -> Measured:
    """The metrics of the group "lpips"."""
    given = real.context_mask
    per_frame = np.full(clips.video.shape[:2], np.nan)
    try:
        from vidgen.evaluation.features.perceptual import lpips  # brings weights of its own

        if given.any():
            per_frame[given] = lpips(clips.video[given], real.video[given])
    except (UnsuitableClipsError, ImportError) as reason:
        return absent("lpips", f"not computed: {reason}")
    return _by_frame({"lpips_alex": per_frame}, real, lost=0)


def _by_frame(per_frame: dict[str, np.ndarray], real: ClipSet, *, lost: int) -> Measured:
    """Means and slopes of what has a value a frame, `lost` of them fewer than frames."""

    def measured(rows: np.ndarray, stratum: Stratum) -> dict[str, Score]:
        given = real.context_frames if real.context_mask[rows].all() else 0
        first = max(given - lost, 0)
        scores = {}
        for name, values in per_frame.items():
            better = METRICS[name].better
            free = values[rows][:, first:]
            known = np.isfinite(free)
            mean = np.where(known, free, 0.0).sum(1) / np.maximum(known.sum(1), 1)
            scores[name] = average(np.where(known.any(1), mean, np.nan), better=better)
            scores[f"drift_{name}"] = drift(values[rows], first_frame=first, better=better)
        return scores

    return measured
