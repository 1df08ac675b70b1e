"""What a denoiser predicts, in what its error is measured, and how the error is weighted."""

from __future__ import annotations

import dataclasses
import itertools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.denoising import Flow, Gaussian, convert, min_snr_weight
from vidgen.denoising.objective import QUANTITIES
from vidgen.generators.diffusion import Diffusion, DiffusionConfig
from vidgen.generators.diffusion.config import process_of
from vidgen.types import Condition

PATHS = {"flow": Flow(1.4, 1.2), "cosine": Gaussian("cosine", 1000)}


def parts(process, t):
    """A clip, noise, the noisy clip and its velocity, of one pixel at each time."""
    clip, noise = jnp.linspace(-0.8, 0.9, len(t)), jnp.linspace(1.5, -0.7, len(t))
    a, b = process.level(t)
    velocity = process.target(clip, noise, t)
    return a * clip + b * noise, {"velocity": velocity, "x": clip, "epsilon": noise}


@pytest.mark.parametrize("path", PATHS)
def test_each_quantity_gives_the_others(path):
    process, t = PATHS[path], jnp.array([0.1, 0.4, 0.7, 0.9])
    x, known = parts(process, t)
    for given, wanted in itertools.product(QUANTITIES, repeat=2):
        found = convert(process, x, known[given], t, given=given, wanted=wanted)
        np.testing.assert_allclose(found, known[wanted], atol=1e-4, err_msg=f"{given}, {wanted}")


@pytest.mark.parametrize("path", PATHS)
def test_min_snr_weighs_every_quantity_as_it_does_the_clip(path):
    """By its definition: the error of a clip weighs min(SNR, gamma), wherever it is measured."""
    process, t, gamma = PATHS[path], jnp.array([0.1, 0.3, 0.5, 0.9]), 5.0
    x, known = parts(process, t)
    a, b = (np.asarray(part) for part in process.level(t))
    snr = a**2 / b**2
    assert (snr > gamma).any()
    assert (snr < gamma).any()
    error = 0.3
    expected = np.minimum(snr, gamma) * error**2
    for quantity in QUANTITIES:
        wrong = convert(process, x, known["x"] + error, t, given="x", wanted=quantity)
        weight = min_snr_weight(process, quantity, t, gamma)
        weighted = weight * jnp.square(wrong - known[quantity])
        np.testing.assert_allclose(weighted, expected, rtol=1e-3, err_msg=quantity)
    if path == "cosine":
        velocity = min_snr_weight(process, "velocity", t, gamma)
        np.testing.assert_allclose(velocity, np.minimum(snr, gamma) / (snr + 1.0), rtol=1e-4)
    # At both ends, where SNR is 0 or infinite.
    ends = [min_snr_weight(process, q, jnp.array([0.0, 1.0]), gamma) for q in ("x", "epsilon")]
    np.testing.assert_allclose(ends, [[gamma, 0.0], [0.0, 1.0]], atol=1e-4)


@pytest.mark.parametrize(
    ("process", "prediction", "loss", "gamma"),
    [
        ("flow", "velocity", "velocity", None),
        ("flow", "epsilon", "epsilon", 3.0),
        ("flow", "x", "x", None),
        ("gaussian", "x", "velocity", 3.0),
        ("gaussian", "epsilon", "x", 0.01),
    ],
)
def test_loss_compares_what_the_config_says(task, monkeypatch, process, prediction, loss, gamma):
    """With a network that predicts a constant, from the formulas of the papers."""
    config = dataclasses.replace(
        DiffusionConfig.tiny(),
        process=process,
        prediction=prediction,
        loss=loss,
        min_snr=gamma,
        time_std=0.7,  # so that no bound is reached
    )
    phase = Diffusion(config, task).phases()[1]
    constant = lambda params: lambda x, *seen: jnp.full_like(x, 0.2)  # noqa: E731
    monkeypatch.setattr(phase, "_network", SimpleNamespace(bind=constant))
    key, shape = jax.random.key(3), (6, 2, *task.video_shape[1:])
    clip = jax.random.uniform(jax.random.key(0), shape, minval=-0.9, maxval=0.9)
    nothing = Condition.of(
        jnp.zeros((6, task.text_length, task.text_width)),
        jnp.zeros((6, task.text_length), bool),
        clip[:, :1],
        jnp.ones((6, 1), bool),
    )
    found = phase._loss({}, clip, nothing, None, *phase._drawn(key, clip, nothing))

    for_time, for_noise = jax.random.split(key)
    path = process_of(dataclasses.replace(config, time_mean=config.opening_time_mean), task)
    t = path.draw(for_time, 6)
    a, b = (np.asarray(part, np.float64).reshape(6, 1, 1, 1, 1) for part in path.level(t))
    x0, noise = np.asarray(clip), np.asarray(jax.random.normal(for_noise, shape))
    x = a * x0 + b * noise
    assert min(a.min(), b.min()) > 0.05
    match prediction, process:
        case "x", _:
            guess = np.full_like(x, 0.2)
        case "epsilon", _:
            guess = (x - b * 0.2) / a
        case _:
            guess = x - b * 0.2  # of the flow
    off = guess - x0
    factor = {"x": 1.0, "epsilon": (a / b) ** 2, "velocity": 1.0 / b**2}[loss]
    snr = (a / b) ** 2
    weight = 1.0 if gamma is None else np.minimum(snr, gamma) / factor
    expected = (weight * factor * off**2)[:, 1:].mean()  # the first frame is given
    np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_what_cannot_be_trained_on_is_refused():
    for changes in ({"loss": "score"}, {"prediction": "score"}, {"min_snr": 0.0}):
        with pytest.raises(Exception, match=next(iter(changes))):
            DiffusionConfig(**changes)
