"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from etils import epath

from vidgen.bucket import BucketPath

_Path = TypeVar("_Path", Path, epath.Path)


@contextlib.contextmanager
def replacing(path: _Path) -> Iterator[_Path]:
    """Another name beside `path`, which becomes `path` once the block has written it.

    The name is unique, so that two writers cannot meet in one half-written file. Where the block
    raises, `path` stays what it was and nothing is left behind. In a bucket it is `path` itself,
    which is to be written by one call: an object is replaced whole.
    """
    if isinstance(path, BucketPath):
        yield path
        return
    partial = path.parent / f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.partial"
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
