"""Sources of captioned clips, and the pipeline that makes batches of them."""

from vidgen.data.audit import LeakageError, SplitReport, check_splits
from vidgen.data.augment import Augment
from vidgen.data.catalogue import builder, kinds, source, sources
from vidgen.data.errors import CorruptFileError
from vidgen.data.motion import FAMILIES, MOTIONS, Motion, Physics, starts, trajectory
from vidgen.data.pipeline import (
    BatchIterator,
    DataMismatchError,
    batches,
    check_task,
    validation_batches,
)
from vidgen.data.source import Source
from vidgen.data.splits import SPLITS

__all__ = [
    "FAMILIES",
    "MOTIONS",
    "SPLITS",
    "Augment",
    "BatchIterator",
    "CorruptFileError",
    "DataMismatchError",
    "LeakageError",
    "Motion",
    "Physics",
    "Source",
    "SplitReport",
    "batches",
    "builder",
    "check_splits",
    "check_task",
    "kinds",
    "source",
    "sources",
    "starts",
    "trajectory",
    "validation_batches",
]
