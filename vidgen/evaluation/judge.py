"""The judge: ClipSets in, scores out, by metric and by kind of prompt.

Built once a comparison from a training split; what it says of a ClipSet depends on nothing but
that set and the prompts it answers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from vidgen.data import Source
from vidgen.evaluation.broken import broken
from vidgen.evaluation.camera_broken import camera_own_error
from vidgen.evaluation.camera_oracle import CameraVerdicts, examine_camera
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.drift import drift
from vidgen.evaluation.feature_judge import FeatureJudge, Measured
from vidgen.evaluation.frame_judge import perceptual_scores, temporal_scores
from vidgen.evaluation.metrics import METRICS, STRATA, USUAL_GROUPS, Group, Metric, Stratum
from vidgen.evaluation.oracle import Oracle, UnjudgeableError, Verdicts, oracle_success
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
        groups: of metrics, see `metrics.GROUPS`, that are computed; the others are there without a
            value.
        features: who judges sets of clips; by default one that keeps everything in memory.

    Attributes:
        groups: as given.
        oracle: the oracle of objects, or None for a source without any.
    """

    def __init__(
        self,
        train: Source,
        *,
        seed: int = 0,
        groups: Sequence[Group] = USUAL_GROUPS,
        features: FeatureJudge | None = None,
    ) -> None:
        self.groups = tuple(groups)
        self._features = features or FeatureJudge(train, seed=seed)
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
        further = self._further(clips, real)
        scores: dict[tuple[str, Stratum], Score] = {}
        for stratum in STRATA:
            rows = _rows(real, stratum)
            if not rows.any():
                continue
            note = f"{clips.failed[rows].sum()} failed clips" if clips.failed[rows].any() else ""
            for metric in METRICS.values():
                if stratum not in metric.strata:
                    continue
                if metric.group not in self.groups:
                    score = _not_asked(metric)
                elif metric.group in further:
                    score = _noted(further[metric.group](rows, stratum)[metric.name], note)
                elif metric.name == "failed_rate":
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

    def _further(self, clips: ClipSet, real: ClipSet) -> dict[Group, Measured]:
        """The groups that are measured once for all strata."""
        groups: dict[Group, Callable[[ClipSet, ClipSet], Measured]] = {
            "in-domain": self._features.in_domain,
            "temporal": temporal_scores,
            "i3d": self._features.i3d,
            "lpips": perceptual_scores,
        }
        asked = {group: of for group, of in groups.items() if group in self.groups}
        return {group: _once(measure(clips, real)) for group, measure in asked.items()}

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


def _once(measured: Measured) -> Measured:
    """The same, computed once a stratum, although it is asked for metric by metric."""
    known: dict[Stratum, Mapping[str, Score]] = {}

    def remembered(rows: np.ndarray, stratum: Stratum) -> Mapping[str, Score]:
        if stratum not in known:
            known[stratum] = measured(rows, stratum)
        return known[stratum]

    return remembered


def _noted(score: Score, note: str) -> Score:
    return dataclasses.replace(score, note=f"{note}; {score.note}") if note else score


def _not_asked(metric: Metric) -> Score:
    why = f"not computed: the experiment's metrics do not name the group {metric.group!r}"
    return Score.missing(why, better=metric.better)


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
