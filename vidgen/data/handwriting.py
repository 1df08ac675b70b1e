"""Real handwritten digits, in three disjoint parts, at any size.

``"sklearn"`` is the test part of the UCI "Optical recognition of handwritten digits" set (E.
Alpaydin and C. Kaynak, 1998; CC BY 4.0), 1,797 images of 8x8 pixels and 17 grey levels, which ships
inside scikit-learn. Its parts share no image; they do share writers, whom the set does not name.
``"tfds:mnist"`` is MNIST from TensorFlow Datasets (or another of its sets of ten digits, such as
``"tfds:emnist/digits"``). Anything else is a folder of MNIST's four IDX files. MNIST's train images
give train and validation, its test images test, so that it is the same from either place.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from vidgen.data import idx, tfds_digits
from vidgen.data.splits import PARTS, Part, divide


@dataclasses.dataclass(frozen=True)
class Handwriting:
    """Digits of one part.

    Attributes:
        images: uint8 [N h w], ink bright on black.
        labels: int [N], 0 to 9.
    """

    images: UInt8[np.ndarray, "N h w"]
    labels: Int[np.ndarray, "N"]


@functools.lru_cache(maxsize=2)
def parts(origin: str) -> dict[Part, Handwriting]:
    """The three parts at the size in which they were collected.

    Within a digit, images are ordered by the SHA-256 of their pixels and cut: the parts are
    stratified, and do not depend on a random generator nor on the order of a file.

    Args:
        origin: ``"sklearn"`` (70, 15 and 15% of each digit), or ``"tfds:NAME"`` or a folder of IDX
            files (five sixths and a sixth of each digit of the train images, and the test images).

    Raises:
        FileNotFoundError: if the folder or one of its files is missing.
        CorruptFileError: if a file is damaged.
        ImportError: if TensorFlow Datasets is asked for and not installed.
        ValueError: if some digit is too rare for every part to have it, or a data set of TensorFlow
            Datasets holds no digits.
    """
    if origin == "sklearn":
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        images = (pixels.reshape(-1, 8, 8) * (255.0 / 16.0) + 0.5).astype(np.uint8)
        return _cut(images, np.asarray(labels), validation=0.15, test=0.15)
    if origin.startswith(tfds_digits.PREFIX):
        name = origin.removeprefix(tfds_digits.PREFIX)
        train, held_out = (tfds_digits.read(name, split) for split in ("train", "test"))
        return _collected(train, held_out)
    folder = Path(origin).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"handwriting {origin!r} is neither 'sklearn' nor a folder of MNIST's IDX files, nor "
            f"'tfds:mnist'"
        )
    return _collected(idx.read_pair(folder, "train"), idx.read_pair(folder, "t10k"))


@functools.lru_cache(maxsize=8)
def digits(origin: str, part: Part, size: int) -> Handwriting:
    """One part with every image resampled to `size` x `size` pixels, its brightest pixel 255."""
    raw = parts(origin)[part]
    images = resample(raw.images, size)
    images.setflags(write=False)
    return Handwriting(images, raw.labels)


def resample(images: UInt8[np.ndarray, "N h w"], size: int) -> UInt8[np.ndarray, "N s s"]:
    """Bicubic resampling, with antialiasing where it shrinks, and each image's maximum at 255.

    Pixels beyond the edge count as black, so that strokes cut by the edge fade out softly.
    """
    if images.shape[1:] == (size, size):
        enlarged = images.astype(np.float32)
    else:
        rows = _weights(images.shape[1], size)
        columns = _weights(images.shape[2], size)
        # In portions, since 60,000 images in float32 take 200 MB.
        enlarged = np.concatenate(
            [
                rows @ images[n : n + 4096].astype(np.float32) @ columns.T
                for n in range(0, len(images), 4096)
            ]
        )
    enlarged = enlarged.clip(min=0.0)
    brightest = enlarged.max(axis=(1, 2), keepdims=True).clip(min=1e-6)
    return np.rint(enlarged * (255.0 / brightest)).astype(np.uint8)


def _weights(old: int, new: int) -> Float[np.ndarray, "new old"]:
    """The matrix of Keys' cubic convolution (a = -1/2), centres aligned at half pixels.

    References: Keys, "Cubic convolution interpolation for digital image processing" (1981).
    """
    scale = old / new
    stretch = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale - 0.5
    x = np.abs(centres[:, None] - np.arange(old)[None]) / stretch
    near = 1.5 * x**3 - 2.5 * x**2 + 1.0
    far = -0.5 * x**3 + 2.5 * x**2 - 4.0 * x + 2.0
    cubic = np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
    return (cubic / stretch).astype(np.float32)


def _collected(
    train: tuple[UInt8[np.ndarray, "N h w"], UInt8[np.ndarray, "N"]],
    test: tuple[UInt8[np.ndarray, "M h w"], UInt8[np.ndarray, "M"]],
) -> dict[Part, Handwriting]:
    """The parts of a set that comes divided in two, as MNIST does."""
    found = _cut(*train, validation=1 / 6, test=0.0)
    images, labels = test
    return {**found, "test": Handwriting(images, labels.astype(np.int64))}


def _cut(
    images: UInt8[np.ndarray, "N h w"],
    labels: Int[np.ndarray, "N"] | UInt8[np.ndarray, "N"],
    *,
    validation: float,
    test: float,
) -> dict[Part, Handwriting]:
    chosen: dict[Part, list[int]] = {part: [] for part in PARTS}
    for digit in np.unique(labels):
        rows = sorted(
            np.flatnonzero(labels == digit).tolist(),
            key=lambda row: hashlib.sha256(images[row].tobytes()).digest(),
        )
        for part, share in divide(len(rows), validation, test).items():
            chosen[part] += rows[share]
    return {
        part: Handwriting(images[rows], labels[rows].astype(np.int64))
        for part, rows in chosen.items()
        if rows
    }
