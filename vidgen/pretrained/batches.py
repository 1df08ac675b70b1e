"""Frozen networks run a fixed number of rows at a time, on every local device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

Stage = Callable[[Any, Any], Any]
"""(weights, rows) -> rows. Pure."""


class Batched:
    """Stages that rows go through, one after the other.

    Each device always runs the same program on the same number of rows, the last ones padded by
    copies; so what comes of a row does not depend on how many rows or devices there are. Each
    stage is compiled apart: one that is quick to compile may meet many shapes, and the shape
    that it makes of them is compiled for once. It is compiled ahead of time, which outlives the
    clearing of JAX's caches between two trainings.

    Args:
        stages: from the rows to the result.
        rows: how many a device takes at a time.
    """

    def __init__(self, *stages: Stage, rows: int) -> None:
        devices = jax.local_devices()
        mesh = jax.make_mesh((len(devices),), ("rows",), (AxisType.Auto,), devices=devices)
        self._sharding = NamedSharding(mesh, P("rows"))
        self._everywhere = NamedSharding(mesh, P())
        self._count = rows * len(devices)
        self._stages = [
            jax.jit(
                jax.shard_map(
                    stage,
                    mesh=mesh,
                    in_specs=(P(), P("rows")),
                    out_specs=P("rows"),
                    check_vma=False,
                )
            )
            for stage in stages
        ]
        self._programs: dict[Any, Stage] = {}

    def place(self, weights: Any) -> Any:
        """The weights on every device, for `__call__`."""
        return jax.device_put(weights, self._everywhere)

    def __call__(self, weights: Any, rows: Sequence[Any] | np.ndarray) -> np.ndarray:
        """What comes of N rows, N at least 1; row by row in the order given.

        Args:
            weights: for every stage, from `place`.
            rows: [N ...].
        """
        results = []
        for start in range(0, len(rows), self._count):
            block = np.asarray(rows[start : start + self._count])
            n = len(block)
            if n < self._count:
                block = np.concatenate([block, np.repeat(block[-1:], self._count - n, axis=0)])
            x = jax.device_put(block, self._sharding)
            # Rounding of products to fewer digits, an accelerator's default, would be visible.
            with jax.default_matmul_precision("float32"):
                for number in range(len(self._stages)):
                    x = self._program(number, weights, x)(weights, x)
            results.append(np.asarray(x)[:n])
        return np.concatenate(results)

    def _program(self, number: int, weights: Any, rows: Any) -> Stage:
        """A stage, compiled for weights and rows of these shapes."""
        leaves, tree = jax.tree.flatten((weights, rows))
        key = number, tree, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        if key not in self._programs:
            self._programs[key] = self._stages[number].lower(weights, rows).compile()
        return self._programs[key]
