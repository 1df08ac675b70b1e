"""What flow and perceptual networks say of answers: metrics of frames and of their changes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.drift import drift
from vidgen.evaluation.feature_judge import Measured
from vidgen.evaluation.metrics import METRICS, Stratum
from vidgen.evaluation.statistics import average
from vidgen.evaluation.temporal import flicker, motion
from vidgen.types import Score

Frames = Mapping[str, np.ndarray]
"""float [N T] by metric, NaN where a frame has no value; a change stands at its later frame."""


def temporal_frames(clips: ClipSet, real: ClipSet) -> Frames:
    """The metrics of the group "temporal", frame by frame; the first frame has no change.

    Raises:
        ValueError: for clips that flow cannot be measured in.
        ImportError: without the package that measures it.
    """
    seen = motion(clips.video)
    changes = {
        "flicker": flicker(clips.video),
        "dynamic_degree": seen.degree,
        "warp_error": seen.warp_error,
    }
    first = np.full((len(clips), 1), np.nan)
    return {name: np.concatenate([first, values], axis=1) for name, values in changes.items()}


def perceptual_frames(clips: ClipSet, real: ClipSet) -> Frames:
    """The metrics of the group "lpips", frame by frame, where the first frame was given.

    Raises:
        UnsuitableClipsError: for clips that the networks cannot look at.
        ImportError: without their weights.
    """
    from vidgen.evaluation.features.perceptual import lpips  # brings weights of its own

    given = real.context_mask
    per_frame = np.full(clips.video.shape[:2], np.nan)
    if given.any():
        per_frame[given] = lpips(clips.video[given], real.video[given])
    return {"lpips_alex": per_frame}


def frame_scores(per_frame: Frames, real: ClipSet) -> Measured:
    """Means and slopes of what has a value a frame, over the frames that the generator made."""

    def measured(rows: np.ndarray, stratum: Stratum) -> dict[str, Score]:
        first = real.context_frames if real.context_mask[rows].all() else 0
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
