"""The autoregressive generator: its neighbours, its cache, its filters and its prompts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.contract import Reconstructs
from vidgen.generators.autoregressive import (
    Autoregressive,
    AutoregressiveConfig,
    PriorConfig,
    Sampler,
)
from vidgen.generators.autoregressive.neighbours import neighbours
from vidgen.generators.autoregressive.sampling import filtered, keep_top_k, keep_top_p
from vidgen.types import Condition, Task

TASK = Task(frames=4, height=8, width=12, channels=1, text_length=3, text_width=4)
B = 3


def weights_of(generator):
    """Fresh weights by phase, without the optimisers' states."""
    tokenizer, prior = generator.phases()
    return {
        tokenizer.name: tokenizer.tokenizer.init(jax.random.key(0)),
        prior.name: prior.network.init(jax.random.key(1)),
    }


class World:
    """A generator with random weights everywhere, and one prompt with and one without a frame."""

    def __init__(self):
        self.generator = Autoregressive(AutoregressiveConfig.tiny(), TASK)
        self.tokenizer_phase, self.prior_phase = self.generator.phases()
        self.tokenizer = self.tokenizer_phase.tokenizer
        self.params = jax.jit(lambda: jax.tree.map(self.shaken, weights_of(self.generator)))()
        key = jax.random.key(5)
        self.video = jnp.tanh(jax.random.normal(key, (B, *TASK.video_shape)))
        self.condition = Condition.of(
            jax.random.normal(key, (B, 3, 4)),
            jnp.array([[1, 1, 0], [1, 1, 1], [1, 0, 0]]),
            self.video[:, :1],
            jnp.array([[1], [0], [1]]),
        )
        self.keys = jax.random.split(jax.random.key(9), B)
        self.sample = jax.jit(self.generator.sample)

    @staticmethod
    def shaken(value):
        return value + 0.2 * jax.random.normal(jax.random.key(value.size), value.shape)

    @property
    def prior(self):
        return self.prior_phase.network.bind(self.params["prior"])

    @property
    def table(self):
        return self.tokenizer.table(self.params["tokenizer"])

    def logits(self, codes, condition):
        return self.prior(codes, self.table, self.prior.encode(condition))


@pytest.fixture(scope="module")
def world():
    return World()


def test_neighbours_by_hand():
    table = neighbours((2, 2, 3))
    assert table.shape == (12, 14)
    # Code 4 is (0, 1, 1): nothing before it in time; above it 0, 1, 2, at its left 3.
    assert table[4].tolist() == [12] * 9 + [0, 1, 2, 3] + [3]
    # Code 6 is (1, 0, 0), in a corner of the second frame of codes.
    assert table[6].tolist() == [12, 12, 12, 12, 0, 1, 12, 3, 4] + [12] * 4 + [5]
    assert table[0].tolist() == [12] * 14


def test_no_neighbour_is_later():
    table = neighbours((3, 4, 2))
    seen = np.where(table == 24, -1, table)
    assert (seen < np.arange(24)[:, None]).all()
    assert (seen.max(1)[1:] == np.arange(23)).all()


def test_logits_do_not_see_their_own_or_later_codes(world):
    N = world.prior.length
    codes = jax.random.randint(jax.random.key(0), (B, N), 0, world.tokenizer.size)
    logits = jax.jit(world.logits)
    before = logits(codes, world.condition)
    for place in range(N):
        other = (codes[:, place] + 1) % world.tokenizer.size
        after = logits(codes.at[:, place].set(other), world.condition)
        changed = np.asarray(jnp.abs(after - before).max((0, 2)) > 1e-6)
        assert not changed[: place + 1].any()
        assert changed[place + 1 :].any() == (place + 1 < N)


def test_cached_steps_equal_teacher_forcing(world):
    prior, N = world.prior, world.prior.length
    codes = jax.random.randint(jax.random.key(0), (B, N), 0, world.tokenizer.size)
    prompt = prior.encode(world.condition)
    told = jnp.concatenate([prior.tell(world.table)[codes], prior.nowhere(B, 1)], axis=1)
    memory = prior.decoder.memory(prompt.source)

    def step(caches, index):
        logits, caches = prior.step(told, index, world.table, prompt, caches, memory)
        return caches, logits

    caches = prior.decoder.empty_caches(B, N)
    _, cached = jax.jit(lambda: jax.lax.scan(step, caches, jnp.arange(N)))()
    np.testing.assert_allclose(
        cached.transpose(1, 0, 2), world.logits(codes, world.condition), atol=1e-5
    )


def test_greedy_samples_are_the_likeliest_under_teacher_forcing(world):
    video = world.sample(world.params, world.condition, world.keys, Sampler(temperature=0.0))
    codes = jnp.zeros((B, world.prior.length), jnp.int32)
    logits = jax.jit(world.logits)
    for place in range(world.prior.length):
        likeliest = jnp.argmax(logits(codes, world.condition)[:, place], axis=-1)
        codes = codes.at[:, place].set(likeliest)
    expected = world.tokenizer.decode(
        world.params["tokenizer"], codes.reshape(B, *world.tokenizer.grid)
    )
    expected = jnp.clip(expected, -1.0, 1.0)
    np.testing.assert_allclose(video[:, 1:], expected[:, 1:], atol=1e-4)
    given = np.asarray(world.condition.context_mask[:, 0])
    np.testing.assert_array_equal(video[given, 0], world.video[given, 0])
    np.testing.assert_allclose(video[~given, 0], expected[~given, 0], atol=1e-4)


def test_guidance_extrapolates_from_the_unconditional_pass(world):
    sampler = Sampler(temperature=0.5)
    plain = world.sample(world.params, world.condition, world.keys, sampler)
    one = dataclasses.replace(sampler, guidance=1.0)
    guided = world.sample(world.params, world.condition, world.keys, one)
    np.testing.assert_allclose(guided, plain, atol=1e-4)
    none = dataclasses.replace(sampler, guidance=0.0)
    ignored = world.sample(world.params, world.condition, world.keys, none)
    asked_nothing = world.condition.unconditional()
    free = world.sample(world.params, asked_nothing, world.keys, sampler)
    # The first frame is pasted in where it is given, whatever the prior drew.
    np.testing.assert_allclose(ignored[:, 1:], free[:, 1:], atol=1e-4)


def test_a_masked_condition_leaves_no_trace(world):
    # Masks of False over features that nobody zeroed: the masks alone must hide the text.
    def under(text):
        return dataclasses.replace(
            world.condition, text=text, text_mask=jnp.zeros_like(world.condition.text_mask)
        )

    codes = jnp.zeros((B, world.prior.length), jnp.int32)
    a = world.logits(codes, under(world.condition.text))
    b = world.logits(codes, under(world.condition.text + 5.0))
    np.testing.assert_allclose(a, b, atol=1e-6)
    told = world.logits(codes, world.condition)
    assert float(jnp.abs(told - a).max()) > 1e-3


def test_filters_by_hand():
    logits = jnp.log(jnp.array([[0.5, 0.25, 0.15, 0.1], [0.1, 0.1, 0.1, 0.7]]))

    def kept(filtered_logits):
        return np.isfinite(np.asarray(filtered_logits)).astype(int).tolist()

    assert kept(keep_top_k(logits, 2)) == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert kept(keep_top_k(logits, 1)) == [[1, 0, 0, 0], [0, 0, 0, 1]]
    assert kept(keep_top_k(logits, 9)) == [[1, 1, 1, 1], [1, 1, 1, 1]]
    assert kept(keep_top_p(logits, 0.6)) == [[1, 1, 0, 0], [0, 0, 0, 1]]
    assert kept(keep_top_p(logits, 0.0)) == [[1, 0, 0, 0], [0, 0, 0, 1]]
    assert kept(keep_top_p(logits, 1.0)) == [[1, 1, 1, 1], [1, 1, 1, 1]]


def test_temperature_comes_before_the_filters():
    logits = jnp.log(jnp.array([[0.5, 0.3, 0.2]]))
    # At temperature 0.5 the probabilities are 0.658, 0.237 and 0.105.
    cold = filtered(logits, Sampler(temperature=0.5, top_p=0.65))
    assert np.isfinite(np.asarray(cold)).tolist() == [[True, False, False]]
    np.testing.assert_allclose(cold[0, 0], 2.0 * jnp.log(0.5), rtol=1e-5)
    warm = filtered(logits, Sampler(temperature=1.0, top_p=0.65, top_k=2))
    assert np.isfinite(np.asarray(warm)).tolist() == [[True, True, False]]


def test_reconstruction_is_the_tokenizers(world):
    assert isinstance(world.generator, Reconstructs)
    again = world.generator.reconstruct(world.params, world.video)
    assert again.shape == world.video.shape
    assert float(jnp.abs(again).max()) <= 1.0


@pytest.mark.parametrize("context_frames", [0, 2])
def test_any_number_of_context_frames(context_frames):
    task = dataclasses.replace(TASK, frames=3, height=6, context_frames=context_frames)
    generator = Autoregressive(AutoregressiveConfig.tiny(), task)
    context = jnp.full((1, *task.context_shape), 0.25)
    condition = Condition.of(
        jnp.ones((1, 3, 4)), jnp.ones((1, 3)), context, jnp.ones((1, context_frames))
    )
    keys = jax.random.split(jax.random.key(1), 1)
    video = jax.jit(lambda: generator.sample(weights_of(generator), condition, keys))()
    assert video.shape == (1, *task.video_shape)
    np.testing.assert_array_equal(video[:, :context_frames], context)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Sampler(top_k=0),
        lambda: PriorConfig(width=30, heads=4),
        lambda: PriorConfig(batch_size=0),
        lambda: AutoregressiveConfig(tokenizer_share=1.0),
    ],
)
def test_configs_that_cannot_be_are_refused(build):
    with pytest.raises(ValueError, match=r"must|at least|need"):
        build()
