"""The judge: ClipSets in, scores out, by metric and by kind of prompt.

Built once a comparison from a training split; what it says of a ClipSet depends on nothing but
that set and the prompts it answers.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from vidgen.data import Source
from vidgen.evaluation.clip_oracle import (
    ClipOracle,
    ClipVerdicts,
    Confusion,
    UnjudgeableError,
    own_error,
)
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.drift import drift
from vidgen.evaluation.feature_judge import FeatureJudge, Measured, absent
from vidgen.evaluation.features.feature import UnsuitableClipsError
from vidgen.evaluation.frame_judge import (
    Frames,
    frame_scores,
    perceptual_frames,
    temporal_frames,
)
from vidgen.evaluation.metrics import METRICS, STRATA, USUAL_GROUPS, Group, Metric, Stratum
from vidgen.evaluation.observations import FrameCurve, Observations
from vidgen.evaluation.oracles import oracle_for
from vidgen.evaluation.pixel import psnr, ssim
from vidgen.evaluation.statistics import average, proportion
from vidgen.types import Score

Scores = Mapping[tuple[str, Stratum], Score]
"""Scores by (name of the metric, stratum)."""

_T = TypeVar("_T")

_BY_FRAME: Mapping[Group, tuple[Callable[[ClipSet, ClipSet], Frames], tuple[type[Exception], ...]]]
_BY_FRAME = {
    "temporal": (temporal_frames, (ValueError, ImportError)),
    "lpips": (perceptual_frames, (UnsuitableClipsError, ImportError)),
}
"""Groups that have a value a frame, and the errors that say why there is none."""


class Judge:
    """Judges the answers to a list of prompts.

    Args:
        train: the training split of the source that the prompts come from. The judge learns from
            its exemplars alone, if at all.
        seed: of the recogniser's augmentation.
        groups: of metrics, see `metrics.GROUPS`, that are computed; the others are there without a
            value.
        features: who judges sets of clips; by default one that keeps everything in memory.

    Attributes:
        groups: as given.
        oracle: the oracle of the source, or None for a source without any.
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
        self._last: tuple[ClipSet, ClipSet, dict[str, Any]] | None = None
        self.oracle: ClipOracle | None = None
        self._why = ""
        try:
            self.oracle = oracle_for(train, seed=seed)
        except (UnjudgeableError, ImportError) as reason:
            self._why = str(reason)

    def only(self, groups: Sequence[Group]) -> Judge:
        """The same judge, who computes these of its groups alone; what was learned is shared."""
        other = copy.copy(self)
        other.groups = tuple(group for group in self.groups if group in groups)
        other._last = None
        return other

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
        asked = "oracle" in self.groups
        verdicts, silence = self._examine(clips, real) if asked else (None, "")
        measures = {} if verdicts is None else verdicts.measures()
        context = real.context_frames
        per_frame, too_small = _against_real(clips, real) if "pixel" in self.groups else ({}, "")
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
                elif metric.needs_truth:
                    score = (
                        measures[metric.name].score(
                            rows, first=_free(real, rows), better=metric.better, note=note
                        )
                        if metric.name in measures
                        else Score.missing(silence, better=metric.better)
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
        confusions: Mapping[str, Confusion] = {}
        if verdicts is not None:
            confusions = verdicts.confusions()
            frames = {
                name.removeprefix("drift_"): measure.values
                for name, measure in verdicts.measures().items()
                if measure.values.ndim == 2
            }
        against_real = _against_real(clips, real)[0]
        for group in self._by_frame(clips, real)[0].values():
            against_real |= group
        for name, values in against_real.items():
            free = values.copy()
            # Frames that were given are no merit of the generator.
            free[real.context_mask, : real.context_frames] = np.nan
            frames[name] = free
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
            Scores by kind: ``"real"``, which should be near 1, and each kind that the oracle
            breaks, near 0.

        Raises:
            UnjudgeableError: if there is no oracle for the clips.
        """
        if self.oracle is None:
            raise UnjudgeableError(self._why)
        return own_error(self.oracle, real, seed=seed)

    def _further(self, clips: ClipSet, real: ClipSet) -> dict[Group, Measured]:
        """The groups that are measured once for all strata."""
        groups: dict[Group, Callable[[ClipSet, ClipSet], Measured]] = {
            "in-domain": self._features.in_domain,
            "i3d": self._features.i3d,
            "fid": self._features.fid,
        }
        found: dict[Group, Measured] = {}
        found |= {group: of(clips, real) for group, of in groups.items() if group in self.groups}
        frames, why = self._by_frame(clips, real)
        found |= {group: frame_scores(values, real) for group, values in frames.items()}
        found |= {group: absent(group, f"not computed: {words}") for group, words in why.items()}
        return {group: _once(measured) for group, measured in found.items()}

    def _by_frame(
        self, clips: ClipSet, real: ClipSet
    ) -> tuple[Mapping[Group, Frames], Mapping[Group, str]]:
        """What has a value a frame, by group, and why other groups have none."""

        def found() -> tuple[Mapping[Group, Frames], Mapping[Group, str]]:
            frames: dict[Group, Frames] = {}
            why: dict[Group, str] = {}
            for group, (measure, excuses) in _BY_FRAME.items():
                if group in self.groups:
                    try:
                        frames[group] = measure(clips, real)
                    except excuses as reason:
                        why[group] = str(reason)
            return frames, why

        return self._kept("by frame", clips, real, found)

    def _examine(self, clips: ClipSet, real: ClipSet) -> tuple[ClipVerdicts | None, str]:
        """What the oracle says, and why it does not say the rest."""

        def found() -> tuple[ClipVerdicts | None, str]:
            if self.oracle is None:
                return None, self._why
            try:
                verdicts = self.oracle.examine(clips, real)
            except (UnjudgeableError, ImportError) as reason:
                return None, str(reason)
            return verdicts, verdicts.silence

        return self._kept("oracle", clips, real, found)

    def _kept(self, what: str, clips: ClipSet, real: ClipSet, find: Callable[[], _T]) -> _T:
        """What is dear, and both scores and observations want: that of the last sets is kept."""
        if self._last is None or self._last[0] is not clips or self._last[1] is not real:
            self._last = (clips, real, {})
        known = self._last[2]
        if what not in known:
            known[what] = find()
        return known[what]


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
