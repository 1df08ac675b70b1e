"""Metrics that have a value a clip or a frame, by the oracle, by pixels, by flow and by LPIPS."""

from __future__ import annotations

from vidgen.evaluation.metric import BROKEN, DECAY, STILL, UNCAPTIONED, WITH_CONTEXT, Metric

METRICS_OF_CLIPS = (
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
        blind=("frozen-real", "shuffled-frames", DECAY),
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
        blind=(*BROKEN, DECAY),
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
        blind=BROKEN,
        definition="slope a frame of the share of clips with the right identity; below 0 it decays",
    ),
    Metric(
        name="drift_one_object",
        better="higher",
        blind=BROKEN,
        definition="slope a frame of the share of clips with exactly one object",
    ),
    Metric(
        name="drift_trajectory_error_px",
        better="lower",
        blind=BROKEN,
        definition="slope a frame of the object's distance from where it should be, in frames that "
        "have one",
    ),
    Metric(
        name="drift_legal_rate",
        better="higher",
        blind=BROKEN,
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
        blind=(*BROKEN, DECAY),
    ),
    Metric(
        name="sharpness",
        better="higher",
        definition="mean difference of a pixel from its neighbours in grey levels; right where it "
        "is as on real clips",
        needs_truth=False,
        group="appearance",
        blind=BROKEN,
    ),
    Metric(
        name="drift_brightness",
        better="higher",
        definition="slope of brightness a frame; right near 0",
        needs_truth=False,
        group="appearance",
        blind=(*BROKEN, DECAY),
    ),
    Metric(
        name="drift_sharpness",
        better="higher",
        definition="slope of sharpness a frame; below 0 the clips blur or fade, above it they "
        "grow noisy",
        needs_truth=False,
        group="appearance",
        blind=BROKEN,
    ),
    Metric(
        name="flicker",
        better="lower",
        definition="mean difference of a frame from the next in grey levels; read it beside "
        "dynamic_degree, since a frozen clip has none",
        needs_truth=False,
        group="temporal",
        blind=(*STILL, DECAY),
    ),
    Metric(
        name="dynamic_degree",
        better="higher",
        definition="mean speed of the fastest 5% of the pixels by optical flow, pixels a frame; "
        "right where it is as on real clips",
        needs_truth=False,
        group="temporal",
        blind=(*UNCAPTIONED, DECAY),
    ),
    Metric(
        name="warp_error",
        better="lower",
        definition="mean difference, in grey levels, of a frame from the next one brought back "
        "along the optical flow, where both show the same",
        needs_truth=False,
        group="temporal",
        blind=STILL,
    ),
    Metric(
        name="drift_flicker",
        better="lower",
        definition="slope of flicker a frame",
        needs_truth=False,
        group="temporal",
        blind=STILL,
    ),
    Metric(
        name="drift_dynamic_degree",
        better="higher",
        definition="slope of dynamic_degree a frame; below 0 the clips come to rest",
        needs_truth=False,
        group="temporal",
        blind=STILL,
    ),
    Metric(
        name="drift_warp_error",
        better="lower",
        definition="slope of warp_error a frame",
        needs_truth=False,
        group="temporal",
        blind=STILL,
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
        blind=(*BROKEN, DECAY),
        definition="share of clips that could not be drawn (NaN); every oracle counts them wrong",
        needs_truth=False,
    ),
)
