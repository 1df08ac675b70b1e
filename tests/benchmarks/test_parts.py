"""A step in parts is the step of the whole batch: its gradients, what it logs, and what it carries.

With options that compare rows with one another, or draw for them: quantizers whose charges and
codebooks are of the batch, LPIPS, exposure, latents, augmentation, forcing. In float64, by the
helpers of benchmarks/devices.py.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from vidgen import registry
from vidgen.nn import FSQ, LFQ, VQ
from vidgen.tokenizers.config import PerceptualLoss
from vidgen.training.step import guarded_step, initialise

pytestmark = pytest.mark.slow

_B = 4

_ROUNDING, _FLOAT32 = 1e-12, 1e-5
"""Where all is float64, and where attention takes its softmax in float32."""

CASES = {
    "exposure": (
        "autoregressive",
        {"prior": {"context_noise": 0.5, "scheduled_sampling": 0.5}},
        "prior",
    ),
    "vq": ("autoregressive", {"tokenizer": {"quantizer": VQ(size=16, width=4)}}, "tokenizer"),
    "lfq": ("autoregressive", {"tokenizer": {"quantizer": LFQ(bits=4)}}, "tokenizer"),
    "fsq": ("autoregressive", {"tokenizer": {"quantizer": FSQ(levels=(5, 4))}}, "tokenizer"),
    "lpips": ("autoregressive", {"tokenizer": {"perceptual": PerceptualLoss()}}, "tokenizer"),
    "residual": ("masked", {"residual": True}, "tokenizer"),
    "masked": ("masked", {}, "prior"),
    "latents": ("diffusion", {"space": "latents"}, "denoiser"),
    "forcing": ("diffusion", {"frame_levels": "independent"}, "denoiser"),
    "gan": ("gan", {"augment": ("colour", "translation", "cutout")}, "adversarial"),
}


def changed(config, changes):
    for name, value in changes.items():
        if isinstance(value, dict):
            value = changed(getattr(config, name), value)
        config = dataclasses.replace(config, **{name: value})
    return config


@pytest.fixture(scope="module")
def devices(load_benchmark):
    return load_benchmark("devices")


@pytest.mark.parametrize("case", CASES)
def test_a_step_in_parts_is_that_of_the_whole_batch(case, devices):
    name, changes, wanted = CASES[case]
    settings = devices.Settings(steps=1, plain=True, precisions=(64,), batch_size=_B)
    entry = registry.entry(name)
    config = devices.adapted(changed(entry.config.tiny(), changes), settings)
    whole = entry.build(devices.TASK, config).phases()
    parts = entry.build(devices.TASK, devices.in_parts(config)).phases()
    earlier = {}
    for phase in whole:
        begun = devices.stirred(initialise(phase, jax.random.key(1), earlier))
        earlier[phase.name] = phase.export(begun.state)
        if phase.name == wanted:
            break
    else:
        pytest.fail(f"no phase {wanted}")
    begun = jax.device_get(begun)
    in_parts = next(part for part in parts if part.name == wanted)
    (one, logged), (other, logged_too) = (after(devices, p, begun) for p in (phase, in_parts))

    moved = devices.apart(leaves(one.state.opt_state), leaves(begun.state.opt_state))
    assert moved > 1e-3  # a step that was skipped is like any other
    bound = _FLOAT32 if wanted == "prior" else _ROUNDING
    assert devices.apart(leaves(other.state.opt_state), leaves(one.state.opt_state)) < bound
    if leaves(one.state.rest):
        assert devices.apart(leaves(other.state.rest), leaves(one.state.rest)) < bound
    assert logged.keys() == logged_too.keys()
    for key, value in logged.items():
        np.testing.assert_allclose(logged_too[key], value, rtol=bound, atol=1e-12, err_msg=key)


def after(devices, phase, begun):
    """The state after one step, and what was logged."""
    with jax.enable_x64(True):
        step = jax.jit(guarded_step(devices.Wide(phase)))
        progress, batch = np.float32(0.5), devices.batch(_B, 0)
        return jax.device_get(
            step(devices.wide(begun), batch, jax.random.key(2), np.int32(0), progress)
        )


def leaves(tree):
    """The arrays of numbers that are not whole."""
    found = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    return [leaf for leaf in found if np.issubdtype(leaf.dtype, np.floating)]
