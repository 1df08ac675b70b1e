"""The judge: ClipSets in, scores out, by metric and by kind of prompt.

Built once a comparison from a training split; what it says of a ClipSet depends on nothing but
that set and the prompts it answers.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence

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
from vidgen.evaluation.feature_judge import FeatureJudge, Measured, absent
from vidgen.evaluation.features.feature import UnsuitableClipsError, not_computed
from vidgen.evaluation.frame_judge import (
    Frames,
    appearance_frames,
    frame_scores,
    given_frames,
    in_stratum,
    perceptual_frames,
    psnr_frames,
    ssim_frames,
    temporal_frames,
)
from vidgen.evaluation.metrics import METRICS, STRATA, USUAL_GROUPS, Group, Stratum
from vidgen.evaluation.observations import Observations, curves_of
from vidgen.evaluation.oracles import oracle_for
from vidgen.evaluation.statistics import proportion
from vidgen.types import Score

Scores = Mapping[tuple[str, Stratum], Score]
"""Scores by (name of the metric, stratum)."""

_BY_FRAME: tuple[
    tuple[Group, Callable[[ClipSet, ClipSet], Frames], tuple[type[Exception], ...]], ...
] = (
    ("pixel", psnr_frames, ()),
    ("pixel", ssim_frames, (ValueError,)),
    ("appearance", appearance_frames, (ValueError,)),
    ("temporal", temporal_frames, (ValueError, ImportError)),
    ("lpips", perceptual_frames, (UnsuitableClipsError, ImportError)),
)
"""Groups that have a value a frame, and the errors that say why there is none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Seen:
    """What scores and observations of the same answers both rest on.

    Attributes:
        clips: the answers.
        real: the prompts.
        verdicts: of the oracle, where there is one.
        silence: why it does not say the rest.
        frames: what has a value a frame, by group.
        why: why there is not more of a group.
    """

    clips: ClipSet
    real: ClipSet
    verdicts: ClipVerdicts | None
    silence: str
    frames: Mapping[Group, Frames]
    why: Mapping[Group, str]


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
        oracle: the oracle of the source; None for a source without any, or where nobody asks it.
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
        self._last: _Seen | None = None
        self.oracle: ClipOracle | None = None
        self._why = _not_asked("oracle")
        if "oracle" not in self.groups:
            return
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
        """Every metric of `metrics.METRICS` in every stratum that has prompts and the metric, but
        for those of several answers to a prompt (see `best_of`).

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
        seen = self._see(clips, real)
        measures = {} if seen.verdicts is None else seen.verdicts.measures()
        given = given_frames(real)
        further = self._further(seen)
        scores: dict[tuple[str, Stratum], Score] = {}
        for stratum in STRATA:
            rows = in_stratum(real, stratum)
            if not rows.any():
                continue
            note = f"{clips.failed[rows].sum()} failed clips" if clips.failed[rows].any() else ""
            for metric in METRICS.values():
                if metric.several or stratum not in metric.strata:
                    continue
                if metric.group not in self.groups:
                    score = Score.missing(_not_asked(metric.group), better=metric.better)
                elif metric.group in further:
                    score = _noted(further[metric.group](rows, stratum)[metric.name], note)
                elif metric.name == "failed_rate":
                    score = proportion(clips.failed[rows], better="lower")
                elif metric.name in measures:
                    score = measures[metric.name].score(
                        rows, given=given, better=metric.better, note=note
                    )
                else:
                    score = Score.missing(seen.silence, better=metric.better)
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
        frames, _ = self.by_frame(clips, real)
        verdicts = self._see(clips, real).verdicts
        confusions: Mapping[str, Confusion] = {} if verdicts is None else verdicts.confusions()
        return Observations(curves=curves_of(frames, real), confusions=confusions)

    def by_frame(self, clips: ClipSet, real: ClipSet) -> tuple[Frames, Mapping[Group, str]]:
        """Every metric that has a value a frame, clip by clip.

        Args:
            clips: the answers.
            real: the prompts they answer, clip by clip.

        Returns:
            [N T] by the name of the metric, bool for what is right or wrong in a frame, otherwise
            float with NaN where a frame has no value; and why there are no more, by group.

        Raises:
            ValueError: if the two sets do not belong together.
        """
        _belong_together(clips, real)
        seen = self._see(clips, real)
        frames: dict[str, np.ndarray] = {}
        why = dict(seen.why)
        if seen.verdicts is None:
            why["oracle"] = seen.silence
        else:
            frames = {
                name.removeprefix("drift_"): measure.values
                for name, measure in seen.verdicts.measures().items()
                if measure.kind == "drift"
            }
        for group in seen.frames.values():
            frames |= group
        return frames, why

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

    def _further(self, seen: _Seen) -> dict[Group, Measured]:
        """The groups that are measured once for all strata."""
        groups: dict[Group, Callable[[ClipSet, ClipSet], Measured]] = {
            "in-domain": self._features.in_domain,
            "alignment": self._features.alignment,
            "detection": self._features.detection,
            "i3d": self._features.i3d,
            "videomae": self._features.videomae,
            "fid": self._features.fid,
            "inception-score": self._features.inception_score,
            "clipsim": self._features.clipsim,
        }
        found: dict[Group, Measured] = {
            group: of(seen.clips, seen.real) for group, of in groups.items() if group in self.groups
        }
        for group in dict.fromkeys((*seen.frames, *seen.why)):
            known = frame_scores(seen.frames.get(group, {}))
            rest = absent(group, not_computed(seen.why.get(group, "")))
            found[group] = lambda rows, stratum, known=known, rest=rest: {
                **rest(rows, stratum),
                **known(rows, stratum),
            }
        return {group: _once(measured) for group, measured in found.items()}

    def _see(self, clips: ClipSet, real: ClipSet) -> _Seen:
        """All that is dear, of the groups that were asked for: scores and observations of the same
        sets both want it, and the last is kept.
        """
        last = self._last
        if last is not None and last.clips is clips and last.real is real:
            return last
        asked = "oracle" in self.groups
        verdicts, silence = self._examine(clips, real) if asked else (None, _not_asked("oracle"))
        frames: dict[Group, Frames] = {}
        why: dict[Group, str] = {}
        for group, measure, excuses in _BY_FRAME:
            if group in self.groups:
                try:
                    frames[group] = {**frames.get(group, {}), **measure(clips, real)}
                except excuses as reason:
                    why[group] = str(reason)
        self._last = _Seen(
            clips=clips, real=real, verdicts=verdicts, silence=silence, frames=frames, why=why
        )
        return self._last

    def _examine(self, clips: ClipSet, real: ClipSet) -> tuple[ClipVerdicts | None, str]:
        """What the oracle says, and why it does not say the rest."""
        if self.oracle is None:
            return None, self._why
        try:
            verdicts = self.oracle.examine(clips, real)
        except (UnjudgeableError, ImportError) as reason:
            return None, str(reason)
        return verdicts, verdicts.silence


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


def _not_asked(group: Group) -> str:
    return f"not computed: the experiment's metrics do not name the group {group!r}"


def _belong_together(clips: ClipSet, real: ClipSet) -> None:
    same = (
        clips.video.shape == real.video.shape
        and clips.captions == real.captions
        and (clips.keys == real.keys).all()
        and (clips.context_mask == real.context_mask).all()
    )
    if not same:
        raise ValueError("these clips do not answer these prompts: shapes, captions or keys differ")
