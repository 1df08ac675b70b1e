"""A run that is killed at random moments until it ends: is it, bit for bit, one that never was?

    python benchmarks/kills.py
    python benchmarks/kills.py --kills 3 --families gan diffusion

Each family is trained by the command line on the shrunken `quick`, answers its prompts and is
judged: once undisturbed, and then again and again into other folders. Every process is struck by
SIGKILL at a moment drawn evenly from the time that an undisturbed one takes, be it while it starts,
compiles, trains, saves, draws or judges, and the same command goes on, until it outlives its
moment. Then every bit is compared: the metrics log, every parameter, moment and average of the last
checkpoint of each phase, every answer and every score. So it goes, into one folder after the other,
until as many kills were dealt as asked for. Budgets are in steps; programs that one process
compiled are read from disk by the next ones.

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
from collections.abc import Callable, Iterator, Mapping
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


class Command:
    """`vidgen train quick FAMILY --smoke`, as often as it takes, into one folder.

    Args:
        family: who is trained.
        out: the folder of the comparison.
        budget: of the training.
        environment: of its processes, see `environment`.
    """

    def __init__(self, family: str, out: Path, budget: str, environment: Mapping[str, str]) -> None:
        question = ("train", "quick", family, "--smoke", "--budget", budget, "--out", str(out))
        self._arguments = [*VIDGEN, *question, "--set", *WATCHED]
        self._environment = environment
        self.run = out / family / "seed-0"

    def to_the_end(self) -> str:
        """What it said.

        Raises:
            RuntimeError: with what it said, if it failed.
        """
        done = subprocess.run(
            self._arguments,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{self.run} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

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


def kill(settings: Settings, family: str, folder: Path) -> dict[str, object]:
    """Deal a family its kills, and say how what came of it differs from the undisturbed run.

    Raises:
        RuntimeError: if a process failed of itself.
    """
    around = environment(folder)
    undisturbed = Command(family, folder / "undisturbed", settings.budget, around)
    undisturbed.to_the_end()
    begin = time.monotonic()  # once more, with the programs that are there now
    again = Command(family, folder / "again", settings.budget, around)
    again.to_the_end()
    whole = time.monotonic() - begin
    found = differences(again.run, undisturbed.run)
    draw = np.random.default_rng([settings.seed, FAMILIES.index(family)])
    moments: collections.Counter[str] = collections.Counter()
    ended = 0
    while sum(moments.values()) < settings.kills:
        command = Command(family, folder / f"killed-{ended}", settings.budget, around)
        while True:
            strike = time.monotonic() + draw.uniform(0.0, whole)
            left = sum(moments.values()) < settings.kills
            code, said = command.struck(
                signal.SIGKILL, lambda strike=strike, left=left: left and time.monotonic() > strike
            )
            if code == 0:
                break
            if code != -signal.SIGKILL:
                raise RuntimeError(f"{command.run} ended with {code}:\n{said}")
            moments[command.moment()] += 1
        found += [f"run {ended}: {name}" for name in differences(command.run, undisturbed.run)]
        ended += 1
    return {
        "family": family,
        "kills": sum(moments.values()),
        "moments": dict(sorted(moments.items())),
        "runs": ended,
        "arrays": sum(1 for p in Cost.read(again.run).phases for _ in parts_of(again.run, p)),
        "seconds": round(whole, 1),
        "differences": found,
    }


def main(settings: Settings) -> int:
    """Print a row a family; 1 if a bit differs."""
    print(
        f"{'family':<16}{'kills':>6}{'runs':>6}{'arrays':>8}{'s a run':>9}  killed while",
        flush=True,
    )
    sound = True
    for family in settings.families:
        with tempfile.TemporaryDirectory(prefix="vidgen-kills-") as folder:
            row = kill(settings, family, Path(folder))
        told = ", ".join(f"{moment} {count}" for moment, count in row["moments"].items())
        same = not row["differences"]
        sound = sound and same
        print(
            f"{family:<16}{row['kills']:>6}{row['runs']:>6}{row['arrays']:>8}{row['seconds']:>9}"
            f"  {told}; " + ("every bit the same" if same else f"DIFFERS: {row['differences']}"),
            flush=True,
        )
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
