"""What a judge says of rollouts: metrics against the frame index, and their slopes.

Only what is read in a frame, or in two that follow each other, means the same in a clip of any
length: a class of motion, say, is one of clips as long as those of training. Metrics that compare
with the true continuation are read where it follows from what the generator was told, see
`rollout`.
"""

from __future__ import annotations

import numpy as np

from vidgen.evaluation.clipset import ClipSet
from vidgen.evaluation.drift import drift
from vidgen.evaluation.frame_judge import appearance_frames, given_frames, in_stratum
from vidgen.evaluation.judge import Judge, Scores
from vidgen.evaluation.metrics import METRICS, STRATA, Group, Stratum
from vidgen.evaluation.motion_fit import required
from vidgen.evaluation.observations import Observations, curves_of
from vidgen.evaluation.oracle import REQUIRED_SHARE
from vidgen.evaluation.rollout import Method, foreseeable
from vidgen.evaluation.statistics import proportion
from vidgen.types import Score, Task

ALONE = (
    "identity",
    "one_object",
    "brightness",
    "sharpness",
    "flicker",
    "dynamic_degree",
    "warp_error",
)
"""Metrics of a frame, or of its change, that ask nothing of the true continuation."""

LASTING = ("identity", "one_object")
"""Of those, what must be right in nearly all frames of a clip, and is asked again of the last T."""

AGAINST_TRUTH = ("psnr", "ssim", "lpips_alex")
"""Metrics of a frame that compare it with the true continuation."""

_NEED_TRUTH: tuple[Group, ...] = ("oracle", "pixel", "lpips")
"""Groups of which nothing can be said where no true continuation is known."""


def judge_rollouts(
    judge: Judge, clips: ClipSet, real: ClipSet | None, *, task: Task, method: Method
) -> tuple[Scores, Observations]:
    """Slopes and curves of every metric of a single frame, and what is still right at the end.

    A slope says nothing of the height: what was never right stays so at no slope at all. So it is
    asked of the last T frames as well whether they show what a clip of the task should.

    Args:
        judge: of the comparison; of its groups those are computed that have such metrics, and
            "appearance" whether it is among them or not.
        clips: the rollouts.
        real: the same prompts with their true continuation; None where nobody knows it.
        task: of training.
        method: how the rollouts were made; real clips are their "own".

    Returns:
        Slopes with t intervals over prompts, the metrics of `LASTING` of the last T frames, and
        ``"failed_rate"``, by (metric, stratum); a metric that cannot be computed is there with the
        reason. And the curves.

    Raises:
        ValueError: if the clips do not answer the prompts.
    """
    frames, why = _by_frame(judge, clips, real)
    notes: dict[str, str] = {}
    if real is not None and method == "chained":
        follows = foreseeable(real, task)
        for name in AGAINST_TRUTH:
            if name in frames:
                frames[name] = np.where(follows, frames[name], np.nan)
                notes[name] = "frames that follow from what each link is told"
    given = given_frames(clips)
    scores: dict[tuple[str, Stratum], Score] = {}
    for stratum in STRATA:
        rows = in_stratum(clips, stratum)
        if not rows.any():
            continue
        failed = f"{clips.failed[rows].sum()} failed clips" if clips.failed[rows].any() else ""
        for name in (*ALONE, *AGAINST_TRUTH):
            metric = METRICS[f"drift_{name}"]
            if stratum not in metric.strata:
                continue
            if name in frames:
                values = np.where(given, np.nan, frames[name])[rows]
                note = "; ".join(words for words in (failed, notes.get(name, "")) if words)
                scores[metric.name, stratum] = drift(values, better=metric.better, note=note)
            elif metric.group in why:
                scores[metric.name, stratum] = Score.missing(
                    why[metric.group], better=metric.better
                )
        for name in LASTING:
            if name in frames:
                last = frames[name][rows, -task.frames :]
                right = last.sum(1) >= required(task.frames, REQUIRED_SHARE)
                note = "; ".join(words for words in (failed, f"last {task.frames} frames") if words)
                scores[name, stratum] = proportion(right, note=note)
        scores["failed_rate", stratum] = proportion(clips.failed[rows], better="lower")
    return scores, Observations(curves=curves_of(frames, clips), confusions={})


def left_out(judge: Judge, why: str) -> Scores:
    """The scores of a generator that makes no longer clips: none, and why.

    Args:
        judge: of the comparison.
        why: in words.
    """
    asked = (*judge.groups, "appearance")
    metrics = [METRICS[f"drift_{name}"] for name in ALONE]
    return {
        (metric.name, stratum): Score.missing(why, better=metric.better)
        for metric in metrics
        for stratum in metric.strata
        if metric.group in asked
    }


def _by_frame(
    judge: Judge, clips: ClipSet, real: ClipSet | None
) -> tuple[dict[str, np.ndarray], dict[Group, str]]:
    """[N F] by metric, and why there are no more, by group."""
    names = (*ALONE, *AGAINST_TRUTH)
    groups: set[Group] = {METRICS[f"drift_{name}"].group for name in names}
    asked: list[Group] = [group for group in judge.groups if group in groups]
    why: dict[Group, str] = {}
    if real is None:
        unknown = "the source does not know how its clips go on"
        why = {group: unknown for group in asked if group in _NEED_TRUTH}
    elif "oracle" in asked and real.truth is not None and real.truth.boxes.shape[2] > 1:
        why["oracle"] = "two objects are told apart along paths of a clip of training's length"
    asked = [group for group in asked if group not in why]
    found, failures = judge.only(asked).by_frame(clips, clips if real is None else real)
    why |= {group: failures[group] for group in asked if group in failures}
    frames = {name: found[name] for name in names if name in found}
    try:
        # Asked for or not: in every length and every source it costs nothing and means the same.
        frames |= appearance_frames(clips, clips)
    except ValueError as reason:
        why["appearance"] = str(reason)
    return frames, why
