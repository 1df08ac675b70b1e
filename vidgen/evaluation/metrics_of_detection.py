"""Metrics that have a value a clip or a frame, by a detector that learned from real clips."""

from __future__ import annotations

from vidgen.evaluation.metric import DECAY, WITH_CONTEXT, Metric

METRICS_OF_DETECTION = (
    Metric(
        name="detected_success",
        better="higher",
        share=True,
        definition="share of clips in which a detector sees, in at least 7 of 8 frames, the "
        "objects asked and no others, on paths of the motions asked",
        group="detection",
    ),
    Metric(
        name="detected_count",
        better="higher",
        share=True,
        definition="share of frames with as many detected objects as were asked, given ones left "
        "out",
        group="detection",
        blind=("copy-first-frame", "frozen-real", "shuffled-frames", "shuffled-captions"),
    ),
    Metric(
        name="detected_conservation",
        better="higher",
        share=True,
        definition="share of clips that show the same detected objects in at least 7 of 8 frames, "
        "whichever they are",
        group="detection",
        blind=("copy-first-frame", "frozen-real", "shuffled-frames", "shuffled-captions"),
    ),
    Metric(
        name="detected_relation",
        better="higher",
        share=True,
        definition="share of the axes along which two detected objects stand in the order of the "
        "real clip, after the given frames",
        strata=WITH_CONTEXT,
        group="detection",
        blind=(DECAY,),
    ),
    Metric(
        name="detected_box_iou",
        better="higher",
        definition="overlap (IoU) of the detected box of the class asked with the real clip's, "
        "mean over objects and frames after the given ones; 0 where none is detected",
        strata=WITH_CONTEXT,
        group="detection",
    ),
    Metric(
        name="detected_mask_iou",
        better="higher",
        definition="as detected_box_iou, of masks",
        strata=WITH_CONTEXT,
        group="detection",
    ),
)
