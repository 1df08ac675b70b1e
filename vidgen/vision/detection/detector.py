"""Detectors by name."""

from __future__ import annotations

from typing import Literal, get_args

from flax import nnx

from vidgen.vision.detection.single_stage import SingleStage
from vidgen.vision.detection.two_stage import TwoStage

DetectorKind = Literal["single-stage", "two-stage"]
"""FCOS-style, or Mask R-CNN."""

DETECTORS: tuple[DetectorKind, ...] = get_args(DetectorKind)


def build_detector(
    kind: DetectorKind,
    shape: tuple[int, ...],
    classes: int,
    *,
    width: int = 64,
    most: int = 8,
    rngs: nnx.Rngs,
) -> SingleStage | TwoStage:
    """A detector, untrained.

    Args:
        kind: which.
        shape: [H W C] of the frames.
        classes: K, kinds of objects.
        width: D of its maps, a multiple of 4.
        most: detections a frame.
        rngs: source of the initial weights.
    """
    made = SingleStage if kind == "single-stage" else TwoStage
    return made(shape, classes, width, most, rngs=rngs)
