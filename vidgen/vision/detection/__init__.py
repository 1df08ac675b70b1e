"""Detection and instance segmentation: which objects a frame shows, where, and which pixels."""

from vidgen.vision.detection.boxes import (
    area,
    decode,
    encode,
    generalised_overlap,
    overlap,
    overlaps,
    within,
)
from vidgen.vision.detection.detector import DETECTORS, DetectorKind, build_detector
from vidgen.vision.detection.masks import MASK_SIZE, MaskHead
from vidgen.vision.detection.objects import Detections, Objects
from vidgen.vision.detection.sampling import paste, roi_align
from vidgen.vision.detection.single_stage import SingleStage
from vidgen.vision.detection.suppression import nms
from vidgen.vision.detection.two_stage import TwoStage

__all__ = [
    "DETECTORS",
    "MASK_SIZE",
    "Detections",
    "DetectorKind",
    "MaskHead",
    "Objects",
    "SingleStage",
    "TwoStage",
    "area",
    "build_detector",
    "decode",
    "encode",
    "generalised_overlap",
    "nms",
    "overlap",
    "overlaps",
    "paste",
    "roi_align",
    "within",
]
