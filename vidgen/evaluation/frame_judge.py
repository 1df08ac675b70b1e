"""Metrics that have a value a frame: of it alone, against the real clip, and of its changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from vidgen.evaluation.appearance import brightness, sharpness
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.drift import drift
from vidgen.evaluation.feature_judge import Measured
from vidgen.evaluation.features.perceptual import lpips
from vidgen.evaluation.metrics import METRICS, Stratum
from vidgen.evaluation.pixel import psnr, ssim
from vidgen.evaluation.statistics import average, mean_of_known
from vidgen.evaluation.temporal import flicker, motion
from vidgen.types import Score

Frames = Mapping[str, np.ndarray]
"""float [N T] by metric, NaN where a frame has no value: where it was given, or is in a clip that
failed and whose stand-in would be praised. A change stands at its later frame."""


def given_frames(real: ClipSet) -> np.ndarray:
    """bool [N T], the frames that prompts give: no merit of the generator."""
    return real.given


def in_stratum(real: ClipSet, stratum: Stratum) -> np.ndarray:
    """bool [N], the prompts of a kind."""
    if stratum == "all":
        return np.ones(len(real), np.bool_)
    return real.context_mask if stratum == "text+image" else ~real.context_mask


def appearance_frames(clips: ClipSet, real: ClipSet) -> Frames:
    """The metrics of the group "appearance", frame by frame, but for clips that failed, whose grey
    frames look like nothing that was drawn.

    Raises:
        ValueError: for frames with a side of one pixel.
    """
    unknown = given_frames(real) | clips.failed[:, None]
    found = {"brightness": brightness(clips.video), "sharpness": sharpness(clips.video)}
    return {name: np.where(unknown, np.nan, values) for name, values in found.items()}


def temporal_frames(clips: ClipSet, real: ClipSet) -> Frames:
    """The metrics of the group "temporal", frame by frame; the first frame has no change, and a
    clip that failed none that counts, since its grey frames flicker less than any picture.

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
    found = {name: np.pad(values, ((0, 0), (1, 0))) for name, values in changes.items()}
    unknown = given_frames(real) | clips.failed[:, None]
    unknown[:, 0] = True
    return {name: np.where(unknown, np.nan, values) for name, values in found.items()}


def psnr_frames(clips: ClipSet, real: ClipSet) -> Frames:
    """PSNR, where first frames were given."""
    return {"psnr": _against_real(psnr, clips, real)}


def ssim_frames(clips: ClipSet, real: ClipSet) -> Frames:
    """SSIM, where first frames were given.

    Raises:
        ValueError: for frames smaller than its window.
    """
    return {"ssim": _against_real(ssim, clips, real)}


def perceptual_frames(clips: ClipSet, real: ClipSet) -> Frames:
    """The metrics of the group "lpips", frame by frame, where the first frame was given.

    Raises:
        UnsuitableClipsError: for clips that the networks cannot look at.
        ImportError: without their weights.
    """
    return {"lpips_alex": _against_real(lpips, clips, real)}


def frame_scores(per_frame: Frames) -> Measured:
    """Means and slopes of what has a value a frame."""

    def measured(rows: np.ndarray, stratum: Stratum) -> dict[str, Score]:
        scores = {}
        for name, values in per_frame.items():
            better = METRICS[name].better
            scores[name] = average(mean_of_known(values[rows]), better=better)
            scores[f"drift_{name}"] = drift(values[rows], better=better)
        return scores

    return measured


def _against_real(
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray], clips: ClipSet, real: ClipSet
) -> np.ndarray:
    """float [N T], of the frames that follow given ones: other prompts have many right answers."""
    asked = real.context_mask
    found = np.full(clips.video.shape[:2], np.nan)
    if asked.any():
        found[asked] = measure(clips.video[asked], real.video[asked])
    return np.where(given_frames(real), np.nan, found)
