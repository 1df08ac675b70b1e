"""Every registered generator, tiny, compiled once for all contract tests."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from vidgen import registry
from vidgen.types import Batch, Condition, Layout

NAMES = registry.names()
STEPS = 24


def make_batch(task, count: int, seed: int = 0) -> Batch:
    """Clips of a bright bar that moves, with random words; every other one gives its frame, and
    all but every third one the bar's place, if the task has layouts.
    """
    key = jax.random.key(seed)
    text = jax.random.normal(jax.random.fold_in(key, 1), (count, task.text_length, task.text_width))
    where = jax.random.randint(jax.random.fold_in(key, 2), (count,), 0, task.width - 6)
    columns = jnp.arange(task.width)[None, None, :] - where[:, None, None]
    shifted = columns - jnp.arange(task.frames)[None, :, None]
    bright = ((shifted >= 0) & (shifted < 4)).astype(jnp.float32) * 2.0 - 1.0
    video = jnp.broadcast_to(bright[:, :, None, :, None], (count, *task.video_shape))
    words = jnp.arange(task.text_length)[None, :] < 2 + jnp.arange(count)[:, None] % 3
    given = jnp.broadcast_to(jnp.arange(count)[:, None] % 2 == 0, (count, task.context_frames))
    context = video[:, : task.context_frames]
    layout = None
    if task.objects:
        left = (where[:, None] + jnp.arange(task.frames)[None]) / task.width
        top, right = jnp.zeros_like(left), left + 4.0 / task.width
        boxes = jnp.stack([top, left, top + 1.0, right], axis=-1)[:, :, None]
        boxes = jnp.tile(boxes, (1, 1, task.objects, 1))
        shown = jnp.arange(count)[:, None, None] % 3 > 0
        # The last object of a layout may be missing.
        shown = shown & (jnp.arange(task.objects) < max(task.objects - 1, 1))[None, None]
        shown = jnp.broadcast_to(shown, boxes.shape[:3])
        kind = jax.random.normal(jax.random.fold_in(key, 3), (count, task.objects, task.text_width))
        layout = Layout.of(boxes, shown, kind)
    return Batch(video=video, condition=Condition.of(text, words, context, given, layout))


@dataclasses.dataclass
class Trained:
    """A tiny generator after some steps on one repeated batch for each phase."""

    name: str
    generator: Any
    phases: list[Any]
    initial: dict[str, Any]
    states: dict[str, Any]
    losses: dict[str, list[float]]
    metrics: dict[str, dict[str, Any]]
    traces: dict[str, int]
    params: dict[str, Any]
    sample: Any


@functools.cache
def trained(name: str, task) -> Trained:
    entry = registry.entry(name)
    generator = entry.build(task, entry.config.tiny())
    phases = list(generator.phases())
    run = Trained(name, generator, phases, {}, {}, {}, {}, {}, {}, jax.jit(generator.sample))
    for phase in phases:
        count = {"traces": 0}

        def step(state, batch, key, progress, phase=phase, count=count):
            count["traces"] += 1
            return phase.step(state, batch, key, progress)

        jitted = jax.jit(step)
        state = jax.jit(phase.init)(jax.random.key(1), dict(run.params))
        run.initial[phase.name] = state
        batch = make_batch(task, phase.batch_size)
        run.losses[phase.name], metrics = [], {}
        for i in range(STEPS):
            key = jax.random.fold_in(jax.random.key(2), i)
            state, metrics = jitted(state, batch, key, jnp.float32(0.2 + 0.5 * i / STEPS))
            run.losses[phase.name].append(float(metrics["loss"]))
        run.metrics[phase.name] = jax.device_get(metrics)
        run.states[phase.name] = state
        run.traces[phase.name] = count["traces"]
        run.params[phase.name] = jax.jit(phase.export)(state)
    return run


@pytest.fixture(scope="session")
def task(task):
    """The smallest task, with layouts of up to two objects."""
    return dataclasses.replace(task, objects=2)


@pytest.fixture(params=NAMES)
def run(request, task) -> Trained:
    """Each registered generator, trained for some steps."""
    return trained(request.param, task)


@pytest.fixture
def condition(task) -> Condition:
    """Four prompts: with and without the first frame, captions of different lengths."""
    return make_batch(task, 4, seed=7).condition


@pytest.fixture
def keys():
    """One key a clip."""
    return jax.random.split(jax.random.key(3), 4)


@pytest.fixture
def batch_of():
    """`make_batch`."""
    return make_batch
