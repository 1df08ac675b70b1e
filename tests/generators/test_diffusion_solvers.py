"""What walks from noise to a clip: orders on a path that is known, and guidance in an interval."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.comparison import Budget, Experiment, overrides, records
from vidgen.denoising import Flow, Gaussian
from vidgen.generators.diffusion import Diffusion, DiffusionConfig, DiffusionSampler
from vidgen.generators.diffusion.sampling import draw, guided
from vidgen.generators.diffusion.solvers import walk
from vidgen.types import Condition

MEAN, SPREAD = 0.1, 0.2  # of the normal distribution whose path is known
SHAPE = (1, 4, 4, 1)


def spread(process, t):
    """Standard deviation of x_t."""
    a, b = process.level(t)
    return jnp.sqrt(jnp.square(a * SPREAD) + jnp.square(b))


def known_velocity(process):
    """The velocity of the path of N(MEAN, SPREAD^2): of the clip that is expected at x_t."""

    def velocity(x, t):
        wide = t[:, None, None, None, None]
        a, b = process.level(wide)
        clip = MEAN + SPREAD**2 * a / jnp.square(spread(process, wide)) * (x - a * MEAN)
        noise = (x - a * clip) / jnp.maximum(b, 1e-6)
        return process.target(clip, noise, wide)

    return velocity


def even(process, steps):
    """Levels between which lambda = log(a / b) rises evenly, from -1.5 to 1.5."""
    ratio = jnp.exp(jnp.linspace(1.5, -1.5, steps + 1))
    return ratio / (1.0 + ratio) if isinstance(process, Flow) else jnp.arctan(ratio) * 2 / jnp.pi


@pytest.mark.parametrize(
    ("process", "orders"),
    [
        (Flow(0.0, 1.0), {"euler": 1, "heun": 2, "dpmpp_2m": 2}),
        # So many times that rounding to them moves no level.
        (Gaussian("shifted", 100_000), {"ddim": 1, "dpmpp_2m": 2}),
    ],
    ids=["flow", "gaussian"],
)
def test_half_the_step_divides_the_error_by_two_to_the_order(process, orders):
    noise = jax.random.normal(jax.random.key(0), (2, *SHAPE))

    @jax.jit
    def error(levels):
        found = {}
        for method in orders:
            end = walk(known_velocity(process), process, noise, levels, method, lambda n: noise)
            # The path keeps each pixel's standard score.
            (first, _), (last, _) = process.level(levels[0]), process.level(levels[-1])
            score = (noise - first * MEAN) / spread(process, levels[0])
            exact = last * MEAN + spread(process, levels[-1]) * score
            found[method] = jnp.sqrt(jnp.square(end - exact).mean())
        return found

    coarse, fine = error(even(process, 20)), error(even(process, 40))
    for method, order in orders.items():
        assert 0.92 * 2**order < coarse[method] / fine[method] < 1.08 * 2**order, method
    # Over the whole path, where the first and the last step go infinitely far in lambda.
    whole = error(1.0 - jnp.arange(41) / 40)
    assert whole["dpmpp_2m"] < 0.3 * whole[next(iter(orders))]


def of_one_clip(process, clip):
    """The velocity of a network that knows the clip."""

    def velocity(x, t):
        a, b = process.level(t[:, None, None, None, None])
        return process.target(clip, (x - a * clip) / b, t[:, None, None, None, None])

    return velocity


def test_an_ancestral_step_draws_from_the_posterior():
    """Against Ho et al. (2020), equation 7, whose betas are the linear schedule's."""
    process, clip, x = Gaussian("linear", 1000), jnp.full((1, *SHAPE), 0.6), -0.4
    betas = np.linspace(1e-4, 0.02, 1000)
    kept = np.cumprod(1.0 - betas)
    k = 400  # of 1000, so that betas[k - 1] is its step's
    earlier, now, beta = kept[k - 2], kept[k - 1], betas[k - 1]
    mean = np.sqrt(earlier) * beta / (1 - now) * 0.6
    mean += np.sqrt(1 - beta) * (1 - earlier) / (1 - now) * x
    deviation = np.sqrt((1 - earlier) / (1 - now) * beta)

    @jax.jit
    def step(fresh):
        levels = jnp.array([k, k - 1]) / 1000
        start, velocity = jnp.full((1, *SHAPE), x), of_one_clip(process, clip)
        return walk(velocity, process, start, levels, "ddpm", lambda n: jnp.full_like(start, fresh))

    np.testing.assert_allclose(step(0.0), mean, atol=1e-5)
    np.testing.assert_allclose(step(1.0) - step(0.0), deviation, rtol=2e-3)


def test_ddim_with_eta_1_is_ddpm():
    """With the same noise the same clips, hence in distribution too; with half of it the deviation
    that Song et al. (2021), equation 16, gives one step."""
    process, count = Gaussian("cosine", 1000), 3
    keys = jax.random.split(jax.random.key(3), 9)

    @functools.partial(jax.jit, static_argnums=(0, 3))
    def end(method, eta, levels, bound=jnp.inf):
        noise = lambda n: jax.random.normal(keys[n], (count, *SHAPE))  # noqa: E731
        velocity = known_velocity(process)
        return walk(velocity, process, noise(0), levels, method, noise, bound, eta)

    levels = 1.0 - jnp.arange(9) / 8
    ancestral = end("ddpm", None, levels)
    np.testing.assert_allclose(end("ddim", 1.0, levels), ancestral, atol=1e-4)
    still = end("ddim", None, levels)
    np.testing.assert_allclose(end("ddim", 0.0, levels), still, atol=1e-6)
    assert float(jnp.abs(still - ancestral).mean()) > 0.01

    one = jnp.array([0.6, 0.5])
    (a, b), (a_then, b_then) = ((np.float64(part) for part in process.level(t)) for t in one)
    added = 0.5 * b_then / b * np.sqrt(1 - (a / a_then) ** 2)
    noise, fresh = (jax.random.normal(key, (count, *SHAPE)) for key in keys[:2])
    _, eps = process.split(noise, known_velocity(process)(noise, jnp.full(count, 0.6)), one[0])
    less = (np.sqrt(b_then**2 - added**2) - b_then) * eps
    moved = end("ddim", 0.5, one) - end("ddim", None, one)
    np.testing.assert_allclose(moved, less + added * fresh, atol=1e-5)


@pytest.mark.parametrize(
    ("process", "method"),
    [
        (Flow(0.0, 1.0), "euler"),
        (Flow(0.0, 1.0), "dpmpp_2m"),
        (Gaussian("cosine", 1000), "ddim"),
        (Gaussian("cosine", 1000), "dpmpp_2m"),
    ],
)
def test_given_frames_are_shown_at_the_level_of_the_others(process, method):
    shown = []

    def astray(condition):
        def velocity(x, t):
            jax.debug.callback(lambda x, t: shown.append((x[:, :1], t)), x, t, ordered=True)
            return jnp.full_like(x, 7.0)

        return velocity

    context = jax.random.uniform(jax.random.key(1), (2, 1, 4, 4, 1), minval=-1.0)
    text, given = jnp.ones((2, 2, 3)), jnp.array([[True], [False]])
    told = Condition.of(text, jnp.ones((2, 2), bool), context, given)
    sampler = DiffusionSampler(method=method, steps=4, curve=1.0, guidance=None)
    keys = jax.random.split(jax.random.key(0), 2)
    shape = (2, 4, 4, 1)
    video = jax.jit(lambda keys: draw(astray, process, shape, told, keys, sampler))(keys)
    jax.effects_barrier()
    (noise, first), *later = shown
    assert len(later) == 3
    for x, t in later:
        a, b = process.level(t[0])
        a_first, b_first = process.level(first[0])
        began = (noise[0] - a_first * context[0]) / b_first
        np.testing.assert_allclose(x[0], a * context[0] + b * began, atol=1e-4)
        assert np.abs(x[1] - (a * context[1] + b * noise[1])).mean() > 0.1
    np.testing.assert_array_equal(video[0, :1], context[0])


def test_an_eta_is_ddims_alone():
    with pytest.raises(ValueError, match="eta is ddim's"):
        draw(
            said,
            Flow(0.0, 1.0),
            SHAPE,
            sentences(2),
            jax.random.split(jax.random.key(0), 2),
            DiffusionSampler(eta=0.5),
        )
    with pytest.raises(ValueError, match=r"eta must lie in \[0, 1\]"):
        DiffusionSampler(eta=1.5)


def sentences(count):
    """Sentences of ones, no frame."""
    text, frames = jnp.ones((count, 2, 3)), jnp.zeros((count, 0, 4, 4, 1))
    return Condition.of(text, jnp.ones((count, 2), bool), frames, jnp.zeros((count, 0), bool))


def said(condition):
    """A network whose velocity is 1 where there is a sentence and 0 where there is none."""
    value = condition.text.mean(axis=(1, 2))[:, None, None, None, None]
    return lambda x, t: jnp.broadcast_to(value, x.shape)


def test_without_guidance_the_network_is_asked_once():
    asked = []

    def told(condition):
        asked.append(condition)
        return said(condition)

    velocity = guided(told, sentences(2), None, None)
    assert [len(condition.text) for condition in asked] == [2]
    np.testing.assert_array_equal(velocity(jnp.zeros((2, *SHAPE)), jnp.ones(2)), 1.0)


def test_guidance_stays_within_its_interval():
    velocity = guided(said, sentences(2), jnp.float32(3.0), (0.25, 0.75))
    x = jnp.zeros((2, *SHAPE))
    for t, expected in ((0.2, 1.0), (0.25, 3.0), (0.5, 3.0), (0.75, 3.0), (0.8, 1.0)):
        np.testing.assert_allclose(velocity(x, jnp.full(2, t)), expected)


def test_steps_outside_the_interval_cost_one_pass_and_an_interval_does_not_recompile():
    passes, traces = [], []

    def told(condition):
        inner = said(condition)

        def velocity(x, t):
            jax.debug.callback(lambda t: passes.append(len(t)), t)
            return inner(x, t)

        return velocity

    @jax.jit
    def sample(sampler):
        traces.append(None)
        keys = jax.random.split(jax.random.key(0), 2)
        return draw(told, Flow(0.0, 1.0), SHAPE, sentences(2), keys, sampler)

    def drawn(interval, guidance=0.5):
        passes.clear()
        low, high = interval
        settings = DiffusionSampler(
            steps=4, curve=1.0, guidance=guidance, guidance_low=low, guidance_high=high
        )
        video = np.asarray(sample(settings))
        jax.effects_barrier()
        return video, list(passes)

    some, count = drawn((0.4, 0.8))  # of the levels 1, 0.75, 0.5 and 0.25 two
    assert count == [2, 4, 4, 2]
    none, count = drawn((0.1, 0.2))
    assert count == [2, 2, 2, 2]
    every, count = drawn((0.0, 1.0))
    assert count == [4, 4, 4, 4]
    assert len(traces) == 1
    np.testing.assert_allclose(every, drawn((None, None))[0], atol=1e-6)
    np.testing.assert_allclose(none, drawn((None, None), guidance=1.0)[0], atol=1e-6)
    # Euler sums the velocities: half of a step's at two of the four.
    inside = np.abs(none) < 0.5
    np.testing.assert_allclose((some - none)[inside], 0.25, atol=1e-5)


def test_openings_have_an_interval_of_their_own(task, random_weights, monkeypatch):
    seen = []

    def drawing(told, process, shape, condition, keys, sampler, known=None):
        seen.append((sampler.guidance, sampler.guidance_interval))
        return jnp.zeros((len(keys), *shape))

    monkeypatch.setattr("vidgen.generators.diffusion.draw", drawing)
    diffusion = Diffusion(DiffusionConfig.tiny(), task)
    context = jnp.zeros((2, *task.context_shape))
    text = jnp.ones((2, task.text_length, task.text_width))
    told = Condition.of(text, jnp.ones(text.shape[:2], bool), context, jnp.zeros((2, 1), bool))
    sampler = DiffusionSampler(
        guidance_low=0.1, opening_guidance=3.0, opening_guidance_low=0.2, opening_guidance_high=0.8
    )
    params = random_weights(diffusion)
    keys = jax.random.split(jax.random.key(0), 2)
    jax.eval_shape(lambda params: diffusion.sample(params, told, keys, sampler), params)
    assert seen == [(3.0, (0.2, 0.8)), (1.5, (0.1, 1.0))]


def test_what_was_recorded_before_these_options_still_says_the_same():
    for kind in (DiffusionConfig, DiffusionSampler):
        recorded = records.encode(kind())
        new = {"loss", "min_snr", "shift", "frame_levels"}
        new |= {"space", "tokenizer", "tokenizer_share"}
        new |= {"history", "history_noise", "rollout_text", "lag", "eta"}
        new |= {
            f"{name}_{end}" for name in ("guidance", "opening_guidance") for end in ("low", "high")
        }
        assert not new & set(recorded)
        assert records.decode(kind, recorded) == kind()
    config = DiffusionConfig(noise="shifted", shift="resolution", loss="x", min_snr=5.0)
    sampler = DiffusionSampler(method="dpmpp_2m", guidance_low=0.2, lag=2)
    for value in (config, sampler, dataclasses.replace(config, shift=3.0)):
        assert records.decode(type(value), records.encode(value)) == value


def test_options_can_be_set_by_hand(task):
    changes = {"method": "dpmpp_2m", "guidance_low": "0.2", "history": "3", "rollout_text": "false"}
    found = overrides.sampler_changes(Diffusion(DiffusionConfig.tiny(), task), changes)
    assert found == {
        "method": "dpmpp_2m",
        "guidance_low": 0.2,
        "history": 3,
        "rollout_text": False,
    }
    config = DiffusionConfig.tiny()
    small = Experiment(
        name="small", task=task, generators={"diffusion": config}, budget=Budget(1, "steps")
    )
    changes = {"diffusion.shift": "resolution", "diffusion.min_snr": "5", "diffusion.loss": "x"}
    found = overrides.apply(small, changes).generators["diffusion"]
    assert found == dataclasses.replace(config, shift="resolution", min_snr=5.0, loss="x")
    shifted = overrides.apply(small, {"diffusion.shift": "3"}).generators["diffusion"]
    assert shifted.shift == 3.0
    with pytest.raises(ValueError, match="opening_guidance_high"):
        DiffusionSampler(opening_guidance_low=0.9, opening_guidance_high=0.2)
