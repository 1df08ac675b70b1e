"""What a metric is, and which anchors it is blind to by its nature."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from vidgen.types import Better

Stratum = Literal["all", "text", "text+image"]
"""All prompts, those of text alone, or those that also give the first frames."""

STRATA: tuple[Stratum, ...] = ("all", "text", "text+image")
WITH_CONTEXT: tuple[Stratum, ...] = ("text+image",)
TEXT_ALONE: tuple[Stratum, ...] = ("text",)

Group = Literal[
    "oracle",
    "pixel",
    "appearance",
    "in-domain",
    "alignment",
    "detection",
    "temporal",
    "i3d",
    "videomae",
    "fid",
    "inception-score",
    "clipsim",
    "lpips",
]
"""Metrics that are computed together or not at all."""

GROUPS: Mapping[Group, str] = MappingProxyType(
    {
        "oracle": "what a simulated source's own truth says",
        "pixel": "against the real clip, pixel by pixel",
        "appearance": "single frames by themselves, whatever they should show",
        "in-domain": "sets of clips, by networks that learn from real clips before they judge",
        "alignment": "clip against caption, by towers that learn from real clips before they judge",
        "detection": "objects and their boxes against the truth, by a detector that learns from "
        "real clips before it judges",
        "temporal": "flicker and optical flow; needs vidgen[metrics]",
        "i3d": "sets of clips of 9 frames or more, by I3D; slow on a CPU, needs vidgen[metrics]",
        "videomae": "sets of clips of 16 frames, by VideoMAE; slow, and you bring the weights",
        "fid": "sets of single frames, by Inception-v3; slow, and you bring the weights",
        "inception-score": "sets of clips of 16 frames, by C3D; slow, and you bring the weights",
        "clipsim": "every frame against the caption, by CLIP; slow, and you bring the weights",
        "lpips": "against the real clip, by AlexNet; needs vidgen[metrics]",
    }
)
"""What each group is."""

USUAL_GROUPS: tuple[Group, ...] = ("oracle", "pixel")
"""Those that cost next to nothing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """What a metric is.

    Attributes:
        name: as in every table.
        better: which way is good.
        definition: one line.
        needs_truth: whether it needs a simulated source.
        strata: the prompts for which it is computed.
        group: with which others it is computed.
        blind: anchors that it cannot tell from real clips by its nature, which is no fault of it.
        share: whether it is a share of clips, frames or steps, which lies in [0, 1].
        several: whether it is of several answers to each prompt, see `best_of`, and nothing that
            can be said of one answer.
    """

    name: str
    better: Better
    definition: str
    needs_truth: bool = True
    strata: tuple[Stratum, ...] = STRATA
    group: Group = "oracle"
    blind: tuple[str, ...] = ()
    share: bool = False
    several: bool = False


UNCAPTIONED = ("shuffled-captions",)
"""Sets without captions are the same in any order."""

STILL = ("copy-first-frame", "frozen-real", "shuffled-captions")

SINGLE_FRAMES = ("frozen-real", "shuffled-frames", "shuffled-captions")
"""Sets of single frames are the same in any order, and real where a clip repeats a real one."""

BROKEN = ("copy-first-frame", "shuffled-captions", "frozen-real", "shuffled-frames")
"""All but the one that decays, which is there for what changes along the clip."""

DECAY = "decaying-real"
"""What fades has less of everything that is counted in grey levels, and moves as it did."""
