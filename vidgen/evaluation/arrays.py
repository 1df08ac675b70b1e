"""Arrays in files: plain ``npz`` without pickles, whole or not at all; and digests of arrays."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import UInt8

from vidgen import bucket
from vidgen.atomic import replacing

_HEADER = "header"


def write_arrays(
    path: epath.PathLike,
    arrays: Mapping[str, np.ndarray],
    *,
    header: Mapping[str, Any] | None = None,
    compressed: bool = False,
) -> None:
    """Write arrays, and a header as JSON beside them.

    Args:
        path: a file, local or in a bucket. Its folder is made.
        arrays: by name, none of which is ``"header"``.
        header: whatever JSON can hold.
        compressed: smaller, and slower to write.
    """
    path = bucket.anywhere(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = np.frombuffer(json.dumps(header or {}).encode(), np.uint8)
    buffer = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(buffer, allow_pickle=False, **{_HEADER: packed}, **arrays)
    with replacing(path) as partial:
        partial.write_bytes(buffer.getvalue())


def parse_arrays(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of a file that `write_arrays` wrote.

    Raises:
        Exception: of many kinds for damaged content: zip, zlib, npy and JSON each fail in ways of
            their own.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(arrays.pop(_HEADER).tobytes()), arrays


def arrays_digest(arrays: Mapping[str, np.ndarray], *, header: bytes = b"") -> str:
    """The sha256, hexadecimal, of a header and of arrays with their names, dtypes and shapes."""
    sha = hashlib.sha256(header)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
        sha.update(array.data)
    return sha.hexdigest()


def pixel_digest(video: UInt8[np.ndarray, "N T H W C"]) -> str:
    """A hash of pixels and shape, and of nothing else: answers with the same pixels have the same
    features, whatever they were asked.
    """
    sha = hashlib.sha256(f"{video.dtype.str} {video.shape}".encode())
    sha.update(np.ascontiguousarray(video).data)
    return sha.hexdigest()[:32]
