"""Judges that detect: objects in the frames of generated clips, by a network that learned them from
real ones.
"""

from vidgen.evaluation.detection.following import follow_boxes
from vidgen.evaluation.detection.network import DetectorCard, DetectorConfig, DetectorNetwork, Seen
from vidgen.evaluation.detection.precision import (
    PRECISIONS,
    average_precision,
    average_precision_intervals,
)
from vidgen.evaluation.detection.training import KnownFrames, train_detector
from vidgen.evaluation.detection.verdicts import (
    DetectedVerdicts,
    agreement_with_oracle,
    box_overlaps,
    examine_detected,
    judge_seen,
    motion_of_boxes,
)

__all__ = [
    "PRECISIONS",
    "DetectedVerdicts",
    "DetectorCard",
    "DetectorConfig",
    "DetectorNetwork",
    "KnownFrames",
    "Seen",
    "agreement_with_oracle",
    "average_precision",
    "average_precision_intervals",
    "box_overlaps",
    "examine_detected",
    "follow_boxes",
    "judge_seen",
    "motion_of_boxes",
    "train_detector",
]
