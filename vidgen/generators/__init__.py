"""Generators, one folder a class. What a class needs to join is exported here."""

from vidgen.contract import (
    Card,
    Generator,
    Likelihood,
    Phase,
    Reconstructs,
    RollsOut,
    TrainState,
)
from vidgen.registry import register

__all__ = [
    "Card",
    "Generator",
    "Likelihood",
    "Phase",
    "Reconstructs",
    "RollsOut",
    "TrainState",
    "register",
]
