"""The real families through the real command line, struck in every phase by real signals.

Each is trained, answers and is judged once undisturbed, and once stopped in each of its phases by
Ctrl-C and then by SIGKILL; both must end in the same bits. Programs that one process compiled are
read from disk by the next ones, since compiling is nearly all that these tests cost.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from etils import epath
from orbax.checkpoint import v1 as ocp

from vidgen.training import Cost, read_metrics

pytestmark = pytest.mark.slow

PHASES = {
    "gan": ("adversarial",),
    "autoregressive": ("tokenizer", "motion", "prior"),
    "masked": ("tokenizer", "motion", "prior"),
    "diffusion": ("motion", "opening", "denoiser"),
    "meanflow": ("motion", "meanflow-opening", "meanflow-denoiser"),
}
# What the installed script does.
VIDGEN = (sys.executable, "-c", "import sys; from vidgen.cli import main; sys.exit(main())")
WATCHED = ("training.log_every=1", "training.checkpoint_every=0.2", "training.tensorboard=false")
PATIENCE = 900.0  # seconds, after which it hangs; a busy machine may take its time


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> dict[str, str]:
    """Of the processes: programs kept on disk, and a machine lock of this module's own."""
    return os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("programs")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "TMPDIR": str(tmp_path_factory.mktemp("machine")),
    }


class Command:
    """`vidgen train quick FAMILY --smoke`, as often as it takes, into one folder."""

    def __init__(self, family: str, out: Path, budget: str, environment: dict[str, str]) -> None:
        question = ("train", "quick", family, "--smoke", "--budget", budget, "--out", str(out))
        self._arguments = [*VIDGEN, *question, "--set", *WATCHED]
        self._environment = environment
        self.run = out / family / "seed-0"

    def to_the_end(self) -> str:
        """What it said."""
        done = subprocess.run(
            self._arguments,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def struck(self, number: signal.Signals, when: Callable[[], bool]) -> tuple[int, str]:
        """Its exit code and what it said, when a signal strikes it as soon as `when` holds."""
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
                time.sleep(0.01)
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


def parts_of(run: Path, phase: str) -> Iterator[tuple[str, np.ndarray]]:
    """Every array that the last checkpoint of a phase holds, by name."""
    steps = [int(path.parent.name) for path in run.glob(f"checkpoints/{phase}/*/record.json")]
    folder = epath.Path(run / "checkpoints" / phase / str(max(steps)))
    for part in ("state", "export"):
        tree = ocp.load_checkpointables(folder, {part: None})[part]
        yield from ((f"{part}.{name}", np.asarray(tree[name])) for name in sorted(tree))


def assert_same(run: Path, undisturbed: Path, phases: tuple[str, ...]) -> None:
    """The log, every parameter, moment and average, the answers and the scores, bit for bit."""
    assert (run / "metrics.jsonl").read_bytes() == (undisturbed / "metrics.jsonl").read_bytes()
    for phase in phases:
        pairs = zip(parts_of(run, phase), parts_of(undisturbed, phase), strict=True)
        for (name, mine), (their_name, theirs) in pairs:
            assert name == their_name
            assert mine.dtype == theirs.dtype
            assert mine.tobytes() == theirs.tobytes(), name
    files = sorted(path.name for path in undisturbed.glob("samples/*.npz"))
    assert files
    assert files == sorted(path.name for path in run.glob("samples/*.npz"))
    for file in files:
        with np.load(run / "samples" / file) as mine, np.load(undisturbed / "samples" / file) as it:
            assert set(mine) == set(it)
            for name in mine:
                np.testing.assert_array_equal(mine[name], it[name], err_msg=f"{file}: {name}")
    scores = [json.loads((folder / "scores.json").read_text()) for folder in (run, undisturbed)]
    assert scores[0] == scores[1]


@pytest.mark.filterwarnings("ignore:Sharding info not provided:UserWarning")
@pytest.mark.parametrize("family", PHASES)
def test_ctrl_c_and_sigkill_in_every_phase_change_no_bit(family, tmp_path, environment):
    undisturbed = Command(family, tmp_path / "undisturbed", "80steps", environment)
    undisturbed.to_the_end()
    command = Command(family, tmp_path / "struck", "80steps", environment)
    for phase in PHASES[family]:
        code, said = command.struck(signal.SIGINT, lambda phase=phase: command.steps(phase) > 0)
        assert code == 130, said
        assert "To go on:" in said
        assert not (command.run / "lock").exists()
        kept = command.checkpoints(phase)[-1]
        assert kept == command.steps(phase)
        code, said = command.struck(signal.SIGKILL, command.loses_work(phase))
        assert code == -signal.SIGKILL, said
        assert (command.run / "lock").exists()
        for later in itertools.dropwhile(lambda name, phase=phase: name != phase, PHASES[family]):
            assert (command.steps(later) > 0) == (later == phase)
    assert "took over" in command.to_the_end()
    assert_same(command.run, undisturbed.run, PHASES[family])
    resumed = [cost.resumed for cost in Cost.read(command.run).phases.values()]
    assert resumed == [2] * len(resumed)


def test_seconds_go_on_from_what_was_used(tmp_path, environment):
    budget = 5.0
    command = Command("gan", tmp_path, f"{budget:g}s", environment)
    a_fifth_is_saved = lambda: bool(command.checkpoints("adversarial"))  # noqa: E731
    assert command.struck(signal.SIGINT, a_fifth_is_saved)[0] == 130
    used = Cost.read(command.run).phases["adversarial"]
    assert 0.2 * budget <= used.seconds["train"] < budget
    assert command.struck(signal.SIGKILL, command.loses_work("adversarial"))[0] == -signal.SIGKILL
    command.to_the_end()
    cost = Cost.read(command.run).phases["adversarial"]
    assert cost.resumed == 2
    assert cost.steps > used.steps
    # Had either process begun anew, at least the first fifth would have been trained twice.
    assert budget <= cost.seconds["train"] < 1.2 * budget
    clock = [seconds for _, seconds in cost.timeline]
    assert clock == sorted(clock)
    assert cost.timeline[: len(used.timeline)] == used.timeline
