"""Clips that were rendered once, kept as array records.

A source falls into shards of 64 neighbouring clips. The first time that any clip of a shard is
asked for, the whole shard is rendered, written under another name and renamed: a file is whole or
absent, two processes that race write the same bytes, and a pass that was stopped goes on where it
was. What a killed process left half-written is never read; the next process that writes removes it
if it has not grown for an hour. The folder is named by the source's fingerprint, so that other
clips never answer. Every record starts with the SHA-256 of the rest, which is verified on reading.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vidgen.atomic import replacing
from vidgen.data.errors import CorruptFileError

SHARD = 64

_DIGEST = 32

_STALE = 3600.0
"""Seconds after its last byte from which on a half-written file has no writer any more."""

Record = tuple[dict[str, Any], Mapping[str, np.ndarray]]
"""A header of JSON values, and arrays by name."""


class RecordCache:
    """Records by index, rendered when first asked for.

    Args:
        folder: where the caches of all sources lie; it is made.
        name: of the source.
        fingerprint: of the source.
        length: number of records.
        render: makes a record, always the same.

    Raises:
        ImportError: if the package array_record is not installed.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        name: str,
        fingerprint: str,
        length: int,
        render: Callable[[int], Record],
    ) -> None:
        self._module = _array_record()
        self.folder = Path(folder).expanduser() / f"{name}-{fingerprint[:32]}"
        self._length, self._render = length, render
        self._lock, self._cleared = threading.Lock(), False

    def __getitem__(self, index: int) -> Record:
        """Record number `index`.

        Raises:
            CorruptFileError: if its file is damaged; the message names the file.
        """
        shard, row = divmod(index, SHARD)
        path = self.folder / f"{shard:06d}.array_record"
        if not path.exists():
            # One shard at a time: threads that wait for the same one must not render it again.
            with self._lock:
                if not path.exists():
                    self._write(path, shard)
        return self._read(path, row)

    def _write(self, path: Path, shard: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self._cleared:
            self._clear()
            self._cleared = True
        with replacing(path) as partial:
            writer = self._module.ArrayRecordWriter(str(partial), "group_size:1")
            try:
                for index in range(shard * SHARD, min((shard + 1) * SHARD, self._length)):
                    writer.write(_pack(self._render(index)))
            finally:
                writer.close()

    def _clear(self) -> None:
        for left in self.folder.glob(".*.partial"):
            # Another process may clear as well, or finish what it writes.
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _STALE:
                    left.unlink()

    def _read(self, path: Path, row: int) -> Record:
        try:
            reader = self._module.ArrayRecordReader(str(path), "readahead_buffer_size:0")
            try:
                (content,) = reader.read([row])
            finally:
                reader.close()
        except (ValueError, IndexError, RuntimeError, OSError) as error:
            raise CorruptFileError(f"{path} is damaged: {error}; delete it") from error
        digest, payload = content[:_DIGEST], content[_DIGEST:]
        if hashlib.sha256(payload).digest() != digest:
            raise CorruptFileError(
                f"{path} is damaged: record {row} does not match its checksum; delete it"
            )
        return _unpack(payload)


def _pack(record: Record) -> bytes:
    header, arrays = record
    buffer = io.BytesIO()
    packed = np.frombuffer(json.dumps(header).encode(), np.uint8)
    # array_record compresses; a second time would only cost.
    np.savez(buffer, allow_pickle=False, header=packed, **arrays)
    payload = buffer.getvalue()
    return hashlib.sha256(payload).digest() + payload


def _unpack(payload: bytes) -> Record:
    with np.load(io.BytesIO(payload), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(arrays.pop("header").tobytes()), arrays


def _array_record() -> Any:
    try:
        from array_record.python import array_record_module  # type: ignore[attr-defined]
    except ImportError as error:
        raise ImportError(
            "the cache of the source 'babyai' is written with the package array_record, which is "
            "not installed: pip install 'vidgen[babyai]', or leave the option cache away"
        ) from error
    return array_record_module
