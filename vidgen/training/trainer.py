"""Train a generator through all its phases into a run folder, and take it out again."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from vidgen import bucket
from vidgen.allocator import keep_freed_memory
from vidgen.bucket import BucketPath
from vidgen.contract import Generator, Phase
from vidgen.training import candidates as kept_candidates
from vidgen.training import fingerprint as fingerprints
from vidgen.training import lock, processes
from vidgen.training.budget import Budget
from vidgen.training.checkpoint import load_candidate, load_export, steps_in
from vidgen.training.config import TrainingConfig
from vidgen.training.cost import Cost
from vidgen.training.interrupt import listening
from vidgen.training.job import Job, MakeData, MakeValidation
from vidgen.training.manifest import standing_of
from vidgen.training.mirror import Mirror, copied, mirrored
from vidgen.training.step import export_shapes
from vidgen.types import Params


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained generator: what each phase exported, by phase name, and what it cost."""

    params: dict[str, Params]
    cost: Cost


def train(
    generator: Generator,
    *,
    name: str,
    seed: int,
    budget: Budget,
    data: MakeData,
    validation: MakeValidation,
    folder: os.PathLike[str] | str,
    fingerprint: Mapping[str, Any],
    config: TrainingConfig | None = None,
    candidates: int = 1,
    console: Console | None = None,
) -> Trained:
    """Train all phases of a generator in order, or go on where an earlier call was stopped.

    Under a budget in steps, clips or FLOPs a resumed run ends bit-equal to an undisturbed one:
    parameters, optimiser, EMA and ``metrics.jsonl``; on another kind of device, another number of
    CPU threads, devices or processes, or under other XLA flags it is refused, since the bits would
    differ; accepted, it goes on with the same clips in the same order. A finished run is only
    loaded.

    Several processes (`vidgen.training.processes.join`) that call this with the same arguments
    train together: each computes on its devices and its rows of every batch, the first one alone
    writes, and all return the same.

    Args:
        generator: what to train; a baseline has no phases and costs nothing.
        name: how it is called on the console and in ``cost.json``.
        seed: of every key and of the order of the data.
        budget: of all phases together; each gets its share.
        data: makes a phase's training batches.
        validation: makes a phase's validation batches.
        folder: the run folder, of this machine or in a bucket; see `vidgen.training.mirror`.
        fingerprint: whatever else must not change under a run (configuration, data), as plain
            JSON; versions and sources are added here.
        config: how training is watched and saved.
        candidates: exports of the last phase that are kept to be chosen from, over the second half
            of its budget; the last of them is the end. See `candidates_of`.
        console: where progress is shown; by default the standard output.

    Raises:
        Interrupted: after SIGTERM (exit code 143) or Ctrl-C (130), when all is saved.
        FingerprintError: if the folder was made with another configuration, data or code.
        LockError: if another process holds the folder, or under a budget in seconds the machine.
        CheckpointError: if a save failed, or no checkpoint of a phase can be used.
        DivergedError: if too many steps in a row were not finite.
        PlacementError: if there are too few devices, or they do not divide a phase's batch.
        OutOfMemoryError: if a phase does not fit into memory, before it trains where that can be
            told.
        ValueError: if the phases' names or shares do not fit, the budget pays for no step, or
            several processes are asked for what is of one: a budget in seconds, or a profile; or
            if, for a run folder in a bucket, they see no folder together.
        BucketError: if a bucket refuses, or cannot be reached.
        ImportError: if what a bucket needs is not installed.
    """
    config = config or TrainingConfig()
    kept_candidates.shares(candidates)  # refuses a number that cannot be meant
    screen = (console or Console()) if processes.first() else Console(quiet=True)
    phases = generator.phases()
    _check_phases(name, phases, budget)
    place = config.place()
    for phase in phases:
        place.check(phase.name, phase.batch_size)
    address = bucket.address(folder)
    if processes.count() > 1:
        _check_together(budget, config)
    address.mkdir(parents=True, exist_ok=True)

    def say(notice: str) -> None:
        screen.print(f"{name}: {notice}", style="bold yellow", markup=False, soft_wrap=True)

    keep_freed_memory()
    with contextlib.ExitStack() as stack:
        path, publish, say = _worked_on(stack, address, say)
        if budget.unit == "seconds" and config.exclusive and phases:
            stack.enter_context(lock.machine(say))
        job = Job(
            name=name,
            seed=seed,
            budget=budget,
            data=data,
            validation=validation,
            folder=path,
            fingerprint=processes.agreed(
                lambda: fingerprints.plain(
                    {
                        **fingerprint,
                        "seed": seed,
                        "budget": str(budget),
                        **({"candidates": candidates} if candidates > 1 else {}),
                        "rows": {
                            "log_every": config.log_every,
                            "validate_every": config.validate_every,
                        },
                        "machine": fingerprints.of_machine(place),
                        "code": fingerprints.of_code(generator),
                    }
                )
            ),
            config=config,
            console=screen,
            say=say,
            interrupt=stack.enter_context(listening()),
            phases=phases,
            candidates=candidates,
            place=place,
            cost=Cost(generator=name, seed=seed, budget=str(budget)),
            publish=publish,
        )
        params: dict[str, Params] = {}
        for phase in phases:
            params[phase.name] = job.train(phase, params)
        if processes.first():
            job.cost.write(path)
    return Trained(params=place.gathered(params), cost=job.cost)


def restore(
    folder: os.PathLike[str] | str, generator: Generator, *, step: int | None = None
) -> dict[str, Params]:
    """What each phase of a finished run exported, by phase name; checksums are verified.

    Args:
        folder: the run folder, of this machine or in a bucket.
        generator: built with the config and task that the run was trained with.
        step: of the candidate, or of another checkpoint of the last phase, that stands for it, see
            `candidates_of` and `checkpoints_of`; None for its end.

    Raises:
        CheckpointError: if a phase is not finished, damaged, or of another generator.
    """
    run, phases = bucket.address(folder), generator.phases()
    if isinstance(run, BucketPath):
        with copied(run, step) as local:
            return restore(local, generator, step=step)
    params: dict[str, Params] = {}
    for phase in phases:
        shapes = export_shapes(phase, params)
        params[phase.name] = load_export(run / "checkpoints" / phase.name, shapes)
        if step is not None and phase is phases[-1]:
            kept = run / kept_candidates.FOLDER / str(step)
            kept = kept if kept.exists() else run / "checkpoints" / phase.name / str(step)
            params[phase.name] = load_candidate(kept, shapes)
    return params


def candidates_of(folder: os.PathLike[str] | str) -> list[int]:
    """Steps of the last phase whose exports a run kept before its end, in order."""
    return kept_candidates.kept(bucket.address(folder))


def checkpoints_of(folder: os.PathLike[str] | str) -> dict[str, dict[int, float | None]]:
    """Steps of the checkpoints that stayed, by phase, each with its validation loss where there is
    one; which stay is said by `TrainingConfig`.
    """
    phases = sorted((bucket.address(folder) / "checkpoints").glob("*"))
    return {
        phase.name: {
            step: standing_of(phase / str(step)).validation_loss for step in steps_in(phase)
        }
        for phase in phases
    }


def _worked_on(
    stack: contextlib.ExitStack, address: Path | BucketPath, say: Callable[[str], None]
) -> tuple[Path, Callable[[Path], None] | None, Callable[[str], None]]:
    """The folder of this machine that a run folder is worked on in, what publishes a checkpoint of
    it, and what tells of it in its own name. Of several processes, the first holds the lock,
    fetches and publishes, and all write there.
    """
    mirrors: list[Mirror] = []

    def opened() -> str:
        still = stack.enter_context(lock.run_folder(address, say))
        if not isinstance(address, BucketPath):
            return str(address)
        mirrors.append(stack.enter_context(mirrored(address, say, still)))
        return str(mirrors[0].local)

    path = Path(processes.agreed(opened))
    if isinstance(address, BucketPath) and not processes.everywhere(path.is_dir()):
        raise ValueError(
            f"{processes.count()} processes that train together write one checkpoint into a folder "
            f"that all of them see, which {path}, for {address}, is not: set TMPDIR to one that is"
        )
    return (path, mirrors[0].publish, mirrors[0].say) if mirrors else (path, None, say)


def _check_together(budget: Budget, config: TrainingConfig) -> None:
    """Refuse what several processes would not do alike."""
    if budget.unit == "seconds":
        raise ValueError(
            f"a budget of {budget} is measured by the clock of one process, and "
            f"{processes.count()} train together: give steps, clips or flops"
        )
    if config.profile:
        raise ValueError(f"a profile is of one process, and {processes.count()} train together")


def _check_phases(name: str, phases: Sequence[Phase], budget: Budget) -> None:
    names = [phase.name for phase in phases]
    if len(set(names)) < len(names):
        raise ValueError(f"two phases of {name!r} bear one name: {names}")
    unfit = [phase for phase in names if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", phase)]
    if unfit:
        raise ValueError(f"a phase's name becomes a folder: {unfit} must be [a-z0-9_-]")
    shares = {phase.name: phase.share for phase in phases}
    if phases and (min(shares.values()) <= 0 or not math.isclose(sum(shares.values()), 1.0)):
        raise ValueError(f"the shares of {name!r} must be positive and sum to 1, got {shares}")
    for phase in phases if budget.unit != "flops" else ():  # whose price tracing alone tells
        budget.share(phase.share).plan(batch_size=phase.batch_size, step_flops=None)
