"""How fast clips come: every source alone, the pipeline behind it, and the training that waits.

    python benchmarks/data.py
    python benchmarks/data.py --sources digits --set motion=mage --seconds-each 10 --out here.json
    python benchmarks/data.py --sources folder:clips --set resolution=64 --feed gan

Each source is read in a process of its own, in random order. Cold is its first pass, imports and
building included; warm is every later pass over the same clips. A source that keeps a cache on disk
is cold only until that cache is there. What cannot be built without arguments is skipped, with the
reason. Expect three seconds a measurement; benchmarks/README.md says how to read the tables.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from throughput import compiled, machine

SCHEMA_VERSION = 1
TABLE_WIDTH = 170
GOAL = {"clips_per_cpu_second": 2000.0, "busy": 0.98}
"""What simulated clips of 16 x 64 x 64 and the training that eats clips are held to."""

_SIZE = {"size": 64, "frames": 16}
CASES: dict[str, list[dict[str, Any]]] = {
    "digits": [
        {"motion": motion, **_SIZE} for motion in ("diagonal", "sync-draw", "mage", "mage-double")
    ],
    "shapes": [
        _SIZE,
        {"objects": 2, "sizes": True, **_SIZE},
        {"ground": "textured", **_SIZE},
        {"objects": 2, "sizes": True, "ground": "textured", "wordings": 5, **_SIZE},
    ],
}
"""Options to measure a source with, where its defaults are not enough."""

_UNBUILDABLE = (ValueError, TypeError, LookupError, ImportError, OSError)
_WARM_UPS, _LEAST = 3, 20
_PATIENCE = 5
"""How many times `Settings.seconds_each` a cold pass may take before it is cut short."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to measure, and for how long.

    Attributes:
        sources: names of sources; by default all of `vidgen list data`.
        set: options of the sources named, instead of those this script has for them.
        clips: at most so many are read in a pass; fewer, but a batch, where that takes too long.
        batch_size: of the pipeline.
        seconds_each: least seconds of each warm timing.
        feed: generators whose training steps are fed from `digits`; none with --feed alone.
        tiny: the tests' presets of those generators; for trying this script out.
        out: where the JSON goes.
    """

    sources: tuple[str, ...] = ()
    set: tuple[str, ...] = ()
    clips: int = 512
    batch_size: int = 32
    seconds_each: Annotated[float, tyro.conf.arg(aliases=("-s",))] = 3.0
    feed: tuple[str, ...] = ("gan", "autoregressive", "diffusion")
    tiny: bool = False
    out: Path = Path("data.json")


def main(settings: Settings) -> int:
    """Measure, print and write; the exit code is 1 if something that was asked for did not run."""
    from rich.console import Console

    console = Console()
    console.width = max(console.width, TABLE_WIDTH)  # a pipe would get 80 columns and no numbers
    load = os.getloadavg()[0]
    if load > 0.5:
        console.print(f"[yellow]load average is {load:.1f}: other work will slow these timings")
    rows, skipped, fed, failed = [], {}, [], {}

    def attempt(what: str, work: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
        with console.status(f"measuring {what}"):
            try:
                return in_own_process(work, *args, settings)
            except Exception as error:  # one failure must not cost the others' numbers
                failed[what] = f"{type(error).__name__}: {error}"
                console.print(f"{what} failed: {failed[what]}", style="red", markup=False)
                return {}

    for name, options in cases(settings):
        what = " ".join([name, *(f"{key}={value}" for key, value in options.items())])
        row = attempt(what, measure, name, options)
        if "skipped" in row:
            skipped[what] = row["skipped"]
            console.print(f"{what} was skipped: {row['skipped']}", style="yellow", markup=False)
        elif row:
            rows.append(row)
    for name in settings.feed:
        fed += attempt(f"the training of {name}", feed, name).get("phases", [])
    report = {
        "schema_version": SCHEMA_VERSION,
        "machine": machine(),
        "load_average": {"before": load, "after": os.getloadavg()[0]},
        "goal": GOAL,
        "sources": rows,
        "skipped": skipped,
        "fed": fed,
        "failed": failed,
    }
    for table in tables(rows, fed):
        console.print(table)
    settings.out.write_text(json.dumps(report, indent=2) + "\n")
    console.print(f"written to {settings.out}")
    return 1 if failed or (settings.sources and skipped) else 0


def cases(settings: Settings) -> list[tuple[str, dict[str, Any]]]:
    """Every source to measure, with its options."""
    from vidgen.comparison import overrides
    from vidgen.data import sources

    given = overrides.parse(settings.set)
    return [
        (name, options)
        for name in settings.sources or sources()
        for options in ([given] if given else CASES.get(name, [{}]))
    ]


def in_own_process(work: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """`work` in a fresh interpreter, in which nothing is imported or cached."""
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(work, *args).result()


def measure(name: str, options: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Everything about one source, as JSON-able values; times in seconds."""
    import numpy as np

    watch = Watch()
    try:
        from vidgen.data import source

        clips = source(name, **options)
        first = clips[0]
    except _UNBUILDABLE as error:
        return {"skipped": f"{type(error).__name__}: {error}"}
    first_clip = watch.seconds()
    order = np.random.default_rng(0).permutation(len(clips))[: settings.clips].tolist()
    patience = first_clip + _PATIENCE * settings.seconds_each
    read = 0
    while read < len(order) and (read < settings.batch_size or watch.seconds() < patience):
        clips[order[read]]
        read += 1
    cold = watch.rates(read)
    passes, spent = [], 0.0
    while spent < settings.seconds_each or len(passes) < _WARM_UPS:
        watch = Watch()
        for index in order[:read]:
            clips[index]
        passes.append(watch.rates(read))
        spent += watch.seconds()
    warm = {key: float(np.median([rates[key] for rates in passes])) for key in passes[0]}
    return {
        "source": name,
        "options": dict(options),
        "shape": list(first.video.shape),
        "length": len(clips),
        "clips_read": read,
        "first_clip_seconds": first_clip,
        "cold": cold,
        "warm": warm,
        "pipeline": pipeline(clips, settings),
    }


def pipeline(clips: Any, settings: Settings) -> dict[str, Any]:
    """From the request to the first batch, and from batch to batch when all of it runs."""
    import numpy as np

    from vidgen.data import batches
    from vidgen.text import WordVectors
    from vidgen.types import Task

    watch = Watch()
    task = Task(
        frames=clips.frames,
        height=clips.height,
        width=clips.width,
        channels=clips.channels,
        text_length=clips.max_words,
    )
    encoder = WordVectors(clips.vocabulary, length=task.text_length, width=task.text_width)
    stream = batches(clips, encoder, task, batch_size=settings.batch_size, seed=0)
    next(stream)
    first = watch.seconds()
    for _ in range(_WARM_UPS):
        next(stream)
    whole, times = Watch(), []
    while len(times) < _LEAST or sum(times) < settings.seconds_each:
        watch = Watch()
        next(stream)
        times.append(watch.seconds())
    rates = whole.rates(len(times) * settings.batch_size)
    return {
        "batch_size": settings.batch_size,
        "batches": len(times),
        "first_batch_seconds": first,
        # The mean, since with reading ahead some batches wait ready and others do not.
        "batch_seconds": rates["seconds"] / len(times),
        "batch_seconds_p95": float(np.percentile(times, 95)),
        **rates,
    }


def feed(name: str, settings: Settings) -> dict[str, Any]:
    """How busy the training steps of a generator are kept, a row a phase."""
    import jax
    import numpy as np

    from vidgen import registry
    from vidgen.contract import stream as key_of
    from vidgen.data import batches, source
    from vidgen.text import WordVectors
    from vidgen.training.step import guarded_step, initialise
    from vidgen.types import Task

    digits = source("digits")
    task = Task(
        frames=digits.frames, height=digits.height, width=digits.width, channels=digits.channels
    )
    encoder = WordVectors(digits.vocabulary, length=task.text_length, width=task.text_width)
    entry = registry.entry(name)
    generator = entry.build(task, entry.config.tiny() if settings.tiny else None)
    earlier: dict[str, Any] = {}
    rows = []
    for phase in generator.phases():
        state = jax.block_until_ready(initialise(phase, key_of(0, phase.name, "init"), earlier))
        stream = batches(digits, encoder, task, batch_size=phase.batch_size, seed=0)
        rest = (key_of(0, phase.name, "step"), np.int32(0), np.float32(0.5))
        step = jax.jit(guarded_step(phase), donate_argnums=0)
        run, _ = compiled(step, state, next(stream), *rest)
        waits, steps = [], []
        while len(steps) < _WARM_UPS + _LEAST or sum(steps) < settings.seconds_each:
            watch = Watch()
            batch = next(stream)
            waits.append(watch.seconds())
            watch = Watch()
            state, _ = jax.block_until_ready(run(state, batch, *rest))
            steps.append(watch.seconds())
        waited, busy = sum(waits[_WARM_UPS:]), sum(steps[_WARM_UPS:])
        rows.append(
            {
                "generator": name,
                "phase": phase.name,
                "batch_size": phase.batch_size,
                "steps": len(steps) - _WARM_UPS,
                "step_seconds": float(np.median(steps[_WARM_UPS:])),
                "wait_seconds": float(np.median(waits[_WARM_UPS:])),
                "busy": busy / (busy + waited),
            }
        )
        earlier[phase.name] = jax.block_until_ready(phase.export(state.state))
    return {"phases": rows}


class Watch:
    """Time since it was made: on the wall, and on the cores of this process."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def seconds(self) -> float:
        """On the wall."""
        return time.perf_counter() - self._wall

    def rates(self, clips: int) -> dict[str, float]:
        """Clips a second, and a second of one core: the latter is what a busy machine spares."""
        seconds = self.seconds()
        return {
            "seconds": seconds,
            "clips_per_second": clips / seconds,
            "clips_per_cpu_second": clips / max(time.process_time() - self._cpu, 1e-9),
        }


def tables(rows: Sequence[Mapping[str, Any]], fed: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The report as two tables: what sources and pipeline give, and how training is kept busy."""
    from rich import box
    from rich.table import Table

    def table(title: str, *columns: str) -> Table:
        made = Table(title=title, box=box.SIMPLE)
        for i, column in enumerate(columns):
            made.add_column(column, justify="left" if i == 0 else "right", no_wrap=i == 0)
        return made

    read = table(
        "clips",
        *("source", "shape", "first clip", "cold clips/s", "warm clips/s", "warm, one core"),
        *("first batch", "batch", "pipeline clips/s", "pipeline, one core"),
    )
    for row in rows:
        options = (f"{key}={value}" for key, value in row["options"].items() if key not in _SIZE)
        piped = row["pipeline"]
        read.add_row(
            " ".join([row["source"], *options]),
            "x".join(map(str, row["shape"])),
            f"{row['first_clip_seconds']:.2f} s",
            f"{row['cold']['clips_per_second']:,.1f}",
            f"{row['warm']['clips_per_second']:,.0f}",
            f"{row['warm']['clips_per_cpu_second']:,.0f}",
            f"{piped['first_batch_seconds']:.2f} s",
            f"{piped['batch_seconds'] * 1e3:.1f} ms",
            f"{piped['clips_per_second']:,.0f}",
            f"{piped['clips_per_cpu_second']:,.0f}",
        )
    trained = table(
        "training, fed from digits", "generator, phase", "batch", "step", "wait", "busy"
    )
    for row in fed:
        trained.add_row(
            f"{row['generator']}, {row['phase']}",
            str(row["batch_size"]),
            f"{row['step_seconds'] * 1e3:.1f} ms",
            f"{row['wait_seconds'] * 1e3:.2f} ms",
            f"{row['busy']:.1%}",
        )
    return [read, trained] if fed else [read]


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
