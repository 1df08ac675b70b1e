"""The metrics by name: which way is good, what each means, and for which prompts it exists.

The one home of these words: the judge computes what stands here, `vidgen list metrics` prints it,
and the report shows it on hover.
"""

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

Group = Literal["oracle", "pixel", "appearance", "in-domain", "temporal", "i3d", "fid", "lpips"]
"""Metrics that are computed together or not at all."""

GROUPS: Mapping[Group, str] = MappingProxyType(
    {
        "oracle": "what a simulated source's own truth says",
        "pixel": "against the real clip, pixel by pixel",
        "appearance": "single frames by themselves, whatever they should show",
        "in-domain": "sets of clips, by networks that learn from real clips before they judge",
        "temporal": "flicker and optical flow; needs vidgen[metrics]",
        "i3d": "sets of clips of 9 frames or more, by I3D; slow on a CPU, needs vidgen[metrics]",
        "fid": "sets of single frames, by Inception-v3; slow, and you bring the weights",
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


_OF_SETS = ("shuffled-captions",)
"""Sets without captions are the same in any order."""

_STILL = ("copy-first-frame", "frozen-real", "shuffled-captions")

_OF_FRAMES = ("frozen-real", "shuffled-frames", "shuffled-captions")
"""Sets of single frames are the same in any order, and real where a clip repeats a real one."""


_BROKEN = ("copy-first-frame", "shuffled-captions", "frozen-real", "shuffled-frames")
"""All but the one that decays, which is there for what changes along the clip."""

_DECAY = "decaying-real"
"""What fades has less of everything that is counted in grey levels, and moves as it did."""

_TABLE = (
    Metric(
        name="oracle_success",
        better="higher",
        share=True,
        definition="share of clips that, in at least 7 of 8 frames, show exactly one object, of "
        "the identity asked, on a path of the motion asked; or move as asked, in one sharp scene",
    ),
    Metric(
        name="oracle_success_majority",
        better="higher",
        share=True,
        definition="as oracle_success, with identity by a vote of the frames (a clip may morph)",
    ),
    Metric(
        name="identity",
        better="higher",
        share=True,
        blind=("frozen-real", "shuffled-frames"),
        definition="share of clips with the identity asked in at least 7 of 8 frames",
    ),
    Metric(
        name="identity_majority",
        better="higher",
        share=True,
        blind=("frozen-real", "shuffled-frames", _DECAY),
        definition="share of clips with the identity asked in more frames than any other",
    ),
    Metric(
        name="motion",
        better="higher",
        share=True,
        definition="share of clips whose path (or camera) is of the motion asked in at least 7 of "
        "8 frames",
    ),
    Metric(
        name="one_object",
        better="higher",
        share=True,
        blind=("frozen-real", "shuffled-frames", "shuffled-captions"),
        definition="share of clips with exactly one object in at least 7 of 8 frames",
    ),
    Metric(
        name="missing_rate",
        better="lower",
        share=True,
        blind=("frozen-real", "shuffled-frames", "shuffled-captions"),
        definition="share of frames without any object, given ones left out",
    ),
    Metric(
        name="extra_rate",
        better="lower",
        share=True,
        blind=(*_BROKEN, _DECAY),
        definition="share of frames with more than one object, given ones left out",
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
        share=True,
        definition="share of steps that MiniGrid's rules allow, between two frames of a grid world",
    ),
    Metric(
        name="mission",
        better="higher",
        share=True,
        definition="share of clips in which the agent fulfils its mission by legal steps alone",
    ),
    Metric(
        name="conserved",
        better="higher",
        share=True,
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
        group="pixel",
    ),
    Metric(
        name="ssim",
        better="higher",
        definition="structural similarity to the real clip, 11x11 Gaussian window, mean over the "
        "frames after the given ones",
        needs_truth=False,
        strata=WITH_CONTEXT,
        group="pixel",
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
        name="drift_trajectory_error_px",
        better="lower",
        blind=_BROKEN,
        definition="slope a frame of the object's distance from where it should be, in frames that "
        "have one",
    ),
    Metric(
        name="drift_legal_rate",
        better="higher",
        blind=_BROKEN,
        definition="slope a step of the share of clips whose step is legal",
    ),
    Metric(
        name="drift_psnr",
        better="higher",
        blind=("shuffled-frames", "shuffled-captions"),
        definition="slope of PSNR in dB a frame, after the given frames",
        needs_truth=False,
        strata=WITH_CONTEXT,
        group="pixel",
    ),
    Metric(
        name="drift_ssim",
        better="higher",
        blind=("shuffled-frames", "shuffled-captions"),
        definition="slope of SSIM a frame, after the given frames",
        needs_truth=False,
        strata=WITH_CONTEXT,
        group="pixel",
    ),
    Metric(
        name="brightness",
        better="higher",
        definition="mean grey level of a frame, the ink of what moves over black; right where it "
        "is as on real clips",
        needs_truth=False,
        group="appearance",
        blind=(*_BROKEN, _DECAY),
    ),
    Metric(
        name="sharpness",
        better="higher",
        definition="mean difference of a pixel from its neighbours in grey levels; right where it "
        "is as on real clips",
        needs_truth=False,
        group="appearance",
        blind=_BROKEN,
    ),
    Metric(
        name="drift_brightness",
        better="higher",
        definition="slope of brightness a frame; right near 0",
        needs_truth=False,
        group="appearance",
        blind=(*_BROKEN, _DECAY),
    ),
    Metric(
        name="drift_sharpness",
        better="higher",
        definition="slope of sharpness a frame; below 0 the clips blur or fade, above it they "
        "grow noisy",
        needs_truth=False,
        group="appearance",
        blind=_BROKEN,
    ),
    Metric(
        name="kvd_in_domain",
        better="lower",
        definition="kernel distance of the answers' features from those of the real clips, by a "
        "3-D ResNet trained on real clips; unbiased, 0 for equal distributions",
        needs_truth=False,
        group="in-domain",
        blind=_OF_SETS,
    ),
    Metric(
        name="kvd_in_domain_2plus1d",
        better="lower",
        definition="as kvd_in_domain, by a (2+1)-D ResNet: whether the ranking depends on the "
        "network",
        needs_truth=False,
        group="in-domain",
        blind=_OF_SETS,
    ),
    Metric(
        name="kvd_in_domain_random",
        better="lower",
        definition="as kvd_in_domain, by a 3-D ResNet that has learned nothing",
        needs_truth=False,
        group="in-domain",
        blind=_OF_SETS,
    ),
    Metric(
        name="fvd_in_domain",
        better="lower",
        definition="Fréchet distance of in-domain features at this number of clips, which biases "
        "it upwards",
        needs_truth=False,
        group="in-domain",
        blind=_OF_SETS,
    ),
    Metric(
        name="fvd_in_domain_infinity",
        better="lower",
        definition="fvd_in_domain on a line against 1/N, at infinitely many clips",
        needs_truth=False,
        group="in-domain",
        blind=_OF_SETS,
    ),
    Metric(
        name="precision",
        better="higher",
        share=True,
        definition="share of answers near a real clip (its 5th neighbour among the real ones)",
        needs_truth=False,
        group="in-domain",
        blind=_OF_SETS,
    ),
    Metric(
        name="recall",
        better="higher",
        share=True,
        definition="share of real clips near an answer (its 5th neighbour among the answers)",
        needs_truth=False,
        group="in-domain",
        blind=_OF_SETS,
    ),
    Metric(
        name="density",
        better="higher",
        definition="mean number of real clips that an answer is near to, over 5; about 1 for real "
        "ones",
        needs_truth=False,
        group="in-domain",
        blind=_OF_SETS,
    ),
    Metric(
        name="coverage",
        better="higher",
        share=True,
        definition="share of real clips that have an answer near to them",
        needs_truth=False,
        group="in-domain",
        blind=_OF_SETS,
    ),
    Metric(
        name="memorisation",
        better="lower",
        share=True,
        definition="share of pairs in which an answer is nearer to a training clip than a held-out "
        "real clip is: 0.5 as real, 1 copied; below 0.5 is no merit",
        needs_truth=False,
        group="in-domain",
        blind=(*_STILL, _DECAY),
    ),
    Metric(
        name="diversity",
        better="higher",
        definition="mean distance between answers to one caption, over that between real clips: 1 "
        "as real, 0 all the same",
        needs_truth=False,
        strata=TEXT_ALONE,
        group="in-domain",
        blind=_STILL,
    ),
    Metric(
        name="caption_swap",
        better="higher",
        definition="how much better the answers fit their captions than those of other prompts, as "
        "a share; 0 where the text is ignored",
        needs_truth=False,
        strata=TEXT_ALONE,
        group="in-domain",
    ),
    Metric(
        name="flicker",
        better="lower",
        definition="mean difference of a frame from the next in grey levels; read it beside "
        "dynamic_degree, since a frozen clip has none",
        needs_truth=False,
        group="temporal",
        blind=(*_STILL, _DECAY),
    ),
    Metric(
        name="dynamic_degree",
        better="higher",
        definition="mean speed of the fastest 5% of the pixels by optical flow, pixels a frame; "
        "right where it is as on real clips",
        needs_truth=False,
        group="temporal",
        blind=(*_OF_SETS, _DECAY),
    ),
    Metric(
        name="warp_error",
        better="lower",
        definition="mean difference, in grey levels, of a frame from the next one brought back "
        "along the optical flow, where both show the same",
        needs_truth=False,
        group="temporal",
        blind=_STILL,
    ),
    Metric(
        name="drift_flicker",
        better="lower",
        definition="slope of flicker a frame",
        needs_truth=False,
        group="temporal",
        blind=_STILL,
    ),
    Metric(
        name="drift_dynamic_degree",
        better="higher",
        definition="slope of dynamic_degree a frame; below 0 the clips come to rest",
        needs_truth=False,
        group="temporal",
        blind=_STILL,
    ),
    Metric(
        name="drift_warp_error",
        better="lower",
        definition="slope of warp_error a frame",
        needs_truth=False,
        group="temporal",
        blind=_STILL,
    ),
    Metric(
        name="kvd_i3d",
        better="lower",
        definition="kernel distance of I3D's logits, unbiased",
        needs_truth=False,
        group="i3d",
        blind=_OF_SETS,
    ),
    Metric(
        name="fvd_i3d",
        better="lower",
        definition="Fréchet video distance (I3D, 400 logits) at this number of clips, which biases "
        "it upwards",
        needs_truth=False,
        group="i3d",
        blind=_OF_SETS,
    ),
    Metric(
        name="fvd_i3d_infinity",
        better="lower",
        definition="fvd_i3d on a line against 1/N, at infinitely many clips",
        needs_truth=False,
        group="i3d",
        blind=_OF_SETS,
    ),
    Metric(
        name="fid",
        better="lower",
        definition="Fréchet distance of single frames (Inception-v3, 2048 features of its last "
        "pool) at this number of clips, which biases it upwards",
        needs_truth=False,
        group="fid",
        blind=_OF_FRAMES,
    ),
    Metric(
        name="fid_infinity",
        better="lower",
        definition="fid on a line against 1/N, at infinitely many clips",
        needs_truth=False,
        group="fid",
        blind=_OF_FRAMES,
    ),
    Metric(
        name="lpips_alex",
        better="lower",
        definition="perceptual distance (LPIPS 0.1, AlexNet) from the real clip, mean over the "
        "frames after the given ones",
        needs_truth=False,
        strata=WITH_CONTEXT,
        group="lpips",
    ),
    Metric(
        name="drift_lpips_alex",
        better="lower",
        definition="slope of lpips_alex a frame, after the given frames",
        needs_truth=False,
        strata=WITH_CONTEXT,
        group="lpips",
    ),
    Metric(
        name="failed_rate",
        better="lower",
        share=True,
        blind=(*_BROKEN, _DECAY),
        definition="share of clips that could not be drawn (NaN); every oracle counts them wrong",
        needs_truth=False,
    ),
)

OF_SEVERAL = ("psnr", "ssim", "lpips_alex")
"""Metrics against the real clip, of which the mean and the best of K answers are told as well."""


def several_names(name: str) -> tuple[str, str]:
    """The metrics that are the mean and the best of a metric over K answers to each prompt."""
    return f"{name}_mean_of_k", f"{name}_best_of_k"


def _over_answers(of: Metric) -> tuple[Metric, Metric]:
    mean, best = several_names(of.name)
    return (
        dataclasses.replace(
            of,
            name=mean,
            several=True,
            definition=f"{of.name}, mean over K answers to each prompt that gives first frames",
        ),
        dataclasses.replace(
            of,
            name=best,
            several=True,
            definition=f"{of.name} of the best of K answers to each prompt that gives first "
            f"frames; it gains by K alone, so read it beside {mean}",
        ),
    )


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *_TABLE,
        *(one for of in _TABLE if of.name in OF_SEVERAL for one in _over_answers(of)),
    )
}
"""Every metric by name, the primary one first."""
