"""One phase of one run: taken up where it was, prepared, trained and left behind."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

from vidgen.contract import Phase, stream
from vidgen.training import fingerprint as fingerprints
from vidgen.training import processes, profiler, room
from vidgen.training.alarms import ALARM, WATCH, Watch, floors_of
from vidgen.training.budget import Budget, Plan
from vidgen.training.candidates import Candidates
from vidgen.training.checkpoint import Checkpoints
from vidgen.training.clocks import Clocks
from vidgen.training.config import TrainingConfig
from vidgen.training.cost import FILE as COST_FILE
from vidgen.training.cost import Cost, PhaseCost, devices_here, load_average
from vidgen.training.interrupt import Interrupt
from vidgen.training.loop import Run
from vidgen.training.manifest import Record
from vidgen.training.placement import Placement
from vidgen.training.progress import Display
from vidgen.training.retention import Standing
from vidgen.training.step import (
    Blueprint,
    Guarded,
    Programs,
    blueprint,
    compile_programs,
    export_shapes,
)
from vidgen.training.writers import MetricsLog, NoLog, TensorBoard, plain, read_metrics
from vidgen.types import HostBatch, Params

MakeData = Callable[[int, int], Any]
"""(batch_size, seed) to an endless, deterministic iterator of `HostBatch` with ``get_state``,
``set_state`` and orbax's ``save`` and ``load``, as grain's have. Of several processes, each gets
its contiguous rows of batches of `batch_size`, and a position that counts batches."""

MakeValidation = Callable[[int], Sequence[HostBatch]]
"""batch_size to the fixed batches of the validation loss, with the rows of all processes; none for
no validation."""


@dataclasses.dataclass(kw_only=True)
class Job:
    """What the phases of one run share; the attributes are `vidgen.training.train`'s arguments.

    Attributes:
        say: called with each notice that the user must see.
        interrupt: whether a signal has come.
        phases: all of the generator, in order.
        candidates: exports of the last phase that are kept to be chosen from, the end among them.
        place: where all phases are trained.
        log_end: bytes of the metrics log that the phases so far account for.
        cost: of the run, kept up to date.
        publish: see `Checkpoints`.
    """

    name: str
    seed: int
    budget: Budget
    data: MakeData
    validation: MakeValidation
    folder: Path
    fingerprint: dict[str, Any]
    config: TrainingConfig
    console: Console
    say: Callable[[str], None]
    interrupt: Interrupt
    phases: Sequence[Phase]
    candidates: int
    place: Placement
    log_end: int = 0
    cost: Cost
    publish: Callable[[Path], None] | None = None

    def train(self, phase: Phase, earlier: Mapping[str, Params]) -> Params:
        """Train a phase, or what is left of it, and return its export.

        Args:
            phase: of the generator.
            earlier: what the phases before it exported, by name.
        """
        with contextlib.ExitStack() as stack:
            return _PhaseJob(self, phase, earlier, stack).train()


class _PhaseJob:
    def __init__(
        self, job: Job, phase: Phase, earlier: Mapping[str, Params], stack: contextlib.ExitStack
    ) -> None:
        self.job, self.phase, self.earlier, self.stack = job, phase, earlier, stack
        self.clocks = Clocks()
        # A phase that began from another export of an earlier phase does not belong to this run.
        exports = {name: fingerprints.of_params(params) for name, params in earlier.items()}
        self.fingerprint = fingerprints.plain({**job.fingerprint, "earlier": exports})
        with self.clocks.on("checkpoint"):
            folder = job.folder / "checkpoints" / phase.name
            keep, best = job.config.keep, job.config.keep_best
            self.checkpoints = Checkpoints(
                folder, keep=keep, best=best, say=job.say, publish=job.publish
            )
            stack.callback(self.checkpoints.close)
            self.record = self.checkpoints.newest
        self.cost = PhaseCost() if self.record is None else self._cost_so_far(self.record)
        self.candidates = self._candidates()
        self.clocks.resume(self.cost.seconds)
        job.cost.phases[phase.name] = self.cost

    def train(self) -> Params:
        job, record = self.job, self.record
        if record is not None:
            job.log_end = record.metrics_bytes
            if record.complete:
                shapes = export_shapes(self.phase, self.earlier, job.place)
                return self.checkpoints.load(record.step, export=shapes)["export"]
            self.cost.resumed += 1
            job.say(f"going on with phase {self.phase.name!r} at step {record.step}")
        log = MetricsLog(job.folder, offset=job.log_end) if processes.first() else NoLog()
        self.stack.callback(log.close)
        self.cost.load_average += load_average()
        if (here := devices_here(job.place.devices)) not in self.cost.devices:
            self.cost.devices.append(here)
        title = f"{job.name} seed {job.seed} {self.phase.name}"
        display = self.stack.enter_context(Display(title, job.console))
        iterator = job.data(self.phase.batch_size, int(jax.random.bits(self._key("data"))))
        if processes.count() > 1:
            iterator = processes.Position(iterator)
        batch = _peek(iterator, job.place.processes)
        shapes = blueprint(self.phase, batch, self.earlier, job.place)
        plan = self._plan(shapes)
        needs = room.Needs.of_state(shapes)
        room.check(needs)
        with room.explained(needs):
            programs = compile_programs(shapes, begin=record is None)
        needs = room.Needs.of_step(shapes, programs.buffers)
        room.check(needs)
        run = Run(
            phase=self.phase.name,
            batch_size=self.phase.batch_size,
            programs=programs,
            plan=plan,
            data=iterator,
            validation=[job.place.own_rows(b) for b in job.validation(self.phase.batch_size)],
            step_key=job.place.everywhere(lambda: self._key("step")),
            validation_key=job.place.everywhere(lambda: self._key("validation")),
            clocks=self.clocks,
            cost=self.cost,
            log=self._row_writer(log),
            save=self._saver(programs, iterator, log),
            keep=self._keeper(programs, log),
            keep_at=self.candidates.shares if self.candidates else (),
            checkpoints=self.checkpoints,
            display=display,
            interrupt=job.interrupt,
            config=job.config,
        )
        with room.explained(needs):
            guarded = self._first_state(shapes, programs, iterator)
            if job.config.profile:
                self._trace(run, guarded)
            guarded = run.to_the_end(guarded)
        display.finish(run.last_loss, self.cost, self.clocks["train"])
        self._publish_cost()
        job.log_end = log.offset
        return programs.export(guarded)

    def _key(self, purpose: str) -> Any:
        return stream(self.job.seed, self.phase.name, purpose)

    def _candidates(self) -> Candidates | None:
        """Where the candidates of this phase are kept; None where there are none to keep."""
        job, record = self.job, self.record
        done = record is not None and record.complete
        if job.candidates == 1 or done or self.phase.name != job.phases[-1].name:
            return None
        since = 0 if record is None else record.step
        found = Candidates(
            job.folder, count=job.candidates, since=since, say=job.say, publish=job.publish
        )
        self.stack.callback(found.close)
        return found

    def _cost_so_far(self, record: Record) -> PhaseCost:
        """The cost of the checkpoint, if it belongs to this run or is accepted all the same."""
        where = f"phase {record.phase!r}, step {record.step}"
        changes = fingerprints.differences(record.fingerprint, self.fingerprint)
        if changes and not self.job.config.accept_changes:
            lines = "\n  ".join(changes)
            raise fingerprints.FingerprintError(
                f"{self.job.folder} was made with something else ({where}):\n  {lines}\n"
                "Train into another folder, or set accept_changes, which is recorded"
            )
        cost = PhaseCost(**record.cost)
        if record.complete and (self.job.folder / COST_FILE).exists():
            # Written after the last checkpoint, so that it knows what that one cost.
            cost = Cost.read(self.job.folder).phases.get(self.phase.name, cost)
        if changes:
            self.job.say(f"accepted at {where}: {'; '.join(changes)}")
            accepted = [f"{where}: {change}" for change in changes]
            cost.accepted += [line for line in accepted if line not in cost.accepted]
        return cost

    def _plan(self, shapes: Blueprint) -> Plan:
        cost = self.cost
        cost.parameters, cost.flops_note = shapes.parameters, shapes.flops_note
        if shapes.flops is not None:
            cost.model_flops, cost.optimizer_flops = shapes.flops.model, shapes.flops.optimizer
        elif self.job.budget.unit == "flops":
            raise ValueError(
                f"phase {self.phase.name!r} cannot have a budget in FLOPs: {shapes.flops_note}"
            )
        share = self.job.budget.share(self.phase.share)
        return share.plan(batch_size=self.phase.batch_size, step_flops=cost.step_flops)

    def _first_state(self, shapes: Blueprint, programs: Programs, iterator: Any) -> Guarded:
        if self.record is None:
            assert programs.init is not None  # compiled whenever there is no record
            key = self.job.place.everywhere(lambda: self._key("init"))
            return programs.init(key, self.earlier)
        with self.clocks.on("checkpoint"):
            return self.checkpoints.load(self.record.step, iterator, state=shapes.state)["state"]

    def _trace(self, run: Run, guarded: Guarded) -> None:
        folder = self.job.folder / profiler.FOLDER
        with self.clocks.on("profile"):
            found = profiler.trace(folder / run.phase, run, guarded)
        self.job.say(
            f"profile of phase {run.phase!r}: open {found} at https://ui.perfetto.dev, or after "
            f"`pip install xprof` run `xprof --logdir {shlex.quote(str(folder))}`"
        )

    def _row_writer(self, log: MetricsLog | NoLog) -> Callable[[int, str, Mapping[str, Any]], None]:
        job, phase = self.job, self.phase.name
        if not processes.first():
            return lambda step, split, values: log.write(phase, step, split, values)
        board = None
        if job.config.tensorboard and TensorBoard.installed():
            board = TensorBoard(job.folder, phase, self.cost.steps)
            self.stack.callback(board.close)
        watch, said = self._watch(log), set[tuple[str, str]]()

        def write(step: int, split: str, values: Mapping[str, Any]) -> None:
            log.write(phase, step, split, values)
            if board is not None:
                board.write(step, split, values)
            for alarm in watch.see(step, split, plain(values)):
                log.note(phase, step, ALARM, alarm.row())
                if (alarm.what, alarm.metric) not in said:
                    said.add((alarm.what, alarm.metric))
                    job.say(f"alarm in phase {phase!r} at step {step}: {alarm}")

        return write

    def _watch(self, log: MetricsLog | NoLog) -> Watch:
        """What raises alarms, when it has seen what the log holds of this phase."""
        phase, floors = self.phase.name, floors_of(self.phase)
        rows = [row for row in read_metrics(self.job.folder) if row["phase"] == phase]
        if not any(row["split"] == WATCH for row in rows):
            log.note(phase, self.cost.steps, WATCH, floors)
        watch = Watch(floors)
        for row in rows:
            watch.see(row["step"], row["split"], row)
        return watch

    def _saver(
        self, programs: Programs, iterator: Any, log: MetricsLog | NoLog
    ) -> Callable[[Guarded, bool, Standing], None]:
        def save(guarded: Guarded, complete: bool, standing: Standing) -> None:
            self.cost.skipped = int(guarded.skipped)
            if complete:
                self.cost.load_average += load_average()
            self._publish_cost()
            record = self._record_now(log, complete=complete, standing=standing)
            export = programs.export(guarded)
            self.checkpoints.save(record, state=guarded, export=export, data=iterator)

        return save

    def _keeper(self, programs: Programs, log: MetricsLog | NoLog) -> Callable[[Guarded], None]:
        def keep(guarded: Guarded) -> None:
            assert self.candidates is not None  # or no share is ever reached
            record = self._record_now(log, complete=False, standing=Standing())
            self.candidates.keep(record, programs.export(guarded))

        return keep

    def _record_now(self, log: MetricsLog | NoLog, *, complete: bool, standing: Standing) -> Record:
        return Record(
            phase=self.phase.name,
            step=self.cost.steps,
            complete=complete,
            metrics_bytes=log.offset,
            fingerprint=self.fingerprint,
            cost=dataclasses.asdict(self.cost),
            standing=standing,
        )

    def _publish_cost(self) -> None:
        self.cost.seconds = self.clocks.read()
        if processes.first():
            self.job.cost.write(self.job.folder)


def _peek(iterator: Any, parts: int) -> HostBatch:
    """The shapes of batches of which the iterator gives one of `parts` equal parts of the rows; it
    stays where it was.
    """
    start = iterator.get_state()
    batch = next(iterator)
    iterator.set_state(start)

    def whole(x: Any) -> jax.ShapeDtypeStruct:
        rows, *rest = np.shape(x)
        return jax.ShapeDtypeStruct((parts * rows, *rest), np.asarray(x).dtype)

    return jax.tree.map(whole, batch)
