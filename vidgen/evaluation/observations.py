"""What one number hides: a metric frame by frame, and what was taken for what.

They are kept beside the scores, so that a report draws them with no judge in sight.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from vidgen.evaluation.clip_oracle import Confusion
from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.frame_judge import Frames, given_frames, in_stratum
from vidgen.evaluation.metrics import METRICS, STRATA, Stratum
from vidgen.evaluation.statistics import average, proportion
from vidgen.types import Better, Score


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrameCurve:
    """A metric against the frame index, the mean over clips.

    Attributes:
        metric: by the name of the metric that it is of a single frame; ``"identity"`` is the share
            of clips that show the identity asked in this frame.
        prompts: which clips.
        better: which way is good.
        value: T means; None for a frame in which no clip has a value, or that every one was given.
        low: lower ends of their 95% intervals over clips, Wilson's for shares, else t.
        high: upper ends.
    """

    metric: str
    prompts: Stratum
    better: Better
    value: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]

    @classmethod
    def of(
        cls,
        per_frame: np.ndarray,
        *,
        metric: str,
        prompts: Stratum,
        better: Better,
        given: np.ndarray | None = None,
    ) -> FrameCurve:
        """The curve of N clips.

        Args:
            per_frame: [N T], bool for what is right or wrong in a frame, otherwise float with NaN
                where a frame has no value.
            metric: its name.
            prompts: which clips they are.
            better: which way is good.
            given: bool [N T], frames that the prompts gave, which are no merit of whoever answered
                and are left out; none if not told.
        """
        own = np.ones(per_frame.shape, np.bool_) if given is None else ~given
        scores = [
            _of_frame(frame[of], better) for frame, of in zip(per_frame.T, own.T, strict=True)
        ]
        return cls(
            metric=metric,
            prompts=prompts,
            better=better,
            value=tuple(score.value for score in scores),
            low=tuple(score.low for score in scores),
            high=tuple(score.high for score in scores),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Observations:
    """What a judge saw in one set of answers beyond its scores.

    Attributes:
        curves: one a metric and kind of prompts.
        confusions: by what is told apart, such as ``"identity"``; over all prompts.
    """

    curves: tuple[FrameCurve, ...]
    confusions: Mapping[str, Confusion]

    def to_json(self) -> dict[str, Any]:
        """As JSON, six digits a number."""
        return {
            "curves": [
                dataclasses.asdict(curve)
                | {end: _digits(getattr(curve, end)) for end in ("value", "low", "high")}
                for curve in self.curves
            ],
            "confusions": {
                name: {
                    "classes": list(found.classes),
                    "seen": list(found.seen),
                    "counts": found.counts.tolist(),
                }
                for name, found in self.confusions.items()
            },
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Observations:
        """The inverse of `to_json`."""
        curves = [
            FrameCurve(
                metric=curve["metric"],
                prompts=curve["prompts"],
                better=curve["better"],
                value=tuple(curve["value"]),
                low=tuple(curve["low"]),
                high=tuple(curve["high"]),
            )
            for curve in data["curves"]
        ]
        confusions = {
            name: Confusion(
                classes=tuple(found["classes"]),
                seen=tuple(found["seen"]),
                counts=np.array(found["counts"], np.int64),
            )
            for name, found in data["confusions"].items()
        }
        return cls(curves=tuple(curves), confusions=confusions)


def curves_of(frames: Frames, real: ClipSet) -> tuple[FrameCurve, ...]:
    """A curve a metric and kind of prompts that there are, over the frames that were not given.

    Args:
        frames: [N T] by the name of the metric, as `Judge.by_frame` has them.
        real: the prompts, or answers to them, which say as well what was given.
    """
    given = given_frames(real)
    return tuple(
        FrameCurve.of(
            values[rows],
            metric=name,
            prompts=stratum,
            better=METRICS[name].better,
            given=given[rows],
        )
        for stratum in STRATA
        for name, values in frames.items()
        if stratum in METRICS[name].strata and (rows := in_stratum(real, stratum)).any()
    )


def _of_frame(values: np.ndarray, better: Better) -> Score:
    if values.dtype == np.bool_ and values.size:
        return proportion(values, better=better)
    return average(values, better=better)


def _digits(values: tuple[float | None, ...]) -> list[float | None]:
    return [None if value is None else float(f"{value:.6g}") for value in values]
