"""Pickles of numpy arrays, read by an unpickler that can make numpy arrays and nothing else.

A pickle is a program. This reader knows three of the names that one may call, those by which numpy
writes its arrays, and answers even them with functions of its own; every other name is refused
before anything is called. Objects of a class that the caller names come as their attributes alone,
without a line of that class.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Collection
from typing import Any

import numpy as np

_ARRAY = "numpy.ndarray"


class ForbiddenPickleError(pickle.UnpicklingError):
    """The pickle asks for something that is no numpy array; the message names it."""


class Attributes:
    """What a pickle says of an object whose class is not imported."""


def unpickle(data: bytes, *, classes: Collection[tuple[str, str]] = ()) -> Any:
    """Nested containers of numpy arrays, numbers and strings, from a pickle's bytes.

    Args:
        data: the pickle.
        classes: modules and names of classes, whose objects are read as `Attributes`.

    Raises:
        ForbiddenPickleError: naming what is no plain array of numbers.
        pickle.UnpicklingError: if the bytes are no pickle.
    """
    try:
        return _Unpickler(data, classes).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # damaged bytes can raise anything
        raise pickle.UnpicklingError(f"the pickle cannot be read: {error}") from error


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, classes: Collection[tuple[str, str]]) -> None:
        super().__init__(io.BytesIO(data))
        # A class of its own for each pickle: one can write into the classes that it is given.
        self._classes = {name: type("Attributes", (Attributes,), {}) for name in classes}

    def find_class(self, module_name: str, global_name: str) -> Any:
        if (module_name, global_name) in self._classes:
            return self._classes[module_name, global_name]
        admitted = _ADMITTED.get((module_name, global_name))
        if admitted is None:
            raise ForbiddenPickleError(
                f"the pickle asks for {module_name}.{global_name}; only arrays of numpy are "
                "admitted, and it was not called"
            )
        return admitted

    def persistent_load(self, pid: Any) -> Any:
        raise ForbiddenPickleError(f"the pickle asks for the persistent object {pid!r}")


def _blank(kind: Any, shape: Any, code: Any) -> np.ndarray:
    """An empty array, which the pickle's next instruction fills."""
    if kind != _ARRAY:
        raise ForbiddenPickleError(f"the pickle asks for an array of the kind {kind!r}")
    return np.ndarray.__new__(np.ndarray, (0,), np.int8)


def _dtype(code: Any, align: Any = False, copy: Any = True) -> np.dtype:
    if not isinstance(code, str) or np.dtype(code).kind not in "fiub":
        raise ForbiddenPickleError(f"the pickle asks for an array of dtype {code!r}, not numbers")
    return np.dtype(code, copy=True)


_ADMITTED: dict[tuple[str, str], Any] = {
    # By its name and not the class itself: a pickle can call classes, but no string.
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _blank,
    ("numpy._core.multiarray", "_reconstruct"): _blank,
}
