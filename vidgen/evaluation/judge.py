"""The judge: ClipSets in, scores out, by metric and by kind of prompt.

Built once a comparison from a training split; what it says of a ClipSet depends on nothing but
that set and the prompts it answers.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vidgen.data import Source
from vidgen.evaluation.broken import broken
from vidgen.evaluation.camera_broken import camera_own_error
from vidgen.evaluation.camera_oracle import CameraVerdicts, examine_camera
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.drift import drift
from vidgen.evaluation.metrics import METRICS, STRATA, Metric, Stratum
from vidgen.evaluation.observations import FrameCurve, Observations
from vidgen.evaluation.oracle import (
    Confusion,
    Oracle,
    UnjudgeableError,
    Verdicts,
    oracle_success,
)
from vidgen.evaluation.pixel import psnr, ssim
from vidgen.evaluation.statistics import average, proportion, rate
from vidgen.types import Score

Scores = Mapping[tuple[str, Stratum], Score]
"""Scores by (name of the metric, stratum)."""

_CAMERA = {"oracle_success": "success", "motion": "motion_right"}
"""What the oracle of a moving camera says; the other words are about objects."""

_PROPORTIONS = {
    "oracle_success": "success",
    "oracle_success_majority": "success_majority",
    "identity": "identity_right",
    "identity_majority": "identity_majority_right",
    "motion": "motion_right",
    "one_object": "one_object",
}


class Judge:
    """Judges the answers to a list of prompts.

    Args:
        train: the training split of the source that the prompts come from. The judge learns from
            its exemplars alone. Clips of the source ``"camera"`` are judged by `camera_oracle`,
            which learns nothing.
        seed: of the recogniser's augmentation.

    Attributes:
        oracle: the oracle of objects, or None for a source without any.
    """

    def __init__(self, train: Source, *, seed: int = 0) -> None:
        self.oracle: Oracle | None = None
        self._why = ""
        self._camera = train.name == "camera"
        if self._camera:
            return
        try:
            self.oracle = Oracle(train, seed=seed)
        except UnjudgeableError as reason:
            self._why = str(reason)

    def judge(self, clips: ClipSet, real: ClipSet) -> Scores:
        """Every metric of `metrics.METRICS` in every stratum that has prompts and the metric.

        Args:
            clips: the answers.
            real: the prompts they answer, clip by clip.

        Returns:
            Scores by (metric, stratum). A metric that cannot be computed is there, without a value
            and with the reason.

        Raises:
            ValueError: if the two sets do not belong together.
        """
        _belong_together(clips, real)
        verdicts, why = self._examine(clips, real)
        context = real.context_frames
        per_frame, too_small = _against_real(clips, real)
        scores: dict[tuple[str, Stratum], Score] = {}
        for stratum in STRATA:
            rows = _rows(real, stratum)
            if not rows.any():
                continue
            note = f"{clips.failed[rows].sum()} failed clips" if clips.failed[rows].any() else ""
            for metric in METRICS.values():
                if stratum not in metric.strata:
                    continue
                if metric.name == "failed_rate":
                    score = proportion(clips.failed[rows], better="lower")
                elif metric.needs_truth and verdicts is None:
                    score = Score.missing(why, better=metric.better)
                elif metric.needs_truth:
                    assert verdicts is not None
                    score = (
                        _camera_score(metric, verdicts, rows, note)
                        if isinstance(verdicts, CameraVerdicts)
                        else _oracle_score(metric, verdicts, rows, _free(real, rows), note)
                    )
                else:
                    kind = metric.name.removeprefix("drift_")
                    score = (
                        _pixel_score(metric, per_frame[kind], rows, context, note)
                        if kind in per_frame
                        else Score.missing(too_small, better=metric.better)
                    )
                scores[metric.name, stratum] = score
        return scores

    def observe(self, clips: ClipSet, real: ClipSet) -> Observations:
        """Every metric that has a value a frame, frame by frame, and what was taken for what.

        Args:
            clips: the answers.
            real: the prompts they answer, clip by clip.

        Raises:
            ValueError: if the two sets do not belong together.
        """
        _belong_together(clips, real)
        verdicts, _ = self._examine(clips, real)
        frames: dict[str, np.ndarray] = {}
        confusions: dict[str, Confusion] = {}
        if isinstance(verdicts, Verdicts) and self.oracle is not None:
            frames["identity"] = verdicts.identity_per_frame
            frames["one_object"] = verdicts.count == 1
            frames["trajectory_error_px"] = verdicts.distance
            confusions["identity"] = self.oracle.identity_confusion(verdicts)
            confusions["motion"] = self.oracle.motion_confusion(verdicts)
        for name, values in _against_real(clips, real)[0].items():
            values[:, : real.context_frames] = np.nan  # given, and no merit of the generator
            frames[name] = values
        curves = [
            FrameCurve.of(values[rows], metric=name, prompts=stratum, better=METRICS[name].better)
            for stratum in STRATA
            for name, values in frames.items()
            if stratum in METRICS[name].strata and (rows := _rows(real, stratum)).any()
        ]
        return Observations(curves=tuple(curves), confusions=confusions)

    def own_error(self, real: ClipSet, *, seed: int = 0) -> dict[str, Score]:
        """What `oracle_success` gives to real clips, and to clips broken on purpose.

        Args:
            real: real clips with their truth.
            seed: of the breaking.

        Returns:
            Scores by kind: ``"real"``, which should be near 1, and each of `broken` (of
            `camera_broken` before a moving camera), near 0.

        Raises:
            UnjudgeableError: if there is no oracle for the clips.
        """
        if self._camera:
            return camera_own_error(real, seed=seed)
        if self.oracle is None:
            raise UnjudgeableError(self._why)
        sets = {"real": real} | broken(real, seed=seed)
        return {
            kind: oracle_success(clips, real, oracle=self.oracle) for kind, clips in sets.items()
        }

    def _examine(
        self, clips: ClipSet, real: ClipSet
    ) -> tuple[Verdicts | CameraVerdicts | None, str]:
        try:
            if self._camera:
                return examine_camera(clips, real), ""
            if self.oracle is not None:
                return self.oracle.examine(clips, real), ""
        except (UnjudgeableError, ImportError) as reason:
            return None, str(reason)
        return None, self._why


def _camera_score(metric: Metric, verdicts: CameraVerdicts, rows: np.ndarray, note: str) -> Score:
    if metric.name in _CAMERA:
        right = getattr(verdicts, _CAMERA[metric.name])
        return proportion(right[rows], better=metric.better, note=note)
    return Score.missing("before a moving camera there are no objects", better=metric.better)


def _oracle_score(
    metric: Metric, verdicts: Verdicts, rows: np.ndarray, first: int, note: str
) -> Score:
    if metric.name in _PROPORTIONS:
        right = getattr(verdicts, _PROPORTIONS[metric.name])
        return proportion(right[rows], better=metric.better, note=note)
    if metric.name == "missing_rate":
        return rate((verdicts.count[rows] == 0).mean(1), better=metric.better, note=note)
    if metric.name == "extra_rate":
        return rate((verdicts.count[rows] > 1).mean(1), better=metric.better, note=note)
    if metric.name == "trajectory_error_px":
        return average(
            _mean_of_seen(verdicts.distance[rows, first:]), better=metric.better, note=note
        )
    if metric.name == "endpoint_error_px":
        return average(verdicts.distance[rows, -1], better=metric.better, note=note)
    frames = {
        "drift_identity": verdicts.identity_per_frame,
        "drift_one_object": verdicts.count == 1,
    }[metric.name]
    return drift(frames[rows].astype(np.float64), first_frame=first, note=note)


def _pixel_score(
    metric: Metric, per_frame: np.ndarray, rows: np.ndarray, context: int, note: str
) -> Score:
    if metric.name.startswith("drift_"):
        return drift(per_frame[rows], first_frame=context, note=note)
    return average(per_frame[rows, context:].mean(1), better=metric.better, note=note)


def _against_real(clips: ClipSet, real: ClipSet) -> tuple[dict[str, np.ndarray], str]:
    """PSNR and SSIM float [N T], NaN where no first frame is given; or why they are absent."""
    given = real.context_mask
    found, why = {}, ""
    for name, measure in (("psnr", psnr), ("ssim", ssim)):
        per_frame = np.full(clips.video.shape[:2], np.nan)
        try:
            per_frame[given] = measure(clips.video[given], real.video[given])
        except ValueError as reason:
            why = str(reason)
        else:
            found[name] = per_frame
    return found, why


def _mean_of_seen(distance: np.ndarray) -> np.ndarray:
    """float [n], mean over the frames that have a value; NaN where none has."""
    seen = np.isfinite(distance)
    total = np.where(seen, distance, 0.0).sum(1)
    return np.where(seen.any(1), total / np.maximum(seen.sum(1), 1), np.nan)


def _rows(real: ClipSet, stratum: Stratum) -> np.ndarray:
    if stratum == "all":
        return np.ones(len(real), np.bool_)
    return real.context_mask if stratum == "text+image" else ~real.context_mask


def _free(real: ClipSet, rows: np.ndarray) -> int:
    """The first frame that a generator had to make itself in any of the rows."""
    return real.context_frames if real.context_mask[rows].all() else 0


def _belong_together(clips: ClipSet, real: ClipSet) -> None:
    same = (
        clips.video.shape == real.video.shape
        and clips.captions == real.captions
        and (clips.keys == real.keys).all()
        and (clips.context_mask == real.context_mask).all()
    )
    if not same:
        raise ValueError("these clips do not answer these prompts: shapes, captions or keys differ")
