"""Optimisers whose schedules run on progress, and the moving average of weights."""

from vidgen.optim.average import ema
from vidgen.optim.optimizer import Optimizer
from vidgen.optim.schedule import Schedule

__all__ = ["Optimizer", "Schedule", "ema"]
