"""What training will cost, before anything is computed or compiled."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from vidgen.contract import Generator
from vidgen.training.budget import Budget
from vidgen.training.memory import size_of
from vidgen.training.step import blueprint, export_shapes, parameters
from vidgen.types import HostBatch, Images, Layout, Params, Task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one phase will cost.

    Attributes:
        phase: its name.
        parameters: numbers that the optimiser moves.
        batch_size: clips a step.
        model_flops: of one step; None where the counter does not know a primitive.
        optimizer_flops: of one step; None likewise.
        steps: how many, or None under a budget in seconds.
        seconds: of training, or None under any other budget. Compiling, validating and saving come
            on top.
        state_bytes: of weights, their average, the optimiser's memory and what is carried along.
        working_bytes: that a step needs besides, by `memory.peak_bytes`; None where steps are not
            traced.
    """

    phase: str
    parameters: int
    batch_size: int
    model_flops: int | None
    optimizer_flops: int | None
    steps: int | None
    seconds: float | int | None
    state_bytes: int | None = None
    working_bytes: int | None = None

    @property
    def step_flops(self) -> int | None:
        """Of one step, the optimiser's included."""
        if self.model_flops is None or self.optimizer_flops is None:
            return None
        return self.model_flops + self.optimizer_flops

    def __str__(self) -> str:
        facts = [f"{self.phase}: {self.parameters / 1e6:.2f}M parameters"]
        a_step = self.step_flops
        if a_step is not None:
            facts.append(f"{a_step / 1e9:.3g} GFLOP a step of {self.batch_size} clips")
            if self.steps is not None:
                facts.append(f"{a_step * self.steps:.3g} FLOP in all")
        if self.steps is not None:
            facts.append(f"{self.steps} steps")
        if self.seconds is not None:
            facts.append(f"{self.seconds:g} s of training, compilation apart")
        return ", ".join(facts)


def estimate(
    generator: Generator, task: Task, budget: Budget, *, count: bool = True
) -> list[Estimate]:
    """What each phase will cost. Computes nothing.

    Args:
        generator: what is to be trained.
        task: the one that the generator was built for.
        budget: of all phases together.
        count: whether FLOPs are counted, for which every step is traced: seconds of work, which a
            budget in FLOPs cannot do without.

    Raises:
        ValueError: if the budget does not pay for one step of some phase.
    """
    estimates: list[Estimate] = []
    earlier: dict[str, Params] = {}
    for phase in generator.phases():
        held: int | None = None
        working: int | None = None
        if count:
            shapes = blueprint(phase, _batch(task, phase.batch_size), earlier)
            cost, moved, export = shapes.flops, shapes.parameters, shapes.export
            held, working = size_of(shapes.state), shapes.working_bytes
        else:
            cost, moved = None, parameters(phase, earlier)
            export = export_shapes(phase, earlier)
        earlier[phase.name] = export
        plan = budget.share(phase.share).plan(
            batch_size=phase.batch_size, step_flops=None if cost is None else cost.required
        )
        estimates.append(
            Estimate(
                phase=phase.name,
                parameters=moved,
                batch_size=phase.batch_size,
                model_flops=None if cost is None else cost.model,
                optimizer_flops=None if cost is None else cost.optimizer,
                steps=plan.steps,
                seconds=plan.seconds,
                state_bytes=held,
                working_bytes=working,
            )
        )
    return estimates


def exports(generator: Generator) -> dict[str, Params]:
    """What each phase will export, as shapes. Computes nothing."""
    found: dict[str, Params] = {}
    for phase in generator.phases():
        found[phase.name] = export_shapes(phase, found)
    return found


def _batch(task: Task, size: int) -> HostBatch:
    def shape(*axes: int, dtype: type[np.generic]) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((size, *axes), dtype)

    return HostBatch(
        video=shape(*task.video_shape, dtype=np.uint8),
        text=shape(task.text_length, task.text_width, dtype=np.float32),
        text_mask=shape(task.text_length, dtype=np.bool_),
        context_mask=shape(task.context_frames, dtype=np.bool_),
        images=Images(
            pixels=shape(task.images, *task.video_shape[1:], dtype=np.uint8),
            text=shape(task.images, task.text_length, task.text_width, dtype=np.float32),
            text_mask=shape(task.images, task.text_length, dtype=np.bool_),
        )
        if task.images
        else None,
        layout=Layout(
            boxes=shape(task.frames, task.objects, 4, dtype=np.float32),
            mask=shape(task.frames, task.objects, dtype=np.bool_),
            kind=shape(task.objects, task.text_width, dtype=np.float32),
        )
        if task.objects
        else None,
    )
