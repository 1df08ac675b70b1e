"""Where does the time of a training step go, and what keeps it from the matmul peak?

    python benchmarks/step_profile.py
    python benchmarks/step_profile.py --generators diffusion --out here.json

Traces some steps of every phase with JAX's profiler, looks each instruction up in the compiled
program, and sums its time by what it does. Families and sizes are those of an experiment, by
default `quick`; every family runs in a process of its own. Two to five minutes for three families
on two idle cores; benchmarks/README.md says how to read the table.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tyro
from throughput import Settings as Measured
from throughput import compiled, experiment, host_batch, machine, trained

SCHEMA_VERSION = 1
STEPS = 5
WARM_UPS = 3

KINDS: Mapping[str, frozenset[str]] = {
    "control": frozenset({"while", "conditional", "call"}),
    "products": frozenset({"dot", "convolution"}),
    "sorting": frozenset({"sort", "scatter", "gather", "cholesky", "triangular-solve", "fft"}),
    "sums": frozenset({"reduce", "reduce-window", "select-and-scatter"}),
}
"""An instruction is called by the first kind one of whose operations it holds. Control holds what
its bodies are listed for, and is left out. What is none of these, and holds an operation that
computes, is elementwise; the rest moves data."""

MOVES = frozenset(
    {
        *("bitcast", "bitcast-convert", "broadcast", "concatenate", "constant", "copy"),
        *("dynamic-slice", "dynamic-update-slice", "fusion", "get-tuple-element", "iota", "pad"),
        *("parameter", "reshape", "reverse", "slice", "transpose", "tuple"),
    }
)
"""Operations that compute nothing."""

SHOWN = ("products", "elementwise", "sums", "moving", "sorting")
NAME = re.compile(r"^\s*(?:ROOT )?%?([\w.-]+) = .*?(?<![\w.-])([a-z][a-z0-9-]*)\(")
CALLED = re.compile(r"(?:calls|to_apply)=%?([\w.-]+)")
TARGET = re.compile(r'custom_call_target="([^"]*)"')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to profile.

    Attributes:
        experiment: whose task and configs are profiled, by name or path.
        generators: names from `vidgen list generators`; by default those of the experiment that
            are trained.
        tiny: profile the tests' presets; for trying this script out.
        out: where the JSON goes.
    """

    experiment: str = "quick"
    generators: tuple[str, ...] = ()
    tiny: bool = False
    out: Path = Path("step_profile.json")

    @property
    def measured(self) -> Measured:
        """The same experiment, as `throughput.py` asks for it."""
        return Measured(experiment=self.experiment, generators=self.generators, tiny=self.tiny)


def main(settings: Settings) -> int:
    """Profile, print and write."""
    load = os.getloadavg()[0]
    asked = experiment(settings.measured)
    rows: list[dict[str, Any]] = []
    for name in settings.generators or trained(asked):
        spawn = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
            rows += pool.submit(profile, name, settings).result()
        print(f"{name}: done", file=sys.stderr)
    report = {
        "schema_version": SCHEMA_VERSION,
        "experiment": asked.name,
        "machine": machine(),
        "load_average": {"before": load, "after": os.getloadavg()[0]},
        "phases": rows,
    }
    settings.out.write_text(json.dumps(report, indent=2) + "\n")
    print("\n".join(table(rows)))
    print(f"written to {settings.out}")
    return 0


def profile(name: str, settings: Settings) -> list[dict[str, Any]]:
    """A row for each phase of a family."""
    import jax
    import numpy as np

    from vidgen import registry
    from vidgen.allocator import keep_freed_memory
    from vidgen.contract import stream
    from vidgen.training import computing, flops
    from vidgen.training.peak import matmul_peak
    from vidgen.training.step import guarded_step, initialise
    from vidgen.training.timing import time_calls

    keep_freed_memory()
    asked = experiment(settings.measured, name)
    generator = registry.entry(name).build(asked.task, asked.generators[name])
    params: dict[str, Any] = {}
    rows = []
    peak = matmul_peak()
    with computing(asked.precision):
        for phase in generator.phases():
            state = initialise(phase, stream(0, phase.name, "init"), params)
            batch, key = host_batch(phase.batch_size, asked.task), stream(0, phase.name, "step")
            rest = (batch, key, np.int32(0), np.float32(0.5))
            step = guarded_step(phase)
            run, _ = compiled(jax.jit(step, donate_argnums=0), state, *rest)
            cost = flops.count(step, state, *rest).required

            def one_step(run: Any = run, rest: Any = rest) -> Any:
                nonlocal state
                state, metrics = run(state, *rest)
                return state, metrics

            timing = time_calls(one_step, warm_ups=WARM_UPS)
            seconds = by_instruction(one_step)
            kinds = kinds_of(run.as_text())
            total: dict[str, float] = collections.defaultdict(float)
            for instruction, spent in seconds.items():
                total[kinds.get(instruction, "moving")] += spent
            total.pop("control", None)
            whole = sum(total.values())
            shares = {kind: total[kind] / whole for kind in SHOWN}
            rate = cost / timing.median
            rows.append(
                {
                    "generator": name,
                    "phase": phase.name,
                    "step": dataclasses.asdict(timing),
                    "flops": cost,
                    "matmul_peak": peak,
                    "of_peak": rate / peak,
                    "shares": shares,
                    "products_of_peak": rate / peak / max(shares["products"], 1e-9),
                    "longest": longest(seconds, kinds, whole),
                }
            )
            params[phase.name] = phase.export(state.state)
    return rows


def by_instruction(one_step: Any) -> dict[str, float]:
    """Seconds a step that each instruction of the compiled program takes, by its name.

    On several threads they may overlap, so that their sum may be more than a step.
    """
    import jax

    with tempfile.TemporaryDirectory() as folder:
        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0
        with jax.profiler.trace(folder, profiler_options=options):
            for _ in range(STEPS):
                jax.block_until_ready(one_step())
        (file,) = Path(folder).rglob("*.xplane.pb")
        trace = jax.profiler.ProfileData.from_file(str(file))
    seconds: dict[str, float] = collections.defaultdict(float)
    for plane in trace.planes:
        for line in plane.lines:
            for event in line.events:
                instruction = dict(event.stats).get("hlo_op")
                # An event's end has one of its own.
                if instruction is not None and not event.name.startswith("end: "):
                    seconds[str(instruction)] += event.duration_ns * 1e-9 / STEPS
    return dict(seconds)


def kinds_of(program: str) -> dict[str, str]:
    """What each instruction of a compiled program does, one of `KINDS` or "moving".

    Args:
        program: its text.
    """
    operations: dict[str, set[str]] = {}  # of each computation
    instructions: dict[str, tuple[str, str | None]] = {}
    computation = ""
    for text in program.splitlines():
        if text.endswith("{") and " = " not in text:
            computation = text.removeprefix("ENTRY ").lstrip().lstrip("%").split(" ")[0]
            operations[computation] = set()
        elif found := NAME.match(text):
            name, operation = found.groups()
            called, target = CALLED.search(text), TARGET.search(text)
            if target is not None:
                operation = _of_target(target[1])
            operations.setdefault(computation, set()).add(operation)
            instructions[name] = (operation, called[1] if called else None)
    kinds = {}
    for name, (operation, called) in instructions.items():
        held = {operation}
        # A fusion is what it is made of.
        if operation == "fusion" and called is not None:
            held = operations.get(called, set())
        rest = "elementwise" if held - MOVES else "moving"
        kinds[name] = next((kind for kind, one in KINDS.items() if one & held), rest)
    return kinds


def _of_target(target: str) -> str:
    """The operation that a call of a library stands for."""
    words = target.lower()
    if "conv" in words:
        return "convolution"
    if any(word in words for word in ("matmul", "gemm", "dot", "mha")):
        return "dot"
    return "sort" if "topk" in words else target


def longest(
    seconds: Mapping[str, float], kinds: Mapping[str, str], whole: float, count: int = 8
) -> list[dict[str, Any]]:
    """The instructions that take the most time, with their share of all."""
    own = [name for name in seconds if kinds.get(name) != "control"]
    own.sort(key=lambda name: -seconds[name])
    return [
        {"instruction": name, "kind": kinds.get(name, "moving"), "share": seconds[name] / whole}
        for name in own[:count]
    ]


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line a phase."""
    heads = ("step", "of peak", *SHOWN, "in products")
    lines = [f"{'generator, phase':<36}" + "".join(f"{head:>12}" for head in heads)]
    for row in rows:
        shares = [row["of_peak"], *(row["shares"][kind] for kind in SHOWN), row["products_of_peak"]]
        lines.append(
            f"{row['generator'] + ', ' + row['phase']:<36}{row['step']['median'] * 1e3:>9.1f} ms"
            + "".join(f"{share:>12.0%}" for share in shares)
        )
    return lines


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
