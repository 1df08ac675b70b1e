"""Paths: their schedules against closed forms, their shifts by resolution, and their bounds."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.denoising import Flow, Gaussian
from vidgen.generators.diffusion.config import DiffusionConfig, process_of

TIMES = np.array([0.05, 0.3, 0.5, 0.8])


def log_snr(process):
    """log a^2 / b^2 at `TIMES`."""
    a, b = (np.asarray(part, np.float64) for part in process.level(jnp.asarray(TIMES)))
    return 2.0 * (np.log(a) - np.log(b))


def test_schedules_are_those_of_their_papers():
    kept = np.prod(1.0 - np.linspace(1e-4, 0.02, 1000))
    a, b = Gaussian("linear", 1000).level(jnp.array([1.0, 0.001]))
    np.testing.assert_allclose(a[0] ** 2, kept, rtol=1e-3)
    np.testing.assert_allclose(b[1] ** 2, 1e-4, rtol=1e-3)
    # However many times there are, the same path.
    np.testing.assert_allclose(
        log_snr(Gaussian("linear", 4000)), log_snr(Gaussian("linear", 1000)), atol=0.05
    )
    f = np.cos((np.append(TIMES, 0.0) + 0.008) / 1.008 * np.pi / 2) ** 2
    kept = f[:-1] / f[-1]
    np.testing.assert_allclose(
        log_snr(Gaussian("cosine", 1000)), np.log(kept / (1.0 - kept)), atol=1e-4
    )


def test_variance_that_is_added_step_by_step_is_that_of_the_level():
    """The chain of Ho et al. (2020), equation 2, walked by 20,000 pixels."""
    steps, clip, lots = 50, 0.7, np.random.default_rng(0)
    x = np.full(20_000, clip)
    # A thousand steps' variances in fifty.
    for beta in np.linspace(20 * 1e-4, 20 * 0.02, steps)[: steps // 2]:
        x = np.sqrt(1.0 - beta) * x + np.sqrt(beta) * lots.standard_normal(x.shape)
    a, b = (float(level) for level in Gaussian("linear", steps).level(jnp.float32(0.5)))
    assert 0.1 < a < 0.9
    np.testing.assert_allclose(x.mean(), a * clip, atol=4 * b / np.sqrt(x.size))
    np.testing.assert_allclose(x.std(), b, rtol=4 / np.sqrt(2 * x.size))


@pytest.mark.parametrize(
    "process", [Flow(0.0, 1.0), Gaussian("cosine", 10_000), Gaussian("linear", 10_000)]
)
def test_the_target_is_the_slope_of_the_path(process):
    """By central differences: in t on the straight path, and on the other, whose clip and noise
    turn into each other, in the angle."""
    clip, noise, t, h = jnp.array([0.4, -0.9]), jnp.array([-1.3, 0.2]), 0.4, 0.01

    def at(t):
        a, b = (np.float64(level) for level in process.level(jnp.float32(t)))
        return a * np.asarray(clip) + b * np.asarray(noise), t, np.arctan2(b, a)

    (later, *ends), (earlier, *starts) = at(t + h), at(t - h)
    time, angle = np.subtract(ends, starts)
    slope = (later - earlier) / (time if isinstance(process, Flow) else angle)
    np.testing.assert_allclose(process.target(clip, noise, jnp.float32(t)), slope, atol=2e-3)


@pytest.mark.parametrize(
    ("height", "width", "shift"), [(32, 32, None), (256, 64, None), (1, 1, 3.0)]
)
def test_shifted_cosine_is_that_of_simple_diffusion(task, height, width, shift):
    config = DiffusionConfig(process="gaussian", noise="shifted", shift=shift)
    process = process_of(config, dataclasses.replace(task, height=height, width=width))
    added = -2.0 * np.log(3.0) if shift else 2.0 * np.log(64.0 / np.sqrt(height * width))
    np.testing.assert_allclose(
        log_snr(process), -2.0 * np.log(np.tan(np.pi * TIMES / 2)) + added, atol=1e-4
    )


def test_flow_times_shift_with_the_number_of_pixels(task):
    config = DiffusionConfig(shift="resolution", time_mean=0.5)
    flow = process_of(config, dataclasses.replace(task, height=32, width=32))
    ratio = np.sqrt(32**2 / 64**2)
    expected = ratio * TIMES / (1.0 + (ratio - 1.0) * TIMES)
    np.testing.assert_allclose(flow.shifted(jnp.asarray(TIMES)), expected, rtol=1e-5)
    np.testing.assert_array_equal(flow.shifted(jnp.array([0.0, 1.0])), [0.0, 1.0])
    plain = process_of(DiffusionConfig(time_mean=0.5), task)
    assert plain == Flow(0.5, config.time_std)
    # What is trained on moves alike: the logit of a time by the logarithm of the ratio.
    key = jax.random.key(0)
    times, moved = (np.sort(np.asarray(path.draw(key, 64))) for path in (plain, flow))
    logit = lambda t: np.log(t / (1.0 - t))  # noqa: E731
    np.testing.assert_allclose(logit(moved), logit(times) + np.log(ratio), atol=1e-3)


def test_any_schedule_can_be_shifted():
    for noise in ("cosine", "linear"):
        moved = log_snr(Gaussian(noise, 1000, shift=0.5)) - log_snr(Gaussian(noise, 1000))
        np.testing.assert_allclose(moved, 2.0 * np.log(2.0), atol=2e-3)


def test_what_hardly_shows_is_not_divided_by_its_weight():
    """An error of 1 in what was predicted, seen in the velocity."""
    for process in (Flow(0.0, 1.0), Gaussian("cosine", 1000)):
        for slope, (safe, edge) in (
            (lambda p, e, t: p.velocity(0.0 * e, -e, t), (0.5, 0.001)),
            (lambda p, e, t: p.velocity_of_noise(0.0 * e, e, t), (0.5, 0.999)),
        ):
            t = jnp.array([safe, edge])
            a, b = process.level(t)
            weight = (b if edge < 0.5 else a)[0]
            np.testing.assert_allclose(slope(process, jnp.ones(2), t), [1 / weight, 20], rtol=1e-4)


def test_shifts_that_cannot_be_are_refused():
    for shift in (0.0, -1.0, "size"):
        with pytest.raises(Exception, match="shift"):
            DiffusionConfig(shift=shift)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="noise"):
        DiffusionConfig(noise="sigmoid")  # type: ignore[arg-type]
