"""Phases of denoisers, whose losses are means over rows, take the same step in parts."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from vidgen import nn
from vidgen.denoising import Cascade, DenoisingConfig, DenoisingPhase, Flow
from vidgen.generators.meanflow import MeanFlowConfig
from vidgen.generators.meanflow.phase import MeanFlowPhase
from vidgen.types import Batch, Condition, Images


def _batch(task, count):
    draw = iter(jax.random.split(jax.random.key(0), 8))
    words = (task.text_length, task.text_width)
    shown = lambda *axes: jnp.ones((count, *axes), bool)  # noqa: E731
    video = jax.random.uniform(next(draw), (count, *task.video_shape), minval=-1, maxval=1)
    text = jax.random.normal(next(draw), (count, *words))
    images = Images(
        pixels=jax.random.uniform(next(draw), (count, task.images, *task.video_shape[1:])),
        text=jax.random.normal(next(draw), (count, task.images, *words)),
        text_mask=shown(task.images, task.text_length),
    )
    condition = Condition.of(text, shown(task.text_length), video[:, :0], shown(0))
    return Batch(video=video, condition=condition, images=images if task.images else None)


class Plain(nnx.Module):
    """A denoiser that compiles in a blink, and looks at all that it is given."""

    def __init__(self, task, *, rngs):
        self.told = nnx.Linear(task.text_width, 1, rngs=rngs)
        self.pixel = nnx.Linear(task.channels, task.channels, rngs=rngs)

    def __call__(self, x, t, condition, moved=None, interval=0.0):
        steer = self.told(condition.text).mean(axis=(1, 2)) + t + interval
        return self.pixel(x) * steer[:, None, None, None, None]


def _step(stage, network):
    return DenoisingPhase(stage, network, Flow(0.0, 1.0))


def _mean_flow_step(stage, network):
    return MeanFlowPhase(stage, network, MeanFlowConfig.tiny(), guidance=1.0)


@pytest.mark.parametrize(("images", "phase_of"), [(0, _step), (2, _step), (0, _mean_flow_step)])
def test_a_step_in_parts_is_the_step(task, images, phase_of):
    """Of flow matching, with single frames beside clips and without, and of mean flow."""
    task = dataclasses.replace(task, context_frames=0, images=images)
    config = dataclasses.replace(DenoisingConfig.tiny(), network="unet", joint_images=images > 0)
    whole, after, loops = _batch(task, 4), [], []
    for parts in (1, 2):
        stage = Cascade(dataclasses.replace(config, microbatches=parts), task).clips
        stage = dataclasses.replace(stage, motion=None)
        phase = phase_of(stage, nn.Network(lambda rngs: Plain(task, rngs=rngs)))
        state = jax.jit(phase.init)(jax.random.key(0), {})
        arguments = (state, whole, jax.random.key(1), jnp.float32(0.1))
        loops.append(str(jax.make_jaxpr(phase.step)(*arguments)).count("scan["))
        new, metrics = jax.jit(phase.step)(*arguments)
        after.append((new.opt_state, metrics))
    assert loops[0] < loops[1]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), *after)
