"""From a generator's pure step to the compiled programs that the loop calls."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from vidgen.contract import Phase, TrainState
from vidgen.nn import RUN_ONCE
from vidgen.training import flops
from vidgen.training.alarms import floors_of
from vidgen.training.memory import peak_bytes
from vidgen.training.placement import Placement
from vidgen.types import HostBatch, Metrics, Params

RESERVED = ("skipped", "skipped_in_a_row")
"""Metrics that the harness adds to a generator's own."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Guarded:
    """A phase's state with the count of the steps that were thrown away.

    Attributes:
        state: the phase's own, always that of the last good step.
        skipped: int32 scalar, steps skipped since the phase began.
        in_a_row: int32 scalar, steps skipped since the last good one.
    """

    state: TrainState
    skipped: Any
    in_a_row: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Programs:
    """The compiled programs of a phase. The step consumes the state it is given (donation).

    Attributes:
        step: (guarded, host_batch, key, index, progress) -> (guarded, metrics).
        loss: (guarded, host_batch, key, index, progress) -> scalar; changes nothing.
        export: guarded -> what the phase exports.
        buffers: XLA's own plan of what the step holds on a device, a `CompiledMemoryStats`; None of
            a backend that does not tell.
        init: (key, earlier) -> guarded, the state at step 0. No leaf shares its buffer with
            `earlier` or with another leaf: a shared buffer cannot be donated. None where a phase
            goes on from a checkpoint.
    """

    step: Callable[[Guarded, HostBatch, Any, Any, Any], tuple[Guarded, dict[str, Array]]]
    loss: Callable[[Guarded, HostBatch, Any, Any, Any], Array]
    export: Callable[[Guarded], Params]
    buffers: Any
    init: Callable[[Any, Mapping[str, Params]], Guarded] | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blueprint:
    """What is known of a phase before anything is compiled: shapes, and what a step costs.

    Attributes:
        earlier: abstract exports of the phases before it.
        state: abstract `Guarded`.
        export: abstract export.
        batch: abstract `HostBatch`.
        parameters: numbers that the optimiser moves.
        flops: of one step, or None where the counter does not know a primitive.
        flops_note: why there is no count.
        place: where all that lives.
    """

    phase: Phase
    earlier: Mapping[str, Params]
    state: Guarded
    export: Params
    batch: HostBatch
    parameters: int
    flops: flops.Flops | None
    flops_note: str
    place: Placement

    @property
    def working_bytes(self) -> int:
        """What a step needs beside its state and its batch, about; see `memory.peak_bytes`."""
        key = jax.eval_shape(lambda: jax.random.key(0))
        arguments = (self.state.state, self.batch, key, _INDEX, _PROGRESS)
        return peak_bytes(_unguarded(self.phase), *arguments)


def abstract(tree: Any, place: Placement | None = None) -> Any:
    """Shapes, dtypes and places of a pytree of arrays or of their shapes; by default on one device.

    The one place that says where the arrays of a state and of exports live.
    """
    place = place or Placement.of()
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place.part(x.shape)), tree
    )


def initialise(phase: Phase, key: Any, earlier: Mapping[str, Params]) -> Guarded:
    """The state at step 0, computed in one compiled call so that no leaf shares its buffer with
    `earlier` or with another leaf: a shared buffer cannot be donated.
    """
    return jax.jit(_init(phase)).lower(key, earlier).compile(RUN_ONCE)(key, earlier)


def blueprint(
    phase: Phase,
    batch: HostBatch,
    earlier: Mapping[str, Params],
    place: Placement | None = None,
) -> Blueprint:
    """Trace a phase without computing or compiling anything.

    Args:
        phase: of a generator.
        batch: a batch or its shapes.
        earlier: what the earlier phases exported, or its shapes.
        place: where it is to be trained; by default on one device.

    Raises:
        TypeError: if a step returns a state of another structure, shape or dtype than it got, or a
            metric that is no scalar.
        ValueError: if there is no metric ``loss``, or one is missing that the phase calls a sign of
            a collapse, or one has a name that the harness needs.
    """
    place = place or Placement.of()
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = abstract(jax.eval_shape(_init(phase), key, earlier), place)
    batch = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), batch)
    step = _unguarded(phase)
    arguments = (state.state, batch, key, _INDEX, _PROGRESS)
    new, metrics = jax.eval_shape(step, *arguments)
    _check_state(phase.name, state.state, new)
    _check_metrics(phase, metrics)
    try:
        cost, note = flops.count(step, *arguments), ""
    except (flops.UncountedPrimitiveError, flops.UnknownTripCountError) as error:
        cost, note = None, str(error)
    return Blueprint(
        phase=phase,
        earlier=abstract(earlier, place),
        state=state,
        export=export_shapes(phase, earlier, place),
        batch=batch,
        parameters=_size(state),
        flops=cost,
        flops_note=note,
        place=place,
    )


def parameters(phase: Phase, earlier: Mapping[str, Params]) -> int:
    """How many numbers the optimiser moves; arguments as in `blueprint`."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    return _size(jax.eval_shape(_init(phase), key, earlier))


def export_shapes(
    phase: Phase, earlier: Mapping[str, Params], place: Placement | None = None
) -> Params:
    """What a phase exports, as an abstract pytree; arguments as in `blueprint`."""
    key = jax.eval_shape(lambda: jax.random.key(0))
    shapes = jax.eval_shape(lambda k, e: phase.export(phase.init(k, e)), key, earlier)
    return abstract(shapes, place)


def compile_programs(plan: Blueprint, *, begin: bool = True) -> Programs:
    """Compile the step, the validation loss, the export and the beginning, side by side.

    Args:
        plan: of the phase.
        begin: whether its beginning is needed.
    """
    key = jax.eval_shape(lambda: jax.random.key(0))
    arguments = (plan.state, plan.batch, key, _INDEX, _PROGRESS)
    beginning: tuple[Any, ...] = (key, plan.earlier)
    # Where results go: where the next step takes its state from. One device leaves no choice.
    made: dict[str, dict[str, Any]] = {"step": {}, "loss": {}, "export": {}, "init": {}}
    if plan.place.several:
        whole, rows = plan.place.whole(), plan.place.rows()
        small = (_placed(whole, x) for x in arguments[2:])
        arguments = (plan.state, _placed(rows, plan.batch), *small)
        beginning = (_placed(whole, key), plan.earlier)
        state, export = (jax.tree.map(lambda x: x.sharding, t) for t in (plan.state, plan.export))
        places = {"step": (state, whole), "loss": whole, "export": export, "init": state}
        made = {name: {"out_shardings": where} for name, where in places.items()}
    step, loss = guarded_step(plan.phase), validation_loss(plan.phase)
    export = lambda guarded: plan.phase.export(guarded.state)  # noqa: E731
    lowered = [
        jax.jit(step, donate_argnums=0, **made["step"]).lower(*arguments),
        jax.jit(loss, **made["loss"]).lower(*arguments),
        jax.jit(export, **made["export"]).lower(plan.state),
    ]
    if begin:
        lowered.append(jax.jit(_init(plan.phase), **made["init"]).lower(*beginning))
    options: list[dict[str, Any] | None] = [None, None, None, RUN_ONCE]
    with ThreadPoolExecutor(len(lowered)) as pool:
        programs = pool.map(lambda program, how: program.compile(how), lowered, options)
        step, loss, export, *init = programs
    buffers = step.memory_analysis()
    if plan.place.several:
        step, loss = _fed(step, plan.place), _fed(loss, plan.place)
    begun = init[0] if init else None
    return Programs(step=step, loss=loss, export=export, buffers=buffers, init=begun)


def guarded_step(phase: Phase) -> Callable[..., tuple[Guarded, dict[str, Array]]]:
    """The phase's step on host batches, pure, that never leaves a good state for a bad one.

    Where a metric or a new parameter is not finite, the old state is kept whole, and the step
    counts as skipped. The choice is made on the device, where donation does not get in its way.
    """
    step = _unguarded(phase)

    def guarded(
        old: Guarded, host_batch: HostBatch, key: Any, index: Any, progress: Any
    ) -> tuple[Guarded, dict[str, Array]]:
        new, metrics = step(old.state, host_batch, key, index, progress)
        good = _finite((new.params, metrics))
        skipped = old.skipped + jnp.where(good, 0, 1)
        in_a_row = jnp.where(good, 0, old.in_a_row + 1)
        kept = jax.tree.map(lambda n, o: jnp.where(good, n, o), new, old.state)
        counts = dict(zip(RESERVED, (skipped, in_a_row), strict=True))
        return Guarded(state=kept, skipped=skipped, in_a_row=in_a_row), {**metrics, **counts}

    return guarded


def validation_loss(phase: Phase) -> Callable[..., Array]:
    """The loss of the phase's own step; the state it makes is thrown away, so that the compiler
    removes the backward pass and the update with it.
    """
    step = _unguarded(phase)

    def loss(guarded: Guarded, host_batch: HostBatch, key: Any, index: Any, progress: Any) -> Array:
        return step(guarded.state, host_batch, key, index, progress)[1]["loss"]

    return loss


_INDEX = jax.ShapeDtypeStruct((), np.int32)
_PROGRESS = jax.ShapeDtypeStruct((), np.float32)


@functools.lru_cache(maxsize=16)  # phases of a generator or several, and of a further question
def _unguarded(phase: Phase) -> Callable[..., tuple[TrainState, Metrics]]:
    # One jitted function a phase: its trace, seconds of it, is made once for all programs.
    @jax.jit
    def step(
        state: TrainState, host_batch: HostBatch, key: Any, index: Any, progress: Any
    ) -> tuple[TrainState, Metrics]:
        # Folded with the batches seen, not with state.step: a skipped step must not give its key
        # to the next one.
        return phase.step(state, host_batch.to_batch(), jax.random.fold_in(key, index), progress)

    return step


def _init(phase: Phase) -> Callable[[Any, Mapping[str, Params]], Guarded]:
    def init(key: Any, earlier: Mapping[str, Params]) -> Guarded:
        # A weak type would make the state after the first step another type than before it.
        state = jax.tree.map(lambda x: jnp.asarray(x, x.dtype), phase.init(key, earlier))
        zero = jnp.zeros((), jnp.int32)
        return Guarded(state=state, skipped=zero, in_a_row=zero)

    return init


def _placed(where: jax.sharding.Sharding, shapes: Any) -> Any:
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where), shapes)


def _fed(program: Callable[..., Any], place: Placement) -> Callable[..., Any]:
    """The program on this process's rows of a host batch."""

    def fed(guarded: Guarded, host_batch: HostBatch, *rest: Any) -> Any:
        return program(guarded, place.feed(host_batch), *rest)

    return fed


def _size(guarded: Guarded) -> int:
    return sum(x.size for x in jax.tree.leaves(guarded.state.params))


def _finite(tree: Any) -> Array:
    leaves = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(jnp.result_type(x), jnp.inexact)]
    return jnp.stack([jnp.isfinite(x).all() for x in leaves]).all()


def _check_state(phase: str, old: TrainState, new: TrainState) -> None:
    before, after = _avals(old), _avals(new)
    wrong = [
        f"{name}: {before.get(name, 'absent')} became {after.get(name, 'absent')}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    if wrong or jax.tree.structure(old) != jax.tree.structure(new):
        detail = "\n  ".join(wrong) or f"{jax.tree.structure(old)} -> {jax.tree.structure(new)}"
        raise TypeError(f"a step of phase {phase!r} must keep the types of its state\n  {detail}")


def _avals(tree: Any) -> dict[str, str]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): f"{x.dtype}{list(x.shape)}" for path, x in leaves}


def _check_metrics(phase: Phase, metrics: Metrics) -> None:
    name = phase.name
    absent = sorted({"loss", *floors_of(phase)} - set(metrics))
    if absent:
        why = "" if absent[0] == "loss" else ", which its `collapse` names"
        raise ValueError(f"phase {name!r} reports no {absent[0]!r}{why}, among {sorted(metrics)}")
    taken = sorted(set(metrics) & set(RESERVED))
    if taken:
        raise ValueError(f"phase {name!r} reports {taken}, names that the harness itself logs")
    wide = {metric: x.shape for metric, x in metrics.items() if x.shape}
    if wide:
        raise TypeError(f"phase {name!r} reports metrics that are no scalars: {wide}")
