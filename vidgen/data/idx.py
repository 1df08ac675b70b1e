"""Reading IDX, the file format of MNIST: a magic number, big-endian sizes, raw bytes.

References: LeCun, Cortes & Burges, "The MNIST database of handwritten digits" (1998).
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from vidgen.data.errors import CorruptFileError

_Stream = gzip.GzipFile | io.BufferedReader

_UNSIGNED_BYTE = 0x08
_LARGEST = 2**31
"""Bytes above which a header is not believed: MNIST takes 47 million."""


def read_pair(
    folder: Path, prefix: str
) -> tuple[UInt8[np.ndarray, "N h w"], UInt8[np.ndarray, "N"]]:
    """The images and labels of ``PREFIX-images-idx3-ubyte`` and ``PREFIX-labels-idx1-ubyte``.

    Files may be plain or end in ``.gz``, and may have a dot in front of ``idx`` as some archives
    unpack them.

    Raises:
        FileNotFoundError: if one is missing, with the names that would do.
        CorruptFileError: if one is damaged, they differ in count, or a label is no digit.
    """
    images_file = _find(folder, f"{prefix}-images", "idx3-ubyte")
    labels_file = _find(folder, f"{prefix}-labels", "idx1-ubyte")
    images, labels = read(images_file, rank=3), read(labels_file, rank=1)
    if len(images) != len(labels):
        raise CorruptFileError(
            f"{images_file} holds {len(images)} images and {labels_file} {len(labels)} labels"
        )
    if labels.size and labels.max() > 9:
        raise CorruptFileError(f"{labels_file} holds the label {labels.max()}, which is no digit")
    return images, labels


def read(file: Path, *, rank: int) -> UInt8[np.ndarray, "..."]:
    """An IDX file of unsigned bytes, plain or gzipped.

    Args:
        file: read whole; a name that ends in ``.gz`` is unpacked.
        rank: how many axes it must have.

    Raises:
        CorruptFileError: for another magic number, type or rank, for sizes that do not fit the
            bytes, and for a damaged archive.
    """
    try:
        with _opened(file) as stream:
            return _parse(stream, file, rank)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CorruptFileError(f"{file} is a damaged gzip archive: {error}") from error


def _opened(file: Path) -> _Stream:
    return gzip.GzipFile(file, "rb") if file.suffix == ".gz" else file.open("rb")


def _parse(stream: _Stream, file: Path, rank: int) -> UInt8[np.ndarray, "..."]:
    magic = stream.read(4)
    if magic != bytes([0, 0, _UNSIGNED_BYTE, rank]):
        raise CorruptFileError(
            f"{file} starts with {magic.hex(' ') or 'nothing'}, where an IDX file of unsigned "
            f"bytes with {rank} axes starts with 00 00 08 {rank:02x}"
        )
    header = stream.read(4 * rank)
    if len(header) < 4 * rank:
        raise CorruptFileError(f"{file} ends within its header")
    shape = struct.unpack(f">{rank}I", header)
    size = math.prod(shape)
    if not 0 < size <= _LARGEST:
        raise CorruptFileError(f"{file} claims the shape {shape}, which is empty or beyond belief")
    # One byte more than is due shows whether the file goes on.
    payload = stream.read(size + 1)
    if len(payload) != size:
        less = len(payload) < size
        raise CorruptFileError(
            f"{file} claims {size} bytes {shape} and holds "
            f"{f'only {len(payload)}: it is truncated' if less else 'more'}"
        )
    return np.frombuffer(payload, np.uint8).reshape(shape)


def _find(folder: Path, stem: str, kind: str) -> Path:
    names = [f"{stem}{mark}{kind}{end}" for mark in "-." for end in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{folder} holds none of {', '.join(names)}")
