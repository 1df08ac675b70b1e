"""The fingerprint of a run: what must not change under it, and what did."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np

from vidgen.contract import Generator
from vidgen.training.placement import Placement
from vidgen.types import Params

_LIBRARIES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")

_VIDGEN = Path(__file__).parents[1]

_APART = (
    "__init__.py",
    "__main__.py",
    "__pycache__",
    "atomic.py",
    "cli.py",
    "comparison",
    "evaluation",
    "experiments",
    "generators",
    "leash.py",
    "registry.py",
    "space.py",
    "training",
)
"""What of vidgen decides no number of a training run, or is looked at apart. Named are those, not
the others, so that a floor that is added later is never forgotten."""

_LOOP = ("budget.py", "candidates.py", "job.py", "loop.py", "placement.py", "step.py")
"""What of `vidgen.training` decides them."""


class FingerprintError(RuntimeError):
    """A run folder was made with another configuration, data or code than this process has."""


_FLAGS = (
    "jax_default_matmul_precision",
    "jax_default_prng_impl",
    "jax_disable_most_optimizations",
    "jax_enable_x64",
    "jax_threefry_partitionable",
)


def of_machine(place: Placement) -> dict[str, str]:
    """What of the machine and its flags decides the bits of a result.

    The kind of device, their number and how many processes they belong to (a sum over a batch is
    made of their parts), the threads where the device is the CPU itself (they split a reduction),
    and the flags of JAX and XLA under which the same program compiles to other arithmetic.
    """
    device = place.devices[0]
    mine = hasattr(os, "sched_getaffinity")  # a container may have fewer than the machine
    threads = len(os.sched_getaffinity(0)) if mine else os.cpu_count()
    return {
        "device": device.device_kind,
        "devices": str(len(place.devices)),
        "processes": str(place.processes),
        "sharding": place.sharding if place.several else "replicated",
        "threads": str(threads) if device.platform == "cpu" else "any",
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
        **{name: str(jax.config.values.get(name)) for name in _FLAGS},
    }


def of_code(generator: Generator) -> dict[str, str]:
    """Versions of the libraries, and digests of the sources that decide a training run's numbers.

    The generator's own sources are those of the folder (or the single file) that defines it.
    """
    origin = getattr(sys.modules.get(type(generator).__module__), "__file__", None)
    file = None if origin is None else Path(origin)
    package = file is not None and (file.parent / "__init__.py").exists()
    home = None if file is None else file.parent if package else file
    return {
        **{name: metadata.version(name) for name in _LIBRARIES},
        "vidgen": _digest(decisive()),
        "generator": "unknown" if home is None else _digest((home,)),
    }


def decisive() -> tuple[Path, ...]:
    """Files and folders of vidgen that decide the numbers of any training run."""
    shared = [
        path
        for path in sorted(_VIDGEN.iterdir())
        if path.name not in _APART and (path.is_dir() or path.suffix == ".py")
    ]
    return (*shared, *(_VIDGEN / "training" / name for name in _LOOP))


def of_params(params: Params) -> str:
    """sha256 over the names, types and values of a pytree of arrays."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        array = _on_the_host(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).tobytes())
    return digest.hexdigest()


def _on_the_host(leaf: Any) -> np.ndarray:
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        from jax.experimental import multihost_utils

        return np.asarray(multihost_utils.process_allgather(leaf, tiled=True))
    return np.asarray(leaf)


def plain(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """The fingerprint as it reads after a way through JSON, so that it compares equal."""
    return json.loads(json.dumps(fingerprint, sort_keys=True, default=str))


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """One line for each entry that differs: ``configuration.width: 64 then, 128 now``."""
    before, after = _flat(old), _flat(new)
    return [
        f"{name}: {before.get(name, 'absent')} then, {after.get(name, 'absent')} now"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def _flat(tree: Any, prefix: str = "") -> dict[str, str]:
    if not isinstance(tree, Mapping) or not tree:
        return {prefix: json.dumps(tree)}
    flat: dict[str, str] = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{prefix}.{name}" if prefix else str(name))
    return flat


@functools.cache
def _digest(paths: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            digest.update(file.relative_to(path.parent).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
