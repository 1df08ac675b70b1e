"""Moving samples for the report: the same prompts for everybody, side by side.

A clip is one picture, its frames in a row, that the page slides behind a window: it moves, it can
be stopped, all clips keep step, and on paper the whole row is shown.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from vidgen.comparison import video
from vidgen.comparison.folder import ComparisonFolder, RunFolder, read_json
from vidgen.comparison.headings import title
from vidgen.evaluation import METRICS, ClipSet
from vidgen.evaluation.metrics import Stratum

EACH_KIND = 6
"""Prompts of text alone, and of text with a first frame, that are drawn."""

WORST = 2
"""Prompts that each generator answers worst."""

RANKED_BY: tuple[tuple[str, Stratum], ...] = (
    ("trajectory_error_px", "all"),
    ("lpips_alex", "text+image"),
    ("psnr", "text+image"),
)
"""Metric and prompts that tell the worst clip: the first of these that has a value a clip."""


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
    """One generator's clips, which of them are right, the worst ones first, and by what."""

    clips: ClipSet
    right: list[bool] | None
    worst: tuple[int, ...]
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
        name: _answers(run, protocol, real)
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
        for place, row in enumerate(answer.worst)
    ]
    if worst:
        shown = tuple(_shown(real, answers, row, why) for row, why in worst)
        found.append(Wall(heading="Worst cases", rule=_rule(answers), prompts=shown))
    return found


def _answers(run: RunFolder, protocol: str, real: ClipSet) -> _Answers:
    scores = read_json(run.scores)
    right = scores["per_clip"]["oracle_success"]
    kept = {(data["metric"], data["prompts"]): data["values"] for data in scores.get("clips", ())}
    metric, prompts = next((key for key in RANKED_BY if key in kept), ("", "all"))
    rows = np.arange(len(real)) if prompts == "all" else np.flatnonzero(real.context_mask)
    if metric:
        sign = 1.0 if METRICS[metric].better == "higher" else -1.0
        # What shows nothing to measure is worst of all.
        goodness = [-np.inf if x is None else sign * x for x in kept[metric, prompts]]
        rows = rows[np.argsort(goodness, kind="stable")]
    if right is not None:
        rows = rows[~np.asarray(right, bool)[rows]]
    return _Answers(
        clips=ClipSet.load(run.samples(protocol)),
        right=right,
        worst=tuple(rows[:WORST].tolist()) if metric or right is not None else (),
        ranked_by=metric,
    )


def _rule(answers: Mapping[str, _Answers]) -> str:
    """How the worst cases were chosen, in a sentence."""
    is_judged = any(answer.right is not None for answer in answers.values())
    wrong = "are wrong by the oracle and " if is_judged else ""
    by = dict.fromkeys(f"“{title(a.ranked_by)}”" for a in answers.values() if a.ranked_by)
    last = f"come last by {' or '.join(by)}" if by else "come first in the list"
    return f"For each generator the {WORST} clips that {wrong}{last}."


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
