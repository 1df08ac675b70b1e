"""What training cost, kept beside the metrics so that those stay free of clocks."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from vidgen import bucket
from vidgen.types import SCHEMA_VERSION

FILE = "cost.json"


@dataclasses.dataclass(kw_only=True)
class PhaseCost:
    """What one phase cost, over all the processes that worked on it.

    Attributes:
        steps: steps taken, skipped ones included.
        clips: clips seen.
        skipped: steps thrown away because a value was not finite.
        parameters: numbers that the optimiser moves.
        model_flops: of one step; None where the counter does not know a primitive.
        optimizer_flops: of one step; None likewise.
        flops_note: why there is no count.
        seconds: by clock: compile, train, validate, log, checkpoint, profile. Work that a killed
            process had not saved is not in it, as it is not in the model either.
        timeline: (step, seconds on the training clock) at the rows of the metrics log, for curves
            against time.
        load_average: of the machine over the last minute, at the start and at the end; empty where
            the system does not tell.
        devices: those that computed, see `devices_here`, in the order of the processes that worked
            on it; empty in older runs.
        resumed: how often the phase was taken up again.
        accepted: changes of configuration, data or code that were accepted on the way.
    """

    steps: int = 0
    clips: int = 0
    skipped: int = 0
    parameters: int = 0
    model_flops: int | None = None
    optimizer_flops: int | None = None
    flops_note: str = ""
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    timeline: list[list[float | int]] = dataclasses.field(default_factory=list)
    load_average: list[float] = dataclasses.field(default_factory=list)
    devices: list[str] = dataclasses.field(default_factory=list)
    resumed: int = 0
    accepted: list[str] = dataclasses.field(default_factory=list)

    @property
    def step_flops(self) -> int | None:
        """Model and optimiser FLOPs of one step."""
        if self.model_flops is None or self.optimizer_flops is None:
            return None
        return self.model_flops + self.optimizer_flops


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run cost, by phase in the order of training."""

    generator: str
    seed: int
    budget: str
    phases: dict[str, PhaseCost] = dataclasses.field(default_factory=dict)

    def seconds(self, clock: str | None = None) -> float:
        """Seconds on one clock, or on all: the wall clock that the run had."""
        return sum(
            (
                value
                for phase in self.phases.values()
                for name, value in phase.seconds.items()
                if clock in (None, name)
            ),
            start=0.0,
        )

    @property
    def steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.steps for phase in self.phases.values())

    @property
    def clips(self) -> int:
        """Clips seen in all phases."""
        return sum(phase.clips for phase in self.phases.values())

    @property
    def model_flops(self) -> int | None:
        """FLOPs of the models in all phases; None if a phase could not be counted."""
        return self._total("model_flops")

    @property
    def optimizer_flops(self) -> int | None:
        """FLOPs of the optimisers in all phases; None if a phase could not be counted."""
        return self._total("optimizer_flops")

    @property
    def flops(self) -> int | None:
        """Of models and optimisers, as a budget in FLOPs counts them; None likewise."""
        model, optimizer = self.model_flops, self.optimizer_flops
        return None if model is None or optimizer is None else model + optimizer

    def _total(self, field: str) -> int | None:
        counts = [(getattr(phase, field), phase.steps) for phase in self.phases.values()]
        if any(count is None for count, _ in counts):
            return None
        return sum(count * steps for count, steps in counts)

    def write(self, folder: Path) -> None:
        """Write ``cost.json`` at once, never by halves."""
        content = {"schema_version": SCHEMA_VERSION} | dataclasses.asdict(self)
        publish(folder / FILE, content)

    @classmethod
    def read(cls, folder: os.PathLike[str] | str) -> Cost:
        """The cost of the run in a folder, local or in a bucket.

        Raises:
            ValueError: if the file bears a schema version that this version does not read.
        """
        path = bucket.address(folder) / FILE
        content = json.loads(path.read_text())
        version = content.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            raise ValueError(f"{path}: schema version {version}")
        phases = content.pop("phases")
        return cls(**content, phases={name: PhaseCost(**phases[name]) for name in phases})


def publish(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON under another name and rename it, so that no reader sees half a file."""
    draft = path.with_name(path.name + ".draft")
    draft.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    os.replace(draft, path)


def load_average() -> list[float]:
    """The machine's load over the last minute, or nothing where the system does not tell."""
    return [round(os.getloadavg()[0], 2)] if hasattr(os, "getloadavg") else []


def devices_here(devices: Sequence[Any] | None = None) -> str:
    """The devices that are computed on, such as "1 x NVIDIA H200": what seconds are of.

    Args:
        devices: of JAX, all of one kind; by default those of this process.
    """
    devices = devices or jax.local_devices()
    kind, backend = devices[0].device_kind, devices[0].platform
    if backend == "cpu":  # whose kind says no more than that
        kind = f"{kind} ({processor()}, {os.cpu_count()} cores)"
    return f"{len(devices)} x {kind if backend in ('cpu', kind) else f'{kind} ({backend})'}"


def processor() -> str:
    """The model of the processor, without which seconds mean nothing."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or "unknown"
