"""What each family costs to train and to sample on this machine.

    python benchmarks/throughput.py
    python benchmarks/throughput.py --generators gan diffusion --seconds-each 10 --out here.json
    python benchmarks/throughput.py --experiment digits64 --at-once 5

Every family runs in a process of its own, so that neither memory nor compiled code is shared, as
the experiment configures it, by default `quick`. Clips are random pixels: speed does not depend on
them. Expect two to eight minutes for three families on two idle cores; benchmarks/README.md says
how to read the table.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import tyro

SCHEMA_VERSION = 1
TABLE_WIDTH = 130

_turn: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
"""Held while something is timed, by one process at a time."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to measure, and for how long.

    Attributes:
        experiment: whose task and configs are measured, by name or path.
        generators: names from `vidgen list generators`; by default those of the experiment that
            are trained.
        seconds_each: least seconds for each timing; never fewer than 20 repetitions.
        batches: batch sizes to try for sampling throughput; 1 is always among them. The sweep
            stops at the first one that is slower a clip than the one before.
        at_once: families worked on at once. They compile side by side and are timed one at a time,
            which still lets a compiler disturb a neighbour's timing: look at the quartiles.
        keep_freed: keep the memory that a step frees for the next one, as training does; without it
            the C library gives it back to the system.
        tiny: measure the tests' presets; for trying this script out.
        out: where the JSON goes.
    """

    experiment: str = "quick"
    generators: tuple[str, ...] = ()
    seconds_each: Annotated[float, tyro.conf.arg(aliases=("-s",))] = 3.0
    batches: tuple[int, ...] = (8, 32)
    at_once: int = 1
    keep_freed: bool = True
    tiny: bool = False
    out: Path = Path("throughput.json")


def main(settings: Settings) -> int:
    """Measure, print and write; the exit code is 1 if a family could not be measured."""
    from rich.console import Console

    console = Console()
    console.width = max(console.width, TABLE_WIDTH)  # a pipe would get 80 columns and no numbers
    load = os.getloadavg()[0]
    if load > 0.5:
        console.print(f"[yellow]load average is {load:.1f}: other work will slow these timings")
    asked = experiment(settings)
    names = settings.generators or trained(asked)
    families: dict[str, Any] = {}
    failed: dict[str, str] = {}
    lock = multiprocessing.get_context("spawn").Lock()
    with concurrent.futures.ThreadPoolExecutor(max(1, settings.at_once)) as pool:
        pending = {pool.submit(in_own_process, name, settings, lock): name for name in names}
        for done in concurrent.futures.as_completed(pending):
            name = pending[done]
            try:
                families[name] = done.result()
            except Exception as error:  # one family's failure must not cost the others' numbers
                failed[name] = f"{type(error).__name__}: {error}"
                console.print(f"{name} was not measured: {failed[name]}", style="red", markup=False)
            report = {
                "schema_version": SCHEMA_VERSION,
                "experiment": asked.name,
                "task": dataclasses.asdict(asked.task),
                "machine": machine(),
                "load_average": {"before": load, "after": os.getloadavg()[0]},
                "at_once": settings.at_once,
                "families": [families[name] for name in names if name in families],
                "failed": failed,
            }
            settings.out.write_text(json.dumps(report, indent=2) + "\n")
    for table in tables(list(families.values())):
        console.print(table)
    console.print(f"written to {settings.out}")
    return 1 if failed else 0


def experiment(settings: Settings, *generators: str) -> Any:
    """The experiment that is measured, of these generators or its own, every config written out."""
    from vidgen.comparison import catalogue

    found = catalogue.find(settings.experiment).select(generators=generators or None)
    return (found.smoke() if settings.tiny else found).resolve()


def trained(asked: Any) -> tuple[str, ...]:
    """Those of an experiment's generators that are trained at all."""
    from vidgen import registry

    return tuple(
        name
        for name, config in asked.generators.items()
        if registry.entry(name).build(asked.task, config).phases()
    )


def in_own_process(name: str, settings: Settings, lock: Any) -> dict[str, Any]:
    """`measure` in a fresh interpreter, whose peak memory is then the family's own."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(
        1, mp_context=spawn, initializer=take_turns, initargs=(lock,)
    ) as pool:
        return pool.submit(measure, name, settings).result()


def take_turns(lock: Any) -> None:
    """Time nothing in this process while another that has the same lock is timing."""
    global _turn
    _turn = lock


def measure(name: str, settings: Settings) -> dict[str, Any]:
    """Everything about one family, as JSON-able values. Times in seconds, memory in bytes."""
    import jax

    from vidgen import registry
    from vidgen.allocator import keep_freed_memory
    from vidgen.training import computing
    from vidgen.training.peak import matmul_peak, peak_dtype

    started = time.perf_counter()
    if settings.keep_freed:
        keep_freed_memory()
    # A program found in a cache would pass for one that compiles in no time.
    jax.config.update("jax_enable_compilation_cache", False)
    device = jax.devices()[0]
    asked = experiment(settings, name)
    task = asked.task
    generator = registry.entry(name).build(task, asked.generators[name])
    memory = {"at_start": peak_memory(device)}
    params: dict[str, Any] = {}
    phases = []
    with computing(asked.precision):
        for phase in generator.phases():
            row, params[phase.name] = train(phase, params, task, settings.seconds_each)
            phases.append(row)
            say(name, row)
        memory["after_training"] = peak_memory(device)
        sampling = sample(generator, params, asked.samplers.get(name), task, settings)
    memory["after_sampling"] = peak_memory(device)
    with _turn:
        peak = matmul_peak()  # last, because its operands are no part of the family's memory
    for row in phases:
        row["peak_fraction"] = row["flops_per_second"] / peak
    return {
        "generator": name,
        "family": generator.card.family,
        "device": {"kind": device.device_kind, "platform": device.platform},
        "precision": asked.precision,
        "matmul_peak": {"flops_per_second": peak, "dtype": str(peak_dtype())},
        "phases": phases,
        "sampling": sampling,
        "peak_memory_bytes": memory,
        "seconds": time.perf_counter() - started,
    }


def say(name: str, row: Mapping[str, Any]) -> None:
    """A phase's rate as soon as it is measured, since the rest may take minutes more."""
    rate, speed = row["clips_per_second"]["median"], row["flops_per_second"] / 1e9
    print(f"{name}, {row['phase']}: {rate:.1f} clips/s, {speed:.0f} GFLOP/s", flush=True)


def train(
    phase: Any, earlier: Mapping[str, Any], task: Any, seconds: float
) -> tuple[dict[str, Any], Any]:
    """One phase's row of the training table, and what the phase exports."""
    import jax
    import numpy as np

    from vidgen.contract import stream
    from vidgen.training import flops
    from vidgen.training.step import guarded_step, initialise
    from vidgen.training.timing import time_calls

    start = time.perf_counter()
    state = jax.block_until_ready(initialise(phase, stream(0, phase.name, "init"), earlier))
    init_seconds = time.perf_counter() - start  # computing it is next to nothing
    # The harness's own step, with its conversion of pixels and its guard, as training runs it.
    step = guarded_step(phase)
    batch, key = host_batch(phase.batch_size, task), stream(0, phase.name, "step")
    rest = (batch, key, np.int32(0), np.float32(0.5))
    cost = flops.count(step, state, *rest)
    run, step_seconds = compiled(jax.jit(step, donate_argnums=0), state, *rest)

    def one_step() -> Any:
        nonlocal state
        state, metrics = run(state, *rest)
        return state, metrics

    with _turn:
        timing = time_calls(one_step, seconds=seconds)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.state.params))
    row = {
        "phase": phase.name,
        "parameters": parameters,
        "batch_size": phase.batch_size,
        "step": dataclasses.asdict(timing),
        "clips_per_second": {
            "median": phase.batch_size / timing.median,
            "low": phase.batch_size / timing.high,
            "high": phase.batch_size / timing.low,
        },
        "flops_per_clip": {
            field: value / phase.batch_size for field, value in dataclasses.asdict(cost).items()
        },
        "flops_per_second": cost.required / timing.median,
        "compile_seconds": {"init": init_seconds, "step": step_seconds},
    }
    return row, jax.block_until_ready(phase.export(state.state))


def sample(
    generator: Any, params: Mapping[str, Any], sampler: Any, task: Any, settings: Settings
) -> dict[str, Any]:
    """A family's row of the sampling table."""
    import jax

    from vidgen.contract import stream
    from vidgen.training import flops
    from vidgen.training.timing import REPETITIONS, time_calls

    rows, cost, note = [], None, ""
    for size in sorted({1, *settings.batches}):
        condition = host_batch(size, task).to_batch().condition
        keys = jax.random.split(stream(0, "sample"), size)
        asked = (params, condition, keys, sampler)
        run, compile_seconds = compiled(jax.jit(generator.sample), *asked)
        with _turn:
            timing = time_calls(
                lambda run=run, asked=asked: run(*asked),
                # Latency has a tail to show; throughput is a median of calls that take long.
                repetitions=REPETITIONS if size == 1 else 5,
                seconds=settings.seconds_each,
            )
        rows.append(
            {
                "batch_size": size,
                "call": dataclasses.asdict(timing),
                "clips_per_second": size / timing.median,
                "compile_seconds": compile_seconds,
            }
        )
        if size == 1:
            try:
                cost = flops.count(generator.sample, *asked).required
            except (flops.UncountedPrimitiveError, flops.UnknownTripCountError) as error:
                note = str(error)
        elif rows[-1]["clips_per_second"] < rows[-2]["clips_per_second"]:
            break
    best = max(rows, key=lambda row: row["clips_per_second"])
    return {
        "latency": {"p50": rows[0]["call"]["median"], "p95": rows[0]["call"]["p95"]},
        "flops_per_clip": cost,
        "note": note,
        "best": {key: best[key] for key in ("batch_size", "clips_per_second")},
        "batches": rows,
    }


def compiled(jitted: Any, *args: Any) -> tuple[Any, float]:
    """The program for these arguments, and the seconds that tracing and compiling it took."""
    start = time.perf_counter()
    program = jitted.lower(*args).compile()
    return program, time.perf_counter() - start


def host_batch(size: int, task: Any) -> Any:
    """Random clips with random features; the first frame is given to every other clip."""
    import numpy as np

    from vidgen.types import HostBatch

    rng = np.random.default_rng(0)
    return HostBatch(
        video=rng.integers(0, 256, (size, *task.video_shape), dtype=np.uint8),
        text=rng.standard_normal((size, task.text_length, task.text_width), dtype=np.float32),
        text_mask=np.ones((size, task.text_length), bool),
        context_mask=np.arange(size)[:, None] % 2 == np.zeros((1, task.context_frames), int),
    )


def peak_memory(device: Any) -> int:
    """The most bytes used so far: device memory where it is counted, or else the process's."""
    stats = device.memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return int(stats["peak_bytes_in_use"])
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def machine() -> dict[str, Any]:
    """Which machine and which versions these numbers belong to."""
    import vidgen

    cpu = next(
        (
            line.partition(":")[2].strip()
            for path in [Path("/proc/cpuinfo")]
            if path.exists()
            for line in path.read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "cpu": cpu,
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        # From a clone that is not installed, vidgen has no metadata and a version all the same.
        "versions": {"vidgen": vidgen.__version__}
        | {name: metadata.version(name) for name in ("jax", "jaxlib", "flax", "optax", "numpy")},
    }


def tables(families: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The report as two tables: what training costs, and what sampling costs."""
    from rich import box
    from rich.table import Table

    def table(title: str, *columns: str) -> Table:
        made = Table(title=title, box=box.SIMPLE)
        for i, column in enumerate(columns):
            made.add_column(column, justify="left" if i == 0 else "right", overflow="fold")
        return made

    training = table(
        "training",
        *("generator, phase", "parameters", "batch", "clips/s (quartiles)", "GFLOP/clip"),
        *("of it optimizer", "of peak", "init compile", "step compile"),
    )
    sampling = table(
        "sampling",
        *("generator", "latency p50", "p95", "GFLOP/clip", "best batch", "clips/s", "compile"),
        *("memory training", "and sampling", "matmul peak"),
    )
    for family in families:
        for row in family["phases"]:
            rate, cost = row["clips_per_second"], row["flops_per_clip"]
            training.add_row(
                f"{family['generator']}, {row['phase']}",
                f"{row['parameters'] / 1e6:.2f} M",
                str(row["batch_size"]),
                f"{rate['median']:.1f} ({rate['low']:.1f} to {rate['high']:.1f})",
                f"{(cost['model'] + cost['optimizer']) / 1e9:.3f}",
                f"{cost['optimizer'] / 1e9:.3f}",
                f"{row['peak_fraction']:.0%}",
                *(f"{row['compile_seconds'][what]:.1f} s" for what in ("init", "step")),
            )
        drawn, memory = family["sampling"], family["peak_memory_bytes"]
        cost = drawn["flops_per_clip"]
        sampling.add_row(
            family["generator"],
            *(f"{drawn['latency'][p] * 1e3:.1f} ms" for p in ("p50", "p95")),
            "not counted" if cost is None else f"{cost / 1e9:.3f}",
            str(drawn["best"]["batch_size"]),
            f"{drawn['best']['clips_per_second']:.1f}",
            f"{drawn['batches'][0]['compile_seconds']:.1f} s",
            *(f"{memory[when] / 2**20:.0f} MiB" for when in ("after_training", "after_sampling")),
            f"{family['matmul_peak']['flops_per_second'] / 1e9:.0f} GFLOP/s",
        )
    return [training, sampling]


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
