"""The metrics by name: which way is good, what each means, and for which prompts it exists.

The one home of these words: the judge computes what stands here, `vidgen list metrics` prints it,
and the report shows it on hover.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from vidgen.types import Better

Stratum = Literal["all", "text", "text+image"]
"""All prompts, those of text alone, or those that also give the first frames."""

STRATA: tuple[Stratum, ...] = ("all", "text", "text+image")
WITH_CONTEXT: tuple[Stratum, ...] = ("text+image",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """What a metric is.

    Attributes:
        name: as in every table.
        better: which way is good.
        definition: one line.
        needs_truth: whether it needs a simulated source.
        strata: the prompts for which it is computed.
        blind: anchors that it cannot tell from real clips by its nature, which is no fault of it.
    """

    name: str
    better: Better
    definition: str
    needs_truth: bool = True
    strata: tuple[Stratum, ...] = STRATA
    blind: tuple[str, ...] = ()


_BROKEN = ("copy-first-frame", "shuffled-captions", "frozen-real", "shuffled-frames")

_TABLE = (
    Metric(
        name="oracle_success",
        better="higher",
        definition="share of clips that, in at least 7 of 8 frames, show exactly one object, of "
        "the identity asked, on a path of the motion asked; or move as asked, in one sharp scene",
    ),
    Metric(
        name="oracle_success_majority",
        better="higher",
        definition="as oracle_success, with identity by a vote of the frames (a clip may morph)",
    ),
    Metric(
        name="identity",
        better="higher",
        blind=("frozen-real", "shuffled-frames"),
        definition="share of clips with the identity asked in at least 7 of 8 frames",
    ),
    Metric(
        name="identity_majority",
        better="higher",
        blind=("frozen-real", "shuffled-frames"),
        definition="share of clips with the identity asked in more frames than any other",
    ),
    Metric(
        name="motion",
        better="higher",
        definition="share of clips whose path (or camera) is of the motion asked in at least 7 of "
        "8 frames",
    ),
    Metric(
        name="one_object",
        better="higher",
        blind=("frozen-real", "shuffled-frames", "shuffled-captions"),
        definition="share of clips with exactly one object in at least 7 of 8 frames",
    ),
    Metric(
        name="missing_rate",
        better="lower",
        blind=("frozen-real", "shuffled-frames", "shuffled-captions"),
        definition="share of frames without any object",
    ),
    Metric(
        name="extra_rate",
        better="lower",
        blind=_BROKEN,
        definition="share of frames with more than one object",
    ),
    Metric(
        name="trajectory_error_px",
        better="lower",
        definition="mean distance of the object from where it should be, in frames that have one: "
        "from the real path where the first frame is given, else from the best path asked",
    ),
    Metric(
        name="endpoint_error_px",
        better="lower",
        definition="as trajectory_error_px, in the last frame alone",
    ),
    Metric(
        name="bounce_error_frames",
        better="lower",
        definition="frames between a bounce and when it should be, on clips that should show one",
    ),
    Metric(
        name="shape_stability",
        better="higher",
        definition="mean likeness (cosine of the centred crops) of an object to itself one frame "
        "before",
    ),
    Metric(
        name="legal_rate",
        better="higher",
        definition="share of steps that MiniGrid's rules allow, between two frames of a grid world",
    ),
    Metric(
        name="mission",
        better="higher",
        definition="share of clips in which the agent fulfils its mission by legal steps alone",
    ),
    Metric(
        name="conserved",
        better="higher",
        definition="share of clips whose grid world neither loses nor gains nor changes an object, "
        "but for the one that is carried",
    ),
    Metric(
        name="psnr",
        better="higher",
        definition="peak signal-to-noise ratio against the real clip in dB, mean over the frames "
        "after the given ones, at most 58.9",
        needs_truth=False,
        strata=WITH_CONTEXT,
    ),
    Metric(
        name="ssim",
        better="higher",
        definition="structural similarity to the real clip, 11x11 Gaussian window, mean over the "
        "frames after the given ones",
        needs_truth=False,
        strata=WITH_CONTEXT,
    ),
    Metric(
        name="drift_identity",
        better="higher",
        blind=_BROKEN,
        definition="slope a frame of the share of clips with the right identity; below 0 it decays",
    ),
    Metric(
        name="drift_one_object",
        better="higher",
        blind=_BROKEN,
        definition="slope a frame of the share of clips with exactly one object",
    ),
    Metric(
        name="drift_psnr",
        better="higher",
        blind=("shuffled-frames", "shuffled-captions"),
        definition="slope of PSNR in dB a frame, after the given frames",
        needs_truth=False,
        strata=WITH_CONTEXT,
    ),
    Metric(
        name="drift_ssim",
        better="higher",
        blind=("shuffled-frames", "shuffled-captions"),
        definition="slope of SSIM a frame, after the given frames",
        needs_truth=False,
        strata=WITH_CONTEXT,
    ),
    Metric(
        name="failed_rate",
        better="lower",
        blind=_BROKEN,
        definition="share of clips that could not be drawn (NaN); every oracle counts them wrong",
        needs_truth=False,
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _TABLE}
"""Every metric by name, the primary one first."""
