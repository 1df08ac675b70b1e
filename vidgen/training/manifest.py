"""What a checkpoint is, and the proof that it is as it was written."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidgen.bucket import BucketPath
from vidgen.training.cost import publish
from vidgen.training.retention import Standing
from vidgen.types import SCHEMA_VERSION

MANIFEST = "manifest.json"
RECORD = "record.json"


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used; the message names the file and what is wrong with it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """What a checkpoint is, and what a resumed run needs beside the arrays.

    Attributes:
        phase: whose checkpoint this is.
        step: steps taken.
        complete: whether the phase has spent its budget.
        metrics_bytes: length of the metrics log at this step.
        fingerprint: configuration, data and code that led here.
        cost: the phase's cost so far, as plain JSON.
        standing: what decides how long it stays.
        arrays: type and shape of each array by part and name, filled in by `Checkpoints.save`.
    """

    phase: str
    step: int
    complete: bool
    metrics_bytes: int
    fingerprint: dict[str, Any]
    cost: dict[str, Any]
    standing: Standing = dataclasses.field(default_factory=Standing)
    arrays: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> Record:
        """The record as it was before it became JSON.

        Raises:
            TypeError: if it has other fields.
        """
        rest = dict(content)
        standing = Standing(**rest.pop("standing", {}))
        return cls(**rest, standing=standing)


def seal(folder: Path, record: Record) -> None:
    """Write the record of what a checkpoint's folder holds, and last its manifest."""
    publish(folder / RECORD, {"schema_version": SCHEMA_VERSION} | dataclasses.asdict(record))
    files = {name: _sha256(folder / name) for name in _files(folder)}
    publish(folder / MANIFEST, {"schema_version": SCHEMA_VERSION, "sha256": files})


def verify(folder: Path) -> Record:
    """Read a checkpoint's record after every one of its files has proved to be as it was written.

    Raises:
        CheckpointError: naming the first file that is missing or differs.
    """
    manifest = read_json(folder / MANIFEST)
    try:
        expected = dict(manifest["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / MANIFEST} is damaged") from error
    for name, digest in expected.items():
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise CheckpointError(f"{folder / MANIFEST} names {name!r}, which lies outside")
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder / name} is missing")
        if _sha256(folder / name) != digest:
            raise CheckpointError(f"{folder / name} differs from its checksum: it is damaged")
    content = read_json(folder / RECORD)
    version = content.pop("schema_version", None)
    if version != SCHEMA_VERSION:
        raise CheckpointError(f"{folder / RECORD}: schema version {version}, not {SCHEMA_VERSION}")
    try:
        return Record.of_json(content)
    except TypeError as error:
        raise CheckpointError(f"{folder / RECORD} is damaged: {error}") from error


def standing_of(folder: Path | BucketPath) -> Standing:
    """What decides how long a checkpoint stays, from its record alone; a damaged one, or one of an
    older version, stands as any regular one does.
    """
    try:
        return Standing(**read_json(folder / RECORD).get("standing", {}))
    except (CheckpointError, TypeError, AttributeError):
        return Standing()


def read_json(path: Path | BucketPath) -> dict[str, Any]:
    """A file of a checkpoint that holds a JSON object.

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is damaged: it holds a {type(content).__name__}")
    return content


def _files(folder: Path) -> list[str]:
    names = (p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*")) if p.is_file())
    return [name for name in names if name != MANIFEST]


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
