"""A profiler trace of a few training steps, for `--profile`: where the time of a step goes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vidgen.training.loop import Run
from vidgen.training.step import Guarded

FOLDER = "profile"
WARM_UPS = 3
STEPS = 5
"""Enough to tell a step from an accident, few enough to be read."""


def trace(folder: Path, run: Run, guarded: Guarded) -> Path:
    """Trace the next `STEPS` steps of a phase, after `WARM_UPS` others, and take them all back.

    They are the steps that training is about to take, but on a copy of the state, and the data goes
    back to where it was: training never knows. For a moment the device holds the state twice.

    Args:
        folder: where the trace goes; an older one there is replaced once the new one is whole.
        run: of the phase, before `Run.to_the_end`.
        guarded: the state, which is left alone.

    Returns:
        The file for https://ui.perfetto.dev; around it lies what TensorBoard's profiler reads.
    """
    draft = folder.with_name(folder.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)  # of a process that was killed here
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0  # it slows the host down until the device seems to wait for it
    data: Any = run.data
    position = data.get_state()
    copy = jax.jit(lambda tree: jax.tree.map(jnp.copy, tree))(guarded)  # steps consume their state
    first = run.cost.steps
    for step in range(first, first + WARM_UPS):
        copy = _step(run, copy, step)
    jax.block_until_ready(copy)
    with jax.profiler.trace(draft, create_perfetto_trace=True, profiler_options=options):
        for step in range(first + WARM_UPS, first + WARM_UPS + STEPS):
            with jax.profiler.StepTraceAnnotation("train", step_num=step):
                copy = _step(run, copy, step)
        with jax.profiler.TraceAnnotation("wait for the device"):
            jax.block_until_ready(copy)
    data.set_state(position)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(draft, folder)
    (found,) = folder.rglob("perfetto_trace.json.gz")
    return found


def _step(run: Run, guarded: Guarded, step: int) -> Guarded:
    progress = run.plan.progress(step, run.clocks["train"])
    with jax.profiler.TraceAnnotation("next batch"):
        batch = next(run.data)
    with jax.profiler.TraceAnnotation("dispatch"):
        now = np.int32(step), np.float32(progress)
        return run.programs.step(guarded, batch, run.step_key, *now)[0]
