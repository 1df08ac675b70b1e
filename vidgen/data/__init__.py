"""Sources of captioned clips, and the pipeline that makes batches of them."""

from vidgen.data.audit import LeakageError, SplitReport, check_splits
from vidgen.data.augment import Augment
from vidgen.data.catalogue import builder, kinds, recorded, source, sources
from vidgen.data.errors import CorruptFileError
from vidgen.data.literature import PROTOCOLS, LiteratureProtocol
from vidgen.data.motion import FAMILIES, MOTIONS, Motion, Physics, starts, trajectory
from vidgen.data.pipeline import (
    BatchIterator,
    DataMismatchError,
    batches,
    check_task,
    check_validation,
    validation_batches,
)
from vidgen.data.recording import Facts, Recorded
from vidgen.data.source import Continues, Source, Tells, captions_of
from vidgen.data.splits import SPLITS
from vidgen.data.survey import Survey, survey

__all__ = [
    "FAMILIES",
    "MOTIONS",
    "PROTOCOLS",
    "SPLITS",
    "Augment",
    "BatchIterator",
    "Continues",
    "CorruptFileError",
    "DataMismatchError",
    "Facts",
    "LeakageError",
    "LiteratureProtocol",
    "Motion",
    "Physics",
    "Recorded",
    "Source",
    "SplitReport",
    "Survey",
    "Tells",
    "batches",
    "builder",
    "captions_of",
    "check_splits",
    "check_task",
    "check_validation",
    "kinds",
    "recorded",
    "source",
    "sources",
    "starts",
    "survey",
    "trajectory",
    "validation_batches",
]
