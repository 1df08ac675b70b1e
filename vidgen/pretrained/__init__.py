"""Frozen networks that training and judging share, and the reading of weights from files."""

from vidgen.pretrained.lpips import LPIPS, Lpips, LpipsNetwork
from vidgen.pretrained.weights import (
    Entry,
    MissingWeightsError,
    Weights,
    WrongWeightsError,
    manifest,
    port,
    read,
)

__all__ = [
    "LPIPS",
    "Entry",
    "Lpips",
    "LpipsNetwork",
    "MissingWeightsError",
    "Weights",
    "WrongWeightsError",
    "manifest",
    "port",
    "read",
]
