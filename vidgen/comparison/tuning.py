"""Tuning: a search for a generator's config, on validation prompts, that can be stopped any time.

A trial trains the generator with other values for the fields of its search space, on the train
split and the same budget as all others, and is scored as checkpoints and sampler settings are
(`vidgen.comparison.selection`): nothing of the test split is ever read. The first trial is of the
config that the search starts from, so that what is found is never worse by that score.

::

    <folder>/
      tune.json        the question, and every trial: values, score, cost, or why it failed
      preset.json      the best config so far, see `vidgen.comparison.presets`
      prompts/         the validation prompts
      trials/<n>/      a run folder without its checkpoints

``tune.json`` is the one thing that a search goes on from, and is written whole before and after
each trial. A trial that was stopped is taken up where its training was saved, with the same values.
"""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

import jax
from etils import epath
from rich.console import Console

from vidgen import bucket
from vidgen.allocator import keep_freed_memory
from vidgen.comparison import overrides, presets, proposals, records
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import (
    ComparisonFolder,
    FolderError,
    read_json,
    surroundings,
    write_json,
)
from vidgen.comparison.jobs import Job, try_job
from vidgen.comparison.proposals import Point
from vidgen.comparison.question import resolve
from vidgen.comparison.rows import Row
from vidgen.comparison.setting import Setting
from vidgen.comparison.trials import Trial, best_of, price
from vidgen.comparison.wording import seconds, short
from vidgen.space import fields_of, settings_at
from vidgen.training import Budget, DivergedError, lock

SEED = 1000
"""Of every trial's training and of the proposals, far from the seeds that comparisons take: no
replicate of theirs is one that the config was chosen for."""

_UNFIT = (DivergedError, MemoryError, jax.errors.JaxRuntimeError, ValueError)
"""Errors that a config can be at fault for; any other ends the search."""


class Search:
    """A search for the config of one generator, or what is left of one.

    Args:
        experiment: resolved; its config of the generator is the start, its budget a trial's.
        generator: its name.
        folder: where the search is kept.
        seed: of every trial's training and of the proposals.

    Attributes:
        experiment: of every trial, but for the config: with this generator and seed alone.
        space: the search space.
        trials: those that were begun, in order.

    Raises:
        ValueError: if the generator declares no search space, the start is not in it, something
            does not fit together, or a comparison would train with the same seed.
        FolderError: if the folder holds a search with another question; the differences are named.
        ImportError: if Optuna is not installed, with what to install.
    """

    def __init__(
        self, experiment: Experiment, generator: str, folder: ComparisonFolder, *, seed: int = SEED
    ) -> None:
        if seed in experiment.seeds:
            raise ValueError(
                f"seed {seed} is one that {experiment.name!r} compares with, and what is compared "
                "must not be what was tuned: choose another"
            )
        proposals.load_optuna()
        self.experiment = dataclasses.replace(
            experiment.select(generators=[generator], seeds=[seed]),
            curve=(),
            horizon=1,
            answers=1,
            equal_flops=None,
            equal_parameters=None,
        )
        self.generator, self.seed, self._folder = generator, seed, folder
        self._start = self.experiment.generators[generator]
        self.space = proposals.declared(generator, self._start)
        self._setting = Setting(self.experiment, folder)
        self._setting.check_training()
        self._asked = self._question()
        self.trials = self._begun()

    @property
    def record(self) -> epath.Path:
        """Where the search is written down."""
        return self._folder.path / "tune.json"

    @property
    def preset(self) -> epath.Path:
        """Where the best config is written."""
        return self._folder.path / "preset.json"

    @property
    def done(self) -> list[Trial]:
        """Trials that ended, well or not."""
        return [trial for trial in self.trials if trial.state != "running"]

    @property
    def best(self) -> Trial | None:
        """The best trial, the earliest of equals; None before any is complete."""
        return best_of(self.trials)

    def go_on(self, trials: int, console: Console) -> None:
        """Run what is left of a number of trials.

        Args:
            trials: how many there are to be in the end.
            console: where progress is shown.

        Raises:
            vidgen.training.Interrupted: after a signal during training, when all is saved.
            vidgen.training.LockError: if another process works on this search.
            ValueError: if every trial failed, or the first for want of a metric or of budget.
        """
        if trials < 1:
            raise ValueError(f"a search needs one trial at least, got {trials}")
        keep_freed_memory()  # before the judge learns
        self._setting.console = console
        with self._locked(console):
            self.trials = self._begun()
            for trial in self.done:  # whose process may have died before it did all this
                self._forget(trial.number)
            self._write_preset()
            took: list[float] = []
            while len(self.done) < trials:
                number = len(self.done)
                if number == len(self.trials):
                    self.trials.append(Trial(number=number, point=self._proposed()))
                    self._write_record()
                self.trials[number] = self._tried(self.trials[number], trials, console)
                self._write_record()
                self._write_preset()
                self._forget(number)
                took.append(self.trials[number].cost["wall_seconds"] or 0.0)
                self._say(trials, statistics.fmean(took), console)
        if self.best is None:
            raise ValueError(
                f"all {len(self.done)} trials failed; the first: {self.trials[0].error}"
            )

    @property
    def _job(self) -> Job:
        return Job(generator=self.generator, seed=self.seed)

    def _proposed(self) -> dict[str, Any]:
        begin = proposals.start(self.space, self._start)
        past = [(trial.point, trial.merit) for trial in self.done]
        return proposals.propose(self.space, begin, past, seed=self.seed)

    def _config(self, point: Point) -> Experiment:
        """The experiment at a point of the space."""
        found = settings_at(self.space, point)
        changes = {f"{self.generator}.{field}": value for field, value in found.items()}
        return overrides.apply(self.experiment, changes)

    def _tried(self, trial: Trial, trials: int, console: Console) -> Trial:
        words = ", ".join(
            f"{' = '.join(fields_of(self.space, field))} {short(value)}"
            for field, value in trial.point.items()
        )
        console.print(
            f"\ntrial {trial.number} (0 to {trials - 1}): {words}", highlight=False, markup=False
        )
        folder = _trial_folder(self._folder, trial.number)
        began = time.perf_counter()
        try:
            setting = self._setting.variant(self._config(trial.point), folder)
            tried, cost = try_job(self._job, setting, console)
            self._same_metric(tried.row)
        except FolderError:
            raise
        except _UNFIT as error:
            if trial.number == 0 and isinstance(error, ValueError):
                raise  # no fault of a value that was turned: all others would fail as well
            return dataclasses.replace(
                trial,
                state="failed",
                error=f"{type(error).__name__}: {error}",
                cost={"wall_seconds": time.perf_counter() - began},
            )
        return dataclasses.replace(
            trial,
            state="complete",
            score=tried.row,
            sampler=tried.sampler,
            step=tried.step,
            cost=price(cost, wall_seconds=time.perf_counter() - began),
        )

    def _same_metric(self, row: Row) -> None:
        """Two metrics cannot be held against each other."""
        for other in self.trials:
            if other.score is None:
                continue
            metric = (other.score.metric, other.score.prompts)
            if metric != (row.metric, row.prompts):
                raise ValueError(
                    f"{metric[0]} has no value, by which the others were scored; "
                    f"{row.metric} alone has one"
                )
            return

    def _say(self, trials: int, each: float, console: Console) -> None:
        trial, best, left = self.done[-1], self.best, trials - len(self.done)
        console.print(
            f"trial {trial.number}: {trial.outcome}"
            + ("" if best is None else f"; best so far trial {best.number}: {best.outcome}")
            + (f"; {left} to go, about {seconds(left * each)}" if left else ""),
            highlight=False,
            markup=False,
            soft_wrap=not console.is_terminal,
        )

    def _question(self) -> records.Json:
        """All that decides the trials."""
        asked = self._setting.asked(self.generator, self.seed, 1.0)
        test = ("prompts", "test_split", "share")
        asked = {key: value for key, value in asked.items() if key not in test}
        return asked | {
            "sweep_prompts": self.experiment.sweep_prompts,
            "space": records.encode(self.space),
        }

    def _begun(self) -> list[Trial]:
        """The trials that the folder records, if they belong to this search."""
        if not self.record.exists():
            return []
        data = read_json(self.record)
        changes = records.difference(data["asked"], self._asked)
        if changes:
            raise FolderError(
                f"{self._folder.path} holds a search with another question:\n  "
                + "\n  ".join(changes)
                + "\nChoose another --out, or remove that folder"
            )
        return [records.decode(Trial, trial) for trial in data["trials"]]

    def _forget(self, number: int) -> None:
        """Remove what a trial learned: once it is scored, of no use and most of what it left."""
        run = _trial_folder(self._folder, number).run(self.generator, self.seed)
        for kept in ("checkpoints", "candidates"):
            with contextlib.suppress(OSError):
                (run.path / kept).rmtree()

    def _write_record(self) -> None:
        best = self.best
        around = surroundings()
        around["versions"]["optuna"] = metadata.version("optuna")
        write_json(
            self.record,
            {
                "generator": self.generator,
                "experiment": self.experiment.name,
                "hash": records.fingerprint(self._asked),
                "budget": str(self.experiment.budget),
                "seed": self.seed,
                "protocol": self.experiment.validation_protocol,
                "proposals": {"sampler": "TPE", "startup": proposals.STARTUP},
                "best": None if best is None else best.number,
                "trials": records.encode(self.trials),
                "asked": self._asked,
                **around,
            },
        )

    def _write_preset(self) -> None:
        """Write what follows from the record; nothing before any trial is complete."""
        best = self.best
        if best is None:
            return
        effort = presets.Effort(
            trials=len(self.done), budget=str(self.experiment.budget), dimensions=len(self.space)
        )
        config = self._config(best.point).generators[self.generator]
        found = presets.Preset(generator=self.generator, config=config, effort=effort)
        origin = {
            "experiment": self.experiment.name,
            "hash": records.fingerprint(self._asked),
            "trial": best.number,
            "score": records.encode(best.score),
        }
        presets.write(self.preset, found, origin)

    @contextlib.contextmanager
    def _locked(self, console: Console) -> Iterator[None]:
        def say(notice: str) -> None:
            console.print(notice, style="bold yellow", markup=False, soft_wrap=True)

        path = bucket.address(self._folder.path)
        path.mkdir(parents=True, exist_ok=True)
        with lock.run_folder(path, say):
            yield


def tune(
    experiment: str | Experiment,
    generator: str,
    out: epath.PathLike | None = None,
    *,
    trials: int = 16,
    budget: Budget | str | None = None,
    changes: Mapping[str, Any] | None = None,
    seed: int = SEED,
    console: Console | None = None,
) -> Search:
    """Search for a generator's config on validation prompts, or go on with a search.

    The same call always leads to the same values and scores where the budget is in steps, clips or
    FLOPs, stopped in between or not.

    Args:
        experiment: a name from ``experiments/``, a path to a Python file, or an `Experiment`.
        generator: its name.
        out: where the search is kept; ``runs/tune-<experiment>-<generator>`` by default.
        trials: trainings, that of the experiment's own config among them.
        budget: of each, instead of the experiment's.
        changes: by dotted path, see `vidgen.comparison.overrides.apply`.
        seed: of every trial's training and of the proposals.
        console: where progress is shown; none is by default.

    Raises:
        ValueError, FolderError, ImportError: see `Search`.
        vidgen.training.Interrupted: after SIGTERM or Ctrl-C during training, when all is saved.
    """
    resolved = resolve(experiment, budget=budget, generators=[generator], changes=changes)
    search = Search(resolved, generator, folder_of(resolved, generator, out), seed=seed)
    search.go_on(trials, console or Console(quiet=True))
    return search


def folder_of(
    experiment: Experiment, generator: str, out: epath.PathLike | None
) -> ComparisonFolder:
    """Where a search is kept."""
    return ComparisonFolder.at(out or f"runs/tune-{experiment.name}-{generator}")


def _trial_folder(folder: ComparisonFolder, number: int) -> ComparisonFolder:
    return ComparisonFolder(folder.path / "trials" / str(number))
