"""Training: one loop for every generator, that keeps time, saves, resumes exactly and guards.

The public face of this package; everything else in it is private.
"""

from vidgen.training import processes
from vidgen.training.budget import Budget
from vidgen.training.config import TrainingConfig
from vidgen.training.cost import Cost, PhaseCost, devices_here
from vidgen.training.estimate import Estimate, estimate, exports
from vidgen.training.fingerprint import FingerprintError
from vidgen.training.flops import Flops, count
from vidgen.training.interrupt import EXIT_CODES, Interrupted
from vidgen.training.lock import LockError
from vidgen.training.loop import DivergedError
from vidgen.training.manifest import CheckpointError
from vidgen.training.placement import PlacementError
from vidgen.training.precision import PRECISIONS, Precision, at, check_device, computing
from vidgen.training.processes import ProcessError
from vidgen.training.room import OutOfMemoryError
from vidgen.training.trainer import Trained, candidates_of, checkpoints_of, restore, train
from vidgen.training.writers import read_metrics

__all__ = [
    "EXIT_CODES",
    "PRECISIONS",
    "Budget",
    "CheckpointError",
    "Cost",
    "DivergedError",
    "Estimate",
    "FingerprintError",
    "Flops",
    "Interrupted",
    "LockError",
    "OutOfMemoryError",
    "PhaseCost",
    "PlacementError",
    "Precision",
    "ProcessError",
    "Trained",
    "TrainingConfig",
    "at",
    "candidates_of",
    "check_device",
    "checkpoints_of",
    "computing",
    "count",
    "devices_here",
    "estimate",
    "exports",
    "processes",
    "read_metrics",
    "restore",
    "train",
]
