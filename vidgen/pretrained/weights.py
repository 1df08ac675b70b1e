"""Weights from files: read without running code, checked, and moved into a network by a table.

A network names what it needs as a list of `Entry`, and `port` reports every key that does not fit
at once, because each wrong key found alone costs its reader another run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vidgen.pretrained.unpickle import unpickle

Weights = dict[str, np.ndarray]
"""Arrays by key; the levels of a nested file are joined by ``"/"``."""

FORMATS = (".safetensors", ".npz", ".msgpack")
"""What `read` reads. Pickles are not among them: see `read_pickle`."""


class MissingWeightsError(ImportError):
    """The weights are not on this machine; the message says how to get them."""


class WrongWeightsError(ValueError):
    """The weights are here, but not those that the network needs; the message says what differs."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """How one array of a network comes from arrays of a file.

    Attributes:
        target: its name in the network, as `vidgen.nn.Network` spells it.
        sources: keys in the file, each with the shape that must be found there.
        make: the array from those of `sources`, in their order; the first one if not given.
    """

    target: str
    sources: Mapping[str, tuple[int, ...]]
    make: Callable[..., np.ndarray] = lambda array: array


def port(weights: Mapping[str, np.ndarray], table: Sequence[Entry]) -> Weights:
    """The network's arrays, float32, by their names.

    Args:
        weights: arrays of a file.
        table: an entry for each array of the network. Every key of the file must be used.

    Raises:
        WrongWeightsError: naming every key that is missing, unexpected or of a wrong shape.
    """
    wanted = {key: shape for entry in table for key, shape in entry.sources.items()}
    complaints = [f"missing {key} {wanted[key]}" for key in sorted(wanted.keys() - weights.keys())]
    complaints += [
        f"unexpected {key} {weights[key].shape}" for key in sorted(weights.keys() - wanted.keys())
    ]
    complaints += [
        f"wrong shape {key} {weights[key].shape}, not {shape}"
        for key, shape in sorted(wanted.items())
        if key in weights and weights[key].shape != shape
    ]
    if complaints:
        raise WrongWeightsError(
            f"{len(complaints)} keys do not fit the network:\n  " + "\n  ".join(complaints)
        )
    return {
        entry.target: np.ascontiguousarray(
            entry.make(*(weights[key] for key in entry.sources)), np.float32
        )
        for entry in table
    }


def manifest(weights: Mapping[str, np.ndarray]) -> dict[str, str]:
    """What a file holds: dtype and shape by key, e.g. ``"float32 [3 3 64 192]"``, sorted."""
    return {
        key: f"{array.dtype} [{' '.join(map(str, array.shape))}]"
        for key, array in sorted(weights.items())
    }


def digest(path: Path) -> str:
    """The sha256 of a file, hexadecimal.

    Raises:
        MissingWeightsError: if there is no such file.
    """
    if not path.is_file():
        raise MissingWeightsError(f"not computed: there is no file {path}")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check(path: Path, sha256: str | None) -> None:
    """See that a file is the one it should be; None takes any that is there.

    Raises:
        MissingWeightsError: if there is no such file.
        WrongWeightsError: if its digest is another.
    """
    found = digest(path)
    if sha256 is not None and found != sha256:
        raise WrongWeightsError(
            f"{path} has the sha256 {found}, not {sha256}: it is damaged, or another version; "
            "it was not opened"
        )


def read(path: Path, *, sha256: str | None = None) -> Weights:
    """The arrays of a file of one of `FORMATS`, none of which can run code.

    Args:
        path: the file; its suffix names the format.
        sha256: what the file's digest must be; None takes any, and it is for the caller to record
            which one it was.

    Raises:
        MissingWeightsError: if the file is absent.
        WrongWeightsError: if the digest is another, the format is not known, the file is damaged,
            or it holds something that is no array of numbers.
    """
    check(path, sha256)
    match path.suffix:
        case ".safetensors":
            tree = _safetensors(path)
        case ".npz":
            tree = _npz(path)
        case ".msgpack":
            tree = _msgpack(path)
        case other:
            raise WrongWeightsError(
                f"{path.name}: weights are read from {', '.join(FORMATS)}, not from {other!r}; "
                "save the arrays anew in one of them"
            )
    return flatten(tree, path.name)


def read_pickle(path: Path, *, sha256: str) -> Weights:
    """The arrays of a pickle whose digest is known, by an unpickler that can make nothing else.

    Args:
        path: the file.
        sha256: what its digest must be. A pickle of unknown digest is not opened.

    Raises:
        MissingWeightsError: if there is no such file.
        WrongWeightsError: if the digest is another.
        vidgen.pretrained.unpickle.ForbiddenPickleError: naming what the pickle wanted
            that is no numpy array.
    """
    check(path, sha256)
    return flatten(unpickle(path.read_bytes()), path.name)


def flatten(tree: Any, name: str) -> Weights:
    """Nested mappings of arrays as one flat mapping.

    Raises:
        WrongWeightsError: naming whatever is neither a mapping nor an array of numbers, and every
            key that two leaves would share.
    """
    if not isinstance(tree, Mapping):
        raise WrongWeightsError(f"{name} holds a {type(tree).__name__}, not arrays by name")
    flat: Weights = {}
    for key, array in _leaves(tree, ""):
        if not isinstance(array, np.ndarray | np.generic) or array.dtype.kind not in "fiub":
            kind = getattr(array, "dtype", type(array).__name__)
            raise WrongWeightsError(f"{name}: {key} is {kind}, not an array of numbers")
        if key in flat:
            raise WrongWeightsError(f"{name}: there are two arrays of the name {key}")
        flat[key] = np.asarray(array)
    return flat


def _leaves(tree: Mapping[Any, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}/")
        else:
            yield f"{above}{key}", value


def _safetensors(path: Path) -> Weights:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
    except SafetensorError as error:
        raise WrongWeightsError(f"{path.name} is no readable safetensors file: {error}") from error
    # To numpy bfloat16 is a number of no kind that `flatten` could tell from a record.
    return {
        key: array.astype(np.float32) if array.dtype.name == "bfloat16" else array
        for key, array in arrays.items()
    }


def _npz(path: Path) -> Weights:
    try:
        # Opened here: numpy leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise WrongWeightsError(f"{path.name} is no readable npz file: {error}") from error


def _msgpack(path: Path) -> Any:
    from flax import serialization

    try:
        return serialization.msgpack_restore(path.read_bytes())
    except Exception as error:  # msgpack's own errors share no base class
        raise WrongWeightsError(f"{path.name} is no readable msgpack file: {error}") from error
