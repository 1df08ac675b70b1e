"""What training says while it runs: metrics as JSON lines, and as TensorBoard events."""

from __future__ import annotations

import importlib.util
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vidgen import bucket
from vidgen.types import SCHEMA_VERSION

FILE = "metrics.jsonl"
BOARD = "tensorboard"


class MetricsLog:
    """``metrics.jsonl``: one JSON object a line, in the order of training, with no clock in it.

    The first line is ``{"schema_version": 1}``; every other has ``phase``, ``step``, ``split``
    ("train" or "validation", or one of `vidgen.training.alarms`) and the metrics, at full
    precision; a value that is not finite is null. After a resume the file is cut back to the
    checkpoint, so that it ends up bit-equal to that of a run that was never interrupted.

    Args:
        folder: the run folder.
        offset: bytes that stay; whatever follows them is cut off.

    Raises:
        ValueError: if the file is shorter than that: it is not the log of this run.
    """

    def __init__(self, folder: Path, offset: int = 0) -> None:
        self._path = folder / FILE
        size = self._path.stat().st_size if self._path.exists() else 0
        if size < offset:
            raise ValueError(
                f"{self._path} has {size} bytes, but the checkpoint was saved at {offset}: the "
                "log was cut or replaced; restore it, or start the run anew in another folder"
            )
        self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115 - closed by `close`
        self._file.seek(self._file.truncate(offset))
        if offset == 0:
            self._line({"schema_version": SCHEMA_VERSION})

    def write(self, phase: str, step: int, split: str, values: Mapping[str, Any]) -> None:
        """Append one row. `values` are scalars."""
        self.note(phase, step, split, plain(values))

    def note(self, phase: str, step: int, split: str, record: Mapping[str, Any]) -> None:
        """Append one row of what is plain JSON already, such as an alarm."""
        self._line({"phase": phase, "step": step, "split": split} | dict(record))

    @property
    def offset(self) -> int:
        """Bytes so far, all of them handed to the operating system."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _line(self, row: Mapping[str, Any]) -> None:
        left = memoryview(json.dumps(row, allow_nan=False).encode() + b"\n")
        while left:  # where a disk is nearly full, the system takes a part and refuses the next
            left = left[self._file.write(left) :]


class NoLog:
    """What processes but the first write into: nothing."""

    offset = 0

    def write(self, phase: str, step: int, split: str, values: Mapping[str, Any]) -> None:
        """Nothing."""

    def note(self, phase: str, step: int, split: str, record: Mapping[str, Any]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def read_metrics(folder: os.PathLike[str] | str) -> list[dict[str, Any]]:
    """The rows of a run folder's ``metrics.jsonl``, in order, without the header; it may lie in a
    bucket.

    A run that trained nothing, such as a baseline's, has none. A last line that a killed process
    left unfinished is dropped, as a resume would drop it.

    Raises:
        ValueError: if the file bears a schema version that this version does not read.
    """
    path = bucket.address(folder) / FILE
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    if not lines:
        return []
    version = json.loads(lines[0]).get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(f"{path}: schema version {version}, not {SCHEMA_VERSION}")
    return [json.loads(line) for line in lines[1:]]


def plain(values: Mapping[str, Any]) -> dict[str, float | int | bool | None]:
    """Scalars of numpy or JAX as Python's own, sorted by name; None where not finite."""

    def scalar(value: Any) -> float | int | bool | None:
        array = np.asarray(value)
        if array.dtype.kind in "biu":
            return array.item()
        number = float(array)
        return number if math.isfinite(number) else None

    return {name: scalar(values[name]) for name in sorted(values)}


class TensorBoard:
    """The same rows as TensorBoard events, one folder a phase, where tensorboardX is installed."""

    def __init__(self, folder: Path, phase: str, step: int) -> None:
        from tensorboardX import SummaryWriter

        # purge_step hides what an interrupted run wrote after the checkpoint.
        self._writer = SummaryWriter(
            str(folder / BOARD / phase), purge_step=step + 1, write_to_disk=True
        )

    @staticmethod
    def installed() -> bool:
        """Whether events can be written."""
        return importlib.util.find_spec("tensorboardX") is not None

    def write(self, step: int, split: str, values: Mapping[str, Any]) -> None:
        """Write one row's scalars as ``split/name``."""
        for name, value in plain(values).items():
            if value is not None:
                self._writer.add_scalar(f"{split}/{name}", value, step)

    def close(self) -> None:
        """Flush and close."""
        self._writer.close()
