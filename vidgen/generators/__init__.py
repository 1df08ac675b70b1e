"""Generators, one folder a class. What a class needs to join is exported here."""

from vidgen.contract import (
    Attends,
    Card,
    Collapses,
    Generator,
    Likelihood,
    Phase,
    Reconstructs,
    RollsOut,
    TrainState,
)
from vidgen.registry import register
from vidgen.space import Choice, Range, Space, Width, Widths

__all__ = [
    "Attends",
    "Card",
    "Choice",
    "Collapses",
    "Generator",
    "Likelihood",
    "Phase",
    "Range",
    "Reconstructs",
    "RollsOut",
    "Space",
    "TrainState",
    "Width",
    "Widths",
    "register",
]
