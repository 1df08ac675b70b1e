"""Moving samples for the report: the same prompts for everybody, side by side.

A clip is one picture, its frames in a row, that the page slides behind a window: it moves, it can
be stopped, all clips keep step, and on paper the whole row is shown.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vidgen.comparison import video
from vidgen.comparison.folder import ComparisonFolder, RunFolder, read_json
from vidgen.comparison.headings import title
from vidgen.evaluation import METRICS, ClipSet

EACH_KIND = 6
"""Prompts of text alone, and of text with a first frame, that are drawn."""

WORST = 2
"""Prompts that each generator answers worst."""

RANKED_BY = ("trajectory_error_px", "kvd_in_domain", "lpips_alex", "psnr", "ssim")
"""What tells the worst clip, the first of these that has a value a clip."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """One clip.

    Attributes:
        column: who made it; "real" for the prompt's own clip.
        strip: data URI of its frames in a row, at their own resolution; the page enlarges them and
            keeps pixels sharp.
        right: whether the oracle found it right; None where nobody judged it.
    """

    column: str
    strip: str
    right: bool | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """One prompt and everybody's answer.

    Attributes:
        caption: the sentence.
        given: whether the first frame was given.
        why: why this prompt is shown; empty where chance chose it.
        pictures: the real clip, then the generators' in their order.
    """

    caption: str
    given: bool
    why: str
    pictures: tuple[Picture, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wall:
    """Prompts under one heading.

    Attributes:
        heading: what they have in common.
        rule: how they were chosen.
        prompts: in the order shown.
    """

    heading: str
    rule: str
    prompts: tuple[Shown, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Answers:
    """One generator's clips, whether each is right, and how wrong each is (NaN: not known)."""

    clips: ClipSet
    right: list[bool] | None
    badness: np.ndarray
    ranked_by: str


def walls(
    folder: ComparisonFolder, protocol: str, columns: Sequence[tuple[str, RunFolder]]
) -> list[Wall]:
    """A random draw of each kind of prompts, and the prompts that each generator answers worst.

    The draw depends on the list of prompts alone, so that no generator, and nobody, chooses it.

    Args:
        folder: of the comparison.
        protocol: name of the list of prompts.
        columns: (title, run) of each column; those without answers are left out.
    """
    if not folder.prompts(protocol).exists():
        return []
    real = ClipSet.load(folder.prompts(protocol))
    answers = {
        name: _answers(run, protocol, len(real))
        for name, run in columns
        if run.samples(protocol).exists() and run.scores.exists()
    }
    keys = np.ascontiguousarray(real.keys).tobytes()
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(keys).digest()[:8], "little"))
    found = []
    for given, heading in ((False, "A sentence alone"), (True, "A sentence and a first frame")):
        rows = np.flatnonzero(real.context_mask == given)
        drawn = np.sort(rng.choice(rows, size=min(EACH_KIND, len(rows)), replace=False))
        shown = tuple(_shown(real, answers, row) for row in drawn.tolist())
        if shown:
            rule = "A random draw, made from the list of prompts alone."
            found.append(Wall(heading=heading, rule=rule, prompts=shown))
    worst = [
        (row, f"{name}'s worst, number {place + 1}")
        for name, answer in answers.items()
        for place, row in enumerate(_worst(answer))
    ]
    if worst:
        by = dict.fromkeys(answer.ranked_by for answer in answers.values() if answer.ranked_by)
        rule = (
            f"For each generator the {WORST} clips that are wrong by the oracle and come last by "
        )
        found.append(
            Wall(
                heading="Worst cases",
                rule=rule + (" or ".join(f"“{title(name)}”" for name in by) or "the list") + ".",
                prompts=tuple(_shown(real, answers, row, why) for row, why in worst),
            )
        )
    return found


def _answers(run: RunFolder, protocol: str, n: int) -> _Answers:
    scores = read_json(run.scores)
    kept: Mapping[str, Any] = {
        data["metric"]: data["values"]
        for data in scores.get("clips", ())
        if data["prompts"] == "all" and len(data["values"]) == n
    }
    metric = next((name for name in RANKED_BY if name in kept), "")
    badness = np.full(n, np.nan)
    if metric:
        badness = np.array([np.nan if x is None else x for x in kept[metric]], np.float64)
        badness *= 1.0 if METRICS[metric].better == "lower" else -1.0
    return _Answers(
        clips=ClipSet.load(run.samples(protocol)),
        right=scores["per_clip"]["oracle_success"],
        badness=badness,
        ranked_by=metric,
    )


def _worst(answers: _Answers) -> list[int]:
    """Rows of the worst clips: wrong ones alone, those that show nothing to measure first."""
    n = len(answers.badness)
    wrong = np.ones(n, bool) if answers.right is None else np.logical_not(answers.right)
    if not answers.ranked_by:
        return np.flatnonzero(wrong)[:WORST].tolist()
    badness = np.where(np.isnan(answers.badness), np.inf, answers.badness)
    order = np.lexsort((np.arange(n), -badness))
    return [int(row) for row in order if wrong[row]][:WORST]


def _shown(real: ClipSet, answers: Mapping[str, _Answers], row: int, why: str = "") -> Shown:
    pictures = [Picture(column="real", strip=_strip(real.video[row]), right=None)]
    for name, answer in answers.items():
        right = None if answer.right is None else bool(answer.right[row])
        pictures.append(Picture(column=name, strip=_strip(answer.clips.video[row]), right=right))
    return Shown(
        caption=real.captions[row],
        given=bool(real.context_mask[row]),
        why=why,
        pictures=tuple(pictures),
    )


def _strip(clip: np.ndarray) -> str:
    """uint8 [T H W C] as one lossless picture [H T*W C], a data URI."""
    frames = np.concatenate(list(clip), axis=1)
    if frames.shape[1] <= video.WIDEST_WEBP:
        return _uri("image/webp", video.still_webp(frames))
    return _uri("image/png", video.png(frames))


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
