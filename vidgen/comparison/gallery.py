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

from vidgen.comparison import flow_colours, video
from vidgen.comparison.folder import ComparisonFolder, RunFolder, read_json
from vidgen.comparison.headings import title
from vidgen.evaluation import METRICS, ClipSet
from vidgen.evaluation.metrics import Stratum
from vidgen.evaluation.optical_flow import LEAST_SIDE, optical_flow

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


_TIMED = 64
"""Real clips, the first of the list, whose speed sets the scale of the motion that is drawn."""

_MOST = 0.999
"""Of the pixels' speeds, that of which is full colour: at the edges a flow has outliers."""

_WHEEL = 96
"""Pixels a side of the legend."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Legend:
    """How to read motion.

    Attributes:
        wheel: data URI of the colours.
        fastest: at the rim, pixels a frame.
    """

    wheel: str
    fastest: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """One clip.

    Attributes:
        column: who made it; "real" for the prompt's own clip.
        strip: data URI of its frames in a row, at their own resolution; the page enlarges them and
            keeps pixels sharp.
        motion: data URI of how each frame has moved since the one before, in colours; empty where
            that cannot be measured.
        right: whether the oracle found it right; None where nobody judged it.
    """

    column: str
    strip: str
    motion: str
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
        legend: of the motion; None where it cannot be measured. The same for all walls.
    """

    heading: str
    rule: str
    prompts: tuple[Shown, ...]
    legend: Legend | None


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
    legend = _legend(real.video)
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(keys).digest()[:8], "little"))
    found = []
    for given, heading in ((False, "A sentence alone"), (True, "A sentence and a first frame")):
        rows = np.flatnonzero(real.context_mask == given)
        drawn = np.sort(rng.choice(rows, size=min(EACH_KIND, len(rows)), replace=False))
        shown = tuple(_shown(real, answers, legend, row) for row in drawn.tolist())
        if shown:
            rule = "A random draw, made from the list of prompts alone."
            found.append(Wall(heading=heading, rule=rule, prompts=shown, legend=legend))
    worst = [
        (row, f"{name}'s worst, number {place + 1}")
        for name, answer in answers.items()
        for place, row in enumerate(answer.worst)
    ]
    if worst:
        shown = tuple(_shown(real, answers, legend, row, why) for row, why in worst)
        rule = _rule(answers)
        found.append(Wall(heading="Worst cases", rule=rule, prompts=shown, legend=legend))
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


def _shown(
    real: ClipSet,
    answers: Mapping[str, _Answers],
    legend: Legend | None,
    row: int,
    why: str = "",
) -> Shown:
    def picture(column: str, clip: np.ndarray, right: bool | None) -> Picture:
        moved = "" if legend is None else strip(_moved(clip, legend.fastest))
        return Picture(column=column, strip=strip(clip), motion=moved, right=right)

    pictures = [picture("real", real.video[row], None)]
    for name, answer in answers.items():
        right = None if answer.right is None else bool(answer.right[row])
        pictures.append(picture(name, answer.clips.video[row], right))
    return Shown(
        caption=real.captions[row],
        given=bool(real.context_mask[row]),
        why=why,
        pictures=tuple(pictures),
    )


def _legend(clips: np.ndarray) -> Legend | None:
    """By the speed of real clips; None where there is no OpenCV, or nothing to be seen by it."""
    if min(clips.shape[2:4]) < LEAST_SIDE or clips.shape[1] < 2:
        return None
    try:
        flows = np.stack([optical_flow(clip) for clip in clips[:_TIMED]])
    except ImportError:
        return None
    fastest = max(float(np.quantile(np.linalg.norm(flows, axis=-1), _MOST)), 0.1)
    return Legend(wheel=_uri("image/png", video.png(flow_colours.wheel(_WHEEL))), fastest=fastest)


def _moved(clip: np.ndarray, fastest: float) -> np.ndarray:
    """uint8 [T H W 3], how each frame has moved since the one before; the first one has not."""
    flow = optical_flow(clip)
    return flow_colours.colours(np.concatenate([np.zeros_like(flow[:1]), flow]), fastest)


def strip(clip: np.ndarray) -> str:
    """uint8 [T H W C] as one lossless picture [H T*W C], a data URI."""
    frames = np.concatenate(list(clip), axis=1)
    if frames.shape[1] <= video.WIDEST_WEBP:
        return _uri("image/webp", video.still_webp(frames))
    return _uri("image/png", video.png(frames))


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
