"""A run that is killed at random moments until it ends: is it, bit for bit, one that never was?

    python benchmarks/kills.py
    python benchmarks/kills.py --kills 3 --families gan diffusion
    python benchmarks/kills.py --families masked --changes masked.residual=true

Each family is trained by the command line on the shrunken `quick`, answers its prompts and is
judged: once undisturbed, and then again and again into other folders. Every process is struck by
SIGKILL at a moment drawn evenly from the time that an undisturbed one takes from the beginning of
training on, be it while it compiles, trains, saves, draws or judges, and the same command goes on,
until it outlives its moment. Then every bit is compared: the metrics log, every parameter, moment
and average of the last checkpoint of each phase, every answer and every score. So it goes, into one
folder after the other, until as many kills were dealt as asked for. Budgets are in steps; programs
that one process compiled are read from disk by the next ones.

benchmarks/README.md says what it printed.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tyro

from vidgen.training import Cost, read_metrics

FAMILIES = ("gan", "autoregressive", "masked", "diffusion", "meanflow")

# What the installed script does.
VIDGEN = (sys.executable, "-c", "import sys; from vidgen.cli import main; sys.exit(main())")

WATCHED = ("training.log_every=1", "training.checkpoint_every=0.2", "training.tensorboard=false")
"""A row a step, and checkpoints near one another."""

PATIENCE = 900.0
"""Seconds after which a process hangs; a busy machine may take its time."""

POLL_SECONDS = 0.01


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What is killed, and how often."""

    families: tuple[str, ...] = FAMILIES
    """Who is trained."""
    kills: int = 10
    """SIGKILLs a family."""
    budget: str = "80steps"
    """Of each training, all phases together; in steps, clips or FLOPs."""
    seed: int = 0
    """Of the moments."""
    changes: tuple[str, ...] = ()
    """To the experiment, as `vidgen train --set` takes them."""


class Command:
    """`vidgen train quick FAMILY --smoke`, as often as it takes, into one folder.

    Args:
        family: who is trained.
        out: the folder of the comparison.
        budget: of the training.
        environment: of its processes, see `environment`.
        changes: to the experiment.
    """

    def __init__(
        self,
        family: str,
        out: Path,
        budget: str,
        environment: Mapping[str, str],
        changes: Sequence[str] = (),
    ) -> None:
        question = ("train", "quick", family, "--smoke", "--budget", budget, "--out", str(out))
        self._arguments = [*VIDGEN, *question, "--set", *WATCHED, *changes]
        self._environment = environment
        self.run = out / family / "seed-0"

    def to_the_end(self) -> str:
        """What it said.

        Raises:
            RuntimeError: with what it said, if it failed.
        """
        code, said = self.struck(signal.SIGKILL, lambda: False)
        _expect(self, code, said)
        return said

    def struck(self, number: signal.Signals, when: Callable[[], bool]) -> tuple[int, str]:
        """Its exit code and what it said, when a signal strikes it as soon as `when` holds.

        A process that ends before is not struck.
        """
        process = subprocess.Popen(
            self._arguments,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            deadline = time.monotonic() + PATIENCE
            while process.poll() is None and time.monotonic() < deadline:
                if when():
                    process.send_signal(number)
                    break
                time.sleep(POLL_SECONDS)
            said, _ = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        return process.returncode, said

    def checkpoints(self, phase: str) -> list[int]:
        """Steps of the checkpoints that are whole."""
        found = self.run.glob(f"checkpoints/{phase}/*/manifest.json")
        return sorted(int(path.parent.name) for path in found)

    def steps(self, phase: str) -> int:
        """The last step of a phase that is in the log."""
        rows = read_metrics(self.run)
        return max((row["step"] for row in rows if row["phase"] == phase), default=0)

    def loses_work(self, phase: str) -> Callable[[], bool]:
        """Whether a new checkpoint is there, and the log has gone on from it."""
        kept = self.checkpoints(phase)[-1]

        def loses() -> bool:
            saved = self.checkpoints(phase)
            return bool(saved) and kept < saved[-1] < self.steps(phase)

        return loses

    def complete(self, phase: str) -> bool:
        """Whether a phase has spent its budget, and that is saved."""
        steps = self.checkpoints(phase)
        if not steps:
            return False
        record = self.run / "checkpoints" / phase / str(steps[-1]) / "record.json"
        return json.loads(record.read_text())["complete"]

    def moment(self) -> str:
        """What a process that was just killed was about, by what it left behind."""
        if (self.run / "scores.json").exists():
            return "over"
        if any(self.run.glob("samples/*.npz")):
            return "judging"
        folders = [path for path in self.run.glob("checkpoints/*/*") if path.is_dir()]
        if any(not (path / "manifest.json").exists() for path in folders):
            return "saving"
        rows = read_metrics(self.run)
        phases = [row["phase"] for row in rows]
        if not phases:
            return "starting"
        saved = self.checkpoints(phases[-1])
        if not saved or self.steps(phases[-1]) > saved[-1]:
            return "training"
        return "between"


def environment(folder: Path) -> dict[str, str]:
    """Of processes that share programs, kept in a folder, and a machine lock of their own."""
    for name in ("programs", "machine"):
        (folder / name).mkdir()
    return os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(folder / "programs"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "TMPDIR": str(folder / "machine"),
    }


def parts_of(run: Path, phase: str) -> Iterator[tuple[str, np.ndarray]]:
    """Every array that the last checkpoint of a phase holds, by name."""
    from etils import epath
    from orbax.checkpoint import v1 as ocp

    steps = [int(path.parent.name) for path in run.glob(f"checkpoints/{phase}/*/record.json")]
    folder = epath.Path(run / "checkpoints" / phase / str(max(steps)))
    for part in ("state", "export"):
        with warnings.catch_warnings():  # arrays go to where they were, since no place is asked for
            warnings.filterwarnings("ignore", message="Sharding info not provided")
            tree = ocp.load_checkpointables(folder, {part: None})[part]
        yield from ((f"{phase} {part}.{name}", np.asarray(tree[name])) for name in sorted(tree))


def differences(run: Path, undisturbed: Path) -> list[str]:
    """What of two finished runs is not the same bits: the log, every parameter, moment and average,
    the answers and the scores; nothing if all is.
    """
    phases, theirs = (tuple(Cost.read(folder).phases) for folder in (run, undisturbed))
    if phases != theirs:
        return [f"phases {phases}, not {theirs}"]
    found = []
    if (run / "metrics.jsonl").read_bytes() != (undisturbed / "metrics.jsonl").read_bytes():
        found.append("metrics.jsonl")
    for phase in phases:
        mine, other = (dict(parts_of(folder, phase)) for folder in (run, undisturbed))
        found += _unequal(mine, other)
    samples = [
        sorted(path.name for path in folder.glob("samples/*.npz")) for folder in (run, undisturbed)
    ]
    if samples[0] != samples[1] or not samples[0]:
        return [*found, f"samples {samples[0]}, not {samples[1]}"]
    for file in samples[0]:
        with np.load(run / "samples" / file) as mine, np.load(undisturbed / "samples" / file) as it:
            found += [f"{file} {name}" for name in _unequal(dict(mine), dict(it))]
    scores = [json.loads((folder / "scores.json").read_text()) for folder in (run, undisturbed)]
    return found + (["scores.json"] if scores[0] != scores[1] else [])


def _unequal(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> list[str]:
    """Names of the arrays that are not the same bits of the same type and shape in both."""

    def bits(arrays: Mapping[str, np.ndarray], name: str) -> object:
        array = arrays.get(name)
        return None if array is None else (array.dtype, array.shape, array.tobytes())

    return [name for name in sorted({*one, *other}) if bits(one, name) != bits(other, name)]


class Moment:
    """Holds so many seconds after a process has begun to train, or else to answer or to judge.

    What a process does before leaves nothing behind that a kill could spoil.

    Args:
        command: of the process that is about to start.
        phases: of its family.
        seconds: after the beginning; None for never.
    """

    def __init__(self, command: Command, phases: Sequence[str], seconds: float | None) -> None:
        self._log, self._seconds = command.run / "metrics.jsonl", seconds
        self._before = self._state()
        trained = len(phases) > 0 and all(command.complete(phase) for phase in phases)
        self.begun = time.monotonic() if trained else None

    def __call__(self) -> bool:
        if self.begun is None and self._state() != self._before:
            self.begun = time.monotonic()
        return self.begun is not None and self._seconds is not None and self.passed > self._seconds

    @property
    def passed(self) -> float:
        """Seconds since the beginning."""
        return 0.0 if self.begun is None else time.monotonic() - self.begun

    def _state(self) -> tuple[int, int] | None:
        if not self._log.exists():
            return None
        found = self._log.stat()
        return found.st_size, found.st_mtime_ns


def kill(settings: Settings, family: str, folder: Path) -> Row:
    """Deal a family its kills, and say how what came of it differs from the undisturbed run.

    Raises:
        RuntimeError: if a process failed of itself.
    """
    around = environment(folder)
    draw = np.random.default_rng([settings.seed, FAMILIES.index(family)])

    def into(name: str) -> Command:
        return Command(family, folder / name, settings.budget, around, settings.changes)

    undisturbed = into("undisturbed")
    moment = Moment(undisturbed, (), None)
    _expect(undisturbed, *undisturbed.struck(signal.SIGKILL, moment))
    whole, phases = moment.passed, tuple(Cost.read(undisturbed.run).phases)
    found: list[str] = []
    moments: collections.Counter[str] = collections.Counter()
    ended = 0
    while moments.total() < settings.kills:
        command = into(f"killed-{ended}")
        code, fresh = -signal.SIGKILL, True
        while code:
            left = moments.total() < settings.kills
            moment = Moment(command, phases, draw.uniform(0.0, whole) if left else None)
            code, said = command.struck(signal.SIGKILL, moment)
            if code == -signal.SIGKILL:
                moments[command.moment()] += 1
            else:
                _expect(command, code, said)
            if not code and fresh:  # the first ones compiled, which takes longer
                whole = min(whole, moment.passed)
            fresh = False
        found += [f"run {ended}: {name}" for name in differences(command.run, undisturbed.run)]
        ended += 1
    return Row(
        family=family,
        moments=dict(sorted(moments.items())),
        runs=ended,
        arrays=sum(1 for phase in phases for _ in parts_of(undisturbed.run, phase)),
        seconds=whole,
        differences=tuple(found),
    )


def _expect(command: Command, code: int, said: str) -> None:
    if code:
        raise RuntimeError(f"{command.run} ended with {code}:\n{said}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """What came of one family.

    Attributes:
        family: its name.
        moments: how many kills met it at what.
        runs: that were killed until they ended, and compared.
        arrays: of the last checkpoints, that were compared in each.
        seconds: of the quickest whole process, from the beginning of training on.
        differences: what was not the same bits.
    """

    family: str
    moments: Mapping[str, int]
    runs: int
    arrays: int
    seconds: float
    differences: tuple[str, ...]

    def __str__(self) -> str:
        kills = sum(self.moments.values())
        told = ", ".join(f"{moment} {count}" for moment, count in self.moments.items())
        same = f"DIFFERS: {self.differences}" if self.differences else "every bit the same"
        numbers = f"{kills:>6}{self.runs:>6}{self.arrays:>8}{self.seconds:>9.1f}"
        return f"{self.family:<16}{numbers}  {told}; {same}"


def main(settings: Settings) -> int:
    """Print a row a family; 1 if a bit differs."""
    columns = f"{'kills':>6}{'runs':>6}{'arrays':>8}{'s a run':>9}"
    print(f"{'family':<16}{columns}  killed while", flush=True)
    sound = True
    for family in settings.families:
        with tempfile.TemporaryDirectory(prefix="vidgen-kills-") as folder:
            row = kill(settings, family, Path(folder))
        print(row, flush=True)
        sound = sound and not row.differences
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
