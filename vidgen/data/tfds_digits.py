"""Reading handwritten digits from TensorFlow Datasets, through random access and no TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import UInt8

PREFIX = "tfds:"
"""What stands before the name of a data set, as in ``tfds:mnist``."""


def read(name: str, split: str) -> tuple[UInt8[np.ndarray, "N h w"], UInt8[np.ndarray, "N"]]:
    """The images and labels of one split of a set such as ``mnist`` or ``emnist/digits``.

    What is not yet prepared, as array records, under TFDS's own folder (``TFDS_DATA_DIR``) is
    downloaded and prepared first, for which TFDS itself wants TensorFlow.

    Args:
        name: as TFDS knows it.
        split: as TFDS knows it.

    Raises:
        ImportError: if TFDS is not installed, with what to install.
        ValueError: if the set has no grey images with labels from 0 to 9.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            f"handwriting '{PREFIX}{name}' needs TensorFlow Datasets: pip install 'vidgen[tfds]'"
        ) from error
    rows: Any = tfds.data_source(name, split=split)
    first = rows[0]
    shape = np.shape(first.get("image"))
    if "label" not in first or len(shape) != 3 or shape[-1] != 1:
        raise ValueError(
            f"the TFDS data set {name!r} has no grey 'image' [h w 1] with a 'label': its rows hold "
            + ", ".join(f"{key} {np.shape(value)}" for key, value in first.items())
        )
    images, labels = np.empty((len(rows), *shape[:2]), np.uint8), np.empty(len(rows), np.int64)
    for n, row in enumerate(rows):
        images[n], labels[n] = row["image"][..., 0], row["label"]
    if labels.min() < 0 or labels.max() > 9:
        raise ValueError(
            f"the TFDS data set {name!r} has labels from {labels.min()} to {labels.max()}, and "
            f"digits go from 0 to 9"
        )
    return images, labels.astype(np.uint8)
