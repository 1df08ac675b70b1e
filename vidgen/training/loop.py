"""The one training loop: a phase of any generator, from a state to the end of its budget.

The order within one turn is the contract:

1. The step is dispatched. Nothing waits for it; at most `IN_FLIGHT` steps are ever unfinished.
2. Older steps settle: their metrics are read, logged, and watched for skips. A row belongs to the
   step that made it (it is no average), so a resumed log is bit-equal.
3. Validation comes before saving, so that the rows of a checkpoint's own step are in its log.
4. A candidate comes before the checkpoint, so that no run goes on from a step whose candidate was
   lost.
5. The checkpoint comes before leaving, so that an interrupted run loses nothing.

Before 3, 4 and 5 all steps settle, so that no clock runs on another's work.
"""

from __future__ import annotations

import dataclasses
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from vidgen.training import processes
from vidgen.training.budget import Plan, crossed
from vidgen.training.candidates import reached
from vidgen.training.checkpoint import Checkpoints
from vidgen.training.clocks import Clocks
from vidgen.training.config import TrainingConfig
from vidgen.training.cost import PhaseCost
from vidgen.training.interrupt import Interrupt, Interrupted
from vidgen.training.progress import Display
from vidgen.training.retention import Standing
from vidgen.training.step import Guarded, Programs
from vidgen.types import HostBatch

IN_FLIGHT = 2
"""Steps that may be unfinished: enough to hide the host's work, too few to outrun the clock."""


class DivergedError(RuntimeError):
    """Too many steps in a row were not finite; the state after the last good one is saved."""


@dataclasses.dataclass(kw_only=True)
class Run:
    """Everything that the loop of one phase works with.

    Attributes:
        phase: its name.
        programs: compiled step, validation loss and export.
        plan: when the phase ends.
        batch_size: clips a step.
        data: the iterator of host batches, at the position of the state; this process's rows.
        validation: the fixed host batches of the validation loss, likewise; may be empty.
        step_key: root of the steps' keys.
        validation_key: root of the validation's keys: the same noise each time.
        clocks: of this phase.
        cost: of this phase, kept up to date.
        log: called with (step, split, values) for each row.
        save: called with (guarded, complete, standing) to start a checkpoint.
        keep: called with the guarded state to keep a candidate.
        keep_at: shares of the phase at which one is kept.
        checkpoints: polled for failed saves.
        display: what a person sees.
        interrupt: whether a signal has come.
        config: how often to log, validate and save, and when to give up.
        last_loss: of the last row that was read.
        in_flight: (step, metrics) of the steps that are not known to be finished.
    """

    phase: str
    programs: Programs
    plan: Plan
    batch_size: int
    data: Iterator[HostBatch]
    validation: Sequence[HostBatch]
    step_key: Any
    validation_key: Any
    clocks: Clocks
    cost: PhaseCost
    log: Callable[[int, str, dict[str, Any]], None]
    save: Callable[[Guarded, bool, Standing], None]
    keep: Callable[[Guarded], None]
    keep_at: tuple[float, ...]
    checkpoints: Checkpoints
    display: Display
    interrupt: Interrupt
    config: TrainingConfig
    last_loss: float | None = None
    in_flight: deque[tuple[int, dict[str, jax.Array]]] = dataclasses.field(default_factory=deque)

    def to_the_end(self, guarded: Guarded) -> Guarded:
        """Train until the budget is spent, and return the last state, which is saved as complete.

        Raises:
            Interrupted: after a signal, when the state is saved.
            DivergedError: after `max_skipped` skipped steps in a row; the last good state is saved.
            CheckpointError: if a save failed.
        """
        step = self.cost.steps
        progress = self.plan.progress(step, self.clocks["train"])
        while progress < 1.0:
            with self.clocks.on("train"):
                now = np.int32(step), np.float32(progress)
                guarded, metrics = self.programs.step(guarded, next(self.data), self.step_key, *now)
                step += 1
                self.in_flight.append((step, metrics))
                diverged = self._settle(IN_FLIGHT)
                before, progress = progress, self.plan.progress(step, self.clocks["train"])
                interrupted = self._interrupted(step)
                leave = diverged or interrupted is not None or progress >= 1.0
                validate = crossed(before, progress, self.config.validate_every)
                regular = crossed(before, progress, self.config.checkpoint_every)
                save = leave or regular
                keep = reached(before, progress, self.keep_at)
                if validate or save or keep:
                    diverged |= self._settle(0)
            self.cost.steps, self.cost.clips = step, step * self.batch_size
            self.checkpoints.check()
            with self.clocks.on("log"):
                self.display.update(progress, self.last_loss, self.cost, self.clocks["train"])
            loss = self._validate(guarded, step, progress) if validate else None
            if keep:
                with self.clocks.on("checkpoint"):
                    self.keep(guarded)
            if save or diverged:
                with self.clocks.on("checkpoint"):
                    every = self.config.keep_every
                    lasting = every > 0 and regular and crossed(before, progress, every)
                    standing = Standing(regular=regular, lasting=lasting, validation_loss=loss)
                    self.save(guarded, progress >= 1.0, standing)
                    if leave:
                        self.checkpoints.wait()
            if diverged:
                raise DivergedError(
                    f"phase {self.phase!r}: {self.config.max_skipped} steps in a row were not "
                    f"finite, up to step {step}; the last good state is saved. A lower learning "
                    "rate or gradient clipping is the usual remedy"
                )
            if interrupted is not None:
                raise Interrupted(interrupted, f"in phase {self.phase!r}, step {step}")
        return guarded

    def _settle(self, unfinished: int) -> bool:
        """Wait until at most so many steps are unfinished; whether too many were skipped."""
        diverged = False
        while len(self.in_flight) > unfinished:
            step, metrics = self.in_flight.popleft()
            in_a_row = int(metrics["skipped_in_a_row"])  # waits until the step is finished
            diverged |= in_a_row >= self.config.max_skipped
            if step % self.config.log_every == 0:
                with self.clocks.on("log"):
                    values = jax.device_get(metrics)
                    self.last_loss = float(values["loss"])
                    self.cost.skipped = int(values["skipped"])
                    self.cost.timeline.append([step, round(self.clocks["train"], 3)])
                    self.log(step, "train", values)
        return diverged

    def _interrupted(self, step: int) -> signal.Signals | None:
        if processes.count() == 1:
            return self.interrupt.received
        # All must leave after the same step. To ask waits for the step, so it is asked where rows
        # are logged, which wait too.
        logged = step % self.config.log_every == 0
        return processes.signalled(self.interrupt.received) if logged else None

    def _validate(self, guarded: Guarded, step: int, progress: float) -> float | None:
        """The mean loss, which is logged; None without validation, or if it is not finite."""
        if not self.validation:
            return None
        with self.clocks.on("validate"):
            losses = [
                self.programs.loss(
                    guarded, batch, self.validation_key, np.int32(i), np.float32(progress)
                )
                for i, batch in enumerate(self.validation)
            ]
            mean = np.mean(jax.device_get(losses), dtype=np.float64)
        with self.clocks.on("log"):
            self.log(step, "validation", {"loss": mean})
        return float(mean) if np.isfinite(mean) else None
