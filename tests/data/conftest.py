"""Small files of handwriting in MNIST's format."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def write_idx(tmp_path):
    """Writes a pair of files under tmp_path and returns what they hold."""

    def write(prefix, images, labels, *, mark="-", end=""):
        pack = gzip.compress if end else bytes
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            stem = name.replace("-idx", f"{mark}idx")
            (tmp_path / f"{prefix}-{stem}-ubyte{end}").write_bytes(pack(idx_bytes(array)))
        return images, labels

    return write


@pytest.fixture
def mnist_like(tmp_path, write_idx):
    """A folder of 120 train and 40 test images of 12x12 pixels, no two alike."""
    rng = np.random.default_rng(0)

    def draw(count):
        images = np.zeros((count, 12, 12), np.uint8)
        images[:, 2:10, 2:10] = rng.integers(0, 256, (count, 8, 8))
        return images, np.arange(count) % 10

    write_idx("train", *draw(120), end=".gz")
    write_idx("t10k", *draw(40), mark=".")
    return tmp_path
