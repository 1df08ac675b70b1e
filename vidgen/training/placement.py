"""Where the arrays of a training live: on one device, or on several that share each batch.

A program is written, and means the same, whatever the number of devices: its arrays are whole in
its own eyes, and the compiler (GSPMD) splits them as their shardings say and has devices exchange
what each needs of the others. So no phase knows of this.

References: Xu et al., "GSPMD: general and scalable parallelization for ML computation graphs"
(2021); full sharding: Rajbhandari et al., "ZeRO: memory optimizations toward training trillion
parameter models" (2020), stage 3.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

Sharding = Literal["replicated", "full"]
SHARDINGS: tuple[Sharding, ...] = get_args(Sharding)

Device = Any
"""A `jax.Device`, which is no class to a type checker."""

T = TypeVar("T")

_AXIS = "data"

_SMALL = 1024
"""Numbers below which an array is not split: it would save less than the exchange costs."""


class PlacementError(ValueError):
    """There are no such devices, or a batch does not divide among them."""


@dataclasses.dataclass(frozen=True)
class Placement:
    """On which devices a training runs, and what of its state each of them holds.

    Each device computes on its contiguous rows of every batch.

    Attributes:
        devices: all of them, those of a process beside each other, so that its rows are contiguous
            too.
        sharding: ``replicated``, all of the state on every device; or ``full``, every large array
            of it (parameters, their average, the optimiser's memory, frozen networks) split along
            its largest axis that the number of devices divides.
    """

    devices: tuple[Device, ...]
    sharding: Sharding = "replicated"

    @classmethod
    def of(cls, devices: int | None = 1, sharding: Sharding = "replicated") -> Placement:
        """The first so many devices of every process; all of them if None.

        Raises:
            PlacementError: if a process has fewer.
        """
        by_process: dict[int, list[Device]] = {}
        for device in jax.devices():
            by_process.setdefault(device.process_index, []).append(device)
        fewest = min(map(len, by_process.values()))
        if devices is not None and devices > fewest:
            raise PlacementError(
                f"devices={devices} are asked for, and there are {fewest} of them here: "
                f"{jax.devices()}"
            )
        chosen = [by_process[process][:devices] for process in sorted(by_process)]
        return cls(tuple(device for some in chosen for device in some), sharding)

    @property
    def several(self) -> bool:
        """Whether there is more than one device."""
        return len(self.devices) > 1

    @property
    def processes(self) -> int:
        """How many processes the devices belong to."""
        return len({device.process_index for device in self.devices})

    def check(self, phase: str, batch_size: int) -> None:
        """Refuse a batch that cannot be split evenly.

        Raises:
            PlacementError: naming the phase and batch sizes that could be.
        """
        count = len(self.devices)
        if batch_size % count:
            below = batch_size - batch_size % count
            fitting = " or ".join(str(size) for size in (below, below + count) if size)
            raise PlacementError(
                f"phase {phase!r} has a batch_size of {batch_size}, which {count} devices do not "
                f"divide: choose {fitting}, or other devices"
            )

    def whole(self) -> jax.sharding.Sharding:
        """All of an array on every device."""
        if not self.several:
            return SingleDeviceSharding(self.devices[0])
        return NamedSharding(self._mesh, PartitionSpec())

    def rows(self) -> jax.sharding.Sharding:
        """Of an array whose first axis are the rows of a batch: to each device its own."""
        if not self.several:
            return SingleDeviceSharding(self.devices[0])
        return NamedSharding(self._mesh, PartitionSpec(_AXIS))

    def part(self, shape: tuple[int, ...]) -> jax.sharding.Sharding:
        """Of an array of the state of this shape."""
        axes = [n for n, size in enumerate(shape) if size % len(self.devices) == 0]
        split = self.several and self.sharding == "full" and math.prod(shape) >= _SMALL
        if not (split and axes):
            return self.whole()
        axis = max(axes, key=lambda n: shape[n])
        return NamedSharding(self._mesh, PartitionSpec(*[None] * axis, _AXIS))

    def own_rows(self, batch: Any) -> Any:
        """Of host arrays of all rows, those of this process."""
        index, processes = jax.process_index(), self.processes
        return jax.tree.map(lambda x: np.split(x, processes)[index], batch)

    def feed(self, batch: Any) -> Any:
        """Host arrays of this process's rows, as arrays of all rows on the devices."""
        rows = self.rows()
        return jax.tree.map(lambda x: jax.make_array_from_process_local_data(rows, x), batch)

    def everywhere(self, make: Callable[[], T]) -> T:
        """Small arrays that each device makes for itself, such as a key."""
        return jax.jit(make, out_shardings=self.whole())() if self.several else make()

    def gathered(self, tree: Any) -> Any:
        """The same arrays, whole, each on one device of this process."""
        if not self.several:
            return tree
        whole = jax.jit(lambda tree: tree, out_shardings=self.whole())(tree)
        return jax.tree.map(lambda x: x.addressable_data(0), whole)

    @functools.cached_property
    def _mesh(self) -> Mesh:
        # Not `jax.make_mesh`, which may order devices by their wiring: rows follow processes here.
        # Under explicit axes, its default, gathers from codebooks and carries of scans fail.
        return Mesh(np.array(self.devices), (_AXIS,), axis_types=(AxisType.Auto,))
