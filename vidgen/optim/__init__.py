"""Optimisers whose schedules run on progress, gradients in parts, and the average of weights."""

from vidgen.optim.average import ema
from vidgen.optim.microbatches import check_microbatches, in_parts, value_and_grad
from vidgen.optim.optimizer import Optimizer
from vidgen.optim.schedule import Schedule

__all__ = [
    "Optimizer",
    "Schedule",
    "check_microbatches",
    "ema",
    "in_parts",
    "value_and_grad",
]
