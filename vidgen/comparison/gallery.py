"""Moving samples for the report: the same prompts for everybody, side by side."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Sequence

import numpy as np

from vidgen.comparison import video
from vidgen.comparison.folder import ComparisonFolder, RunFolder, read_json
from vidgen.evaluation import ClipSet

EACH_KIND = 6
"""Prompts of text alone, and of text with a first frame, that are shown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """One clip as data URIs at its own resolution; the page enlarges it, pixels kept sharp.

    Attributes:
        column: who made it; "real" for the prompt's own clip.
        moving: animated lossless WebP.
        still: PNG of the middle frame, for readers who do not want motion.
        right: whether the oracle found it right; None where nobody judged it.
    """

    column: str
    moving: str
    still: str
    right: bool | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shown:
    """One prompt: its sentence, whether the first frame was given, and everybody's answer."""

    caption: str
    given: bool
    pictures: tuple[Picture, ...]


def gallery(
    folder: ComparisonFolder, protocol: str, columns: Sequence[tuple[str, RunFolder]]
) -> list[Shown]:
    """The first prompts of each kind with the answers to them: nobody chose them.

    Args:
        folder: of the comparison.
        protocol: name of the list of prompts.
        columns: (title, run) of each column; those without answers are left out.
    """
    real = ClipSet.load(folder.prompts(protocol))
    answers: dict[str, tuple[ClipSet, list[bool] | None]] = {}
    for title, run in columns:
        if run.samples(protocol).exists() and run.scores.exists():
            marks = read_json(run.scores)["per_clip"]["oracle_success"]
            answers[title] = (ClipSet.load(run.samples(protocol)), marks)
    chosen = [
        row
        for given in (False, True)
        for row in np.flatnonzero(real.context_mask == given)[:EACH_KIND]
    ]
    return [
        Shown(
            caption=real.captions[row],
            given=bool(real.context_mask[row]),
            pictures=(
                _picture("real", real.video[row], real.fps, None),
                *(
                    _picture(title, clips.video[row], real.fps, marks[row] if marks else None)
                    for title, (clips, marks) in answers.items()
                ),
            ),
        )
        for row in chosen
    ]


def _picture(column: str, clip: np.ndarray, fps: int, right: bool | None) -> Picture:
    return Picture(
        column=column,
        moving=_uri("image/webp", video.webp(clip, fps)),
        still=_uri("image/png", video.png(clip[len(clip) // 2])),
        right=right,
    )


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
