"""The autoregressive generator: neighbours, cache, given codes, filters and prompts."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.contract import Reconstructs, TrainState
from vidgen.generators.autoregressive import (
    Autoregressive,
    AutoregressiveConfig,
    CausalPriorConfig,
    Sampler,
)
from vidgen.generators.autoregressive.exposure import Replacements, exposed
from vidgen.generators.autoregressive.neighbours import neighbours, surroundings
from vidgen.generators.autoregressive.phase import CausalPriorPhase
from vidgen.generators.autoregressive.sampling import (
    filtered,
    keep_top_k,
    keep_top_p,
    sample_codes,
)
from vidgen.nn import codes_of, digits_of
from vidgen.priors import decided
from vidgen.types import Batch, Condition, Task

TASK = Task(frames=4, height=8, width=12, channels=1, text_length=3, text_width=4)
B = 3


def weights_of(generator):
    """Fresh weights by phase, without the optimisers' states."""
    tokenizer, motion, prior = generator.phases()
    return {
        tokenizer.name: tokenizer.tokenizer.init(jax.random.key(0)),
        motion.name: motion.network.init(jax.random.key(2)),
        prior.name: prior.network.init(jax.random.key(1)),
    }


class World:
    """A generator with random weights everywhere, and one prompt with and one without a frame."""

    def __init__(self):
        self.generator = Autoregressive(AutoregressiveConfig.tiny(), TASK)
        self.tokenizer_phase, _, self.prior_phase = self.generator.phases()
        self.tokenizer = self.tokenizer_phase.tokenizer
        self.levels = self.tokenizer.config.quantizer.levels
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
        self.codes = jax.jit(self.encode)(self.video)
        self.given = (self.codes, decided(self.tokenizer, self.condition))
        self.sample = jax.jit(self.generator.sample)
        self.logits = jax.jit(self._logits)
        self.draw = jax.jit(self._draw)

    @staticmethod
    def shaken(value):
        return value + 0.2 * jax.random.normal(jax.random.key(value.size), value.shape)

    def expect(self, condition, first):
        """What clips are expected to be that begin like this."""
        expectation = self.prior_phase.expectation
        return expectation.told(self.params, expectation.moved(self.params, first, condition))

    @property
    def opening(self):
        return self.prior_phase.expectation.opening

    @property
    def prior(self):
        return self.prior_phase.network.bind(self.params["prior"])

    def encode(self, video):
        """Codes in raster order: [B N]."""
        return self.tokenizer.encode(self.params["tokenizer"], video).reshape(B, -1)

    def tell(self, codes):
        return self.tokenizer.stands_for(self.params["tokenizer"], codes)

    def _logits(self, codes, condition, first=None):
        """Of given codes, after what is expected of the real first frames or of others."""
        expected = self.expect(condition, self.video[:, :1] if first is None else first)
        asked = self.prior.encode(condition)
        prompt = self.prior.expecting(asked, expected, self.opening)
        return self.prior(self.tell(codes), digits_of(codes, self.levels), prompt)

    def _draw(self, prior, condition, keys, sampler, given):
        bound = self.prior_phase.network.bind(prior)

        def expect(condition, doubled, opening):
            # Of the real first frames, whatever was drawn: as training tells it.
            copies = doubled.batch_size // B
            return self.expect(doubled, jnp.tile(self.video[:, :1], (copies, 1, 1, 1, 1)))

        return sample_codes(
            bound,
            self.tell,
            expect,
            condition,
            keys,
            sampler,
            opening=self.opening,
            given=given,
        )


@pytest.fixture(scope="module")
def world():
    return World()


def test_neighbours_by_hand():
    table = neighbours((2, 2, 3))
    assert table.shape == (12, 13)
    # Code 4 is (0, 1, 1): nothing before it in time; above it 0, 1, 2, at its left 3.
    assert table[4].tolist() == [12] * 9 + [0, 1, 2, 3]
    # Code 6 is (1, 0, 0), in a corner of the second frame of codes.
    assert table[6].tolist() == [12, 12, 12, 12, 0, 1, 12, 3, 4] + [12] * 4
    assert table[0].tolist() == [12] * 13


def test_no_neighbour_is_later():
    table = neighbours((3, 4, 2))
    seen = np.where(table == 24, -1, table)
    assert (seen < np.arange(24)[:, None]).all()
    assert (seen.max(1)[1:] >= 0).all()


def test_surroundings_are_a_gather_at_the_neighbours():
    grid = (2, 3, 4)
    codes, nowhere, weight = (
        jax.random.normal(jax.random.key(seed), shape)
        for seed, shape in enumerate([(2, *grid, 5), (5,), (2, *grid, 13 * 5)])
    )

    def gathered(codes, nowhere):
        beyond = jnp.broadcast_to(nowhere[None, None], (2, 1, 5))
        flat = jnp.concatenate([codes.reshape(2, -1, 5), beyond], axis=1)
        return flat[:, neighbours(grid)].reshape(2, *grid, -1)

    np.testing.assert_array_equal(surroundings(codes, nowhere), gathered(codes, nowhere))
    ours, theirs = (
        jax.grad(lambda *xs, form=form: jnp.sum(weight * form(*xs)), (0, 1))(codes, nowhere)
        for form in (surroundings, gathered)
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_logits_do_not_see_their_own_or_later_codes(world):
    N = world.prior.length
    codes = jax.random.randint(jax.random.key(0), (B, N), 0, world.tokenizer.size)
    before = world.logits(codes, world.condition)
    for place in range(N):
        # The next code differs in its first digit.
        other = (codes[:, place] + 1) % world.tokenizer.size
        after = world.logits(codes.at[:, place].set(other), world.condition)
        # Values that a digit does not take are -inf in both.
        changed = np.nanmax(np.abs(after - before), axis=(0, 3)) > 1e-6
        assert not changed[:place].any()
        assert changed[place].tolist() == [False, True]
        # It is seen from the first place on around which it stands.
        around = (neighbours(world.tokenizer.grid) == place).any(axis=1)
        expected = np.maximum.accumulate(around)[place + 1 :]
        np.testing.assert_array_equal(changed[place + 1 :].any(axis=1), expected)


def test_cached_steps_equal_teacher_forcing(world):
    prior, N = world.prior, world.prior.length
    codes = jax.random.randint(jax.random.key(0), (B, N), 0, world.tokenizer.size)
    digits = digits_of(codes, world.levels)

    def cached():
        expected = world.expect(world.condition, world.video[:, :1])
        prompt = prior.expecting(prior.encode(world.condition), expected, world.opening)
        read = jnp.concatenate([prior.read(world.tell(codes)), prior.nowhere(B, 1)], axis=1)
        memory = prior.decoder.memory(prompt.source)

        def step(caches, index):
            x, caches = prior.step(read, index, prompt, caches, memory)
            return caches, prior.head(x, digits[:, index])

        caches = prior.decoder.empty_caches(B, N)
        return jax.lax.scan(step, caches, jnp.arange(N))[1]

    np.testing.assert_allclose(
        jax.jit(cached)().swapaxes(0, 1), world.logits(codes, world.condition), atol=1e-5
    )


def test_greedy_samples_are_the_likeliest_digit_by_digit(world):
    video = world.sample(
        world.params, world.condition, world.keys, Sampler(temperature=0.0, guidance=None)
    )
    known, (first, mask) = TASK.height // 4 * (TASK.width // 4), world.given
    codes = jnp.where(mask, first, 0)
    digits = digits_of(codes, world.levels)

    @jax.jit
    def begin(codes):
        """The given first frames, and those that the codes so far stand for."""
        opening = codes[:, : world.opening].reshape(B, 1, *world.tokenizer.grid[1:])
        begun = world.tokenizer.decode(world.params["tokenizer"], opening)[:, :1]
        given = world.condition.context_mask[..., None, None, None]
        return jnp.where(given, world.condition.context, begun)

    for place in range(world.prior.length):
        for digit in range(len(world.levels)):
            codes = codes_of(digits, world.levels)
            logits = world.logits(codes, world.condition, begin(codes))
            likeliest = jnp.argmax(logits[:, place, digit], axis=-1)
            # Of the rows that give their first frame, the codes of that frame are not drawn.
            drawn = ~mask[:, place]
            digits = digits.at[:, place, digit].set(
                jnp.where(drawn, likeliest, digits[:, place, digit])
            )
    codes = codes_of(digits, world.levels)
    np.testing.assert_array_equal(codes[::2, :known], first[::2, :known])
    assert (np.asarray(codes[1, :known]) != np.asarray(first[1, :known])).any()
    expected = jax.jit(world.tokenizer.decode)(
        world.params["tokenizer"], codes.reshape(B, *world.tokenizer.grid)
    )
    expected = jnp.clip(expected, -1.0, 1.0)
    np.testing.assert_allclose(video[:, 1:], expected[:, 1:], atol=1e-4)
    given = np.asarray(world.condition.context_mask[:, 0])
    np.testing.assert_array_equal(video[given, 0], world.video[given, 0])
    np.testing.assert_allclose(video[~given, 0], expected[~given, 0], atol=1e-4)


def test_a_context_decides_the_codes_that_see_nothing_else(world):
    cells = TASK.height // 4 * (TASK.width // 4)
    for count, expected in ((0, 0), (1, 1), (2, 1), (3, 2)):
        task = dataclasses.replace(TASK, context_frames=count)
        whole = jnp.ones((3, count), bool)
        condition = Condition.of(
            jnp.zeros((3, 3, 4)),
            jnp.zeros((3, 3)),
            jnp.zeros((3, *task.context_shape)),
            # All frames, none, and all but the last: half a context decides nothing.
            whole.at[1].set(False).at[2, -1:].set(False),
        )
        mask = np.asarray(decided(world.tokenizer, condition))
        assert mask.shape == (3, world.prior.length)
        assert mask[0, : expected * cells].all()
        assert not mask[0, expected * cells :].any()
        assert not mask[1:].any()


def test_openings_cover_the_first_frames(world):
    # Of this tokenizer the first of the token frames is the first frame, each later one two more.
    assert [world.tokenizer.covering(frames) for frames in (1, 2, 3, 4)] == [1, 2, 2, 3]
    _, h, w = world.tokenizer.grid
    assert world.opening == h * w


def test_what_is_expected_is_told_after_the_opening_alone(world):
    codes = world.codes

    def logits(first):
        expected = world.expect(world.condition, first)
        prompt = world.prior.expecting(world.prior.encode(world.condition), expected, world.opening)
        return world.prior(world.tell(codes), digits_of(codes, world.levels), prompt)

    logits = jax.jit(logits)
    moved = np.abs(np.nan_to_num(logits(world.video[:, :1]) - logits(-world.video[:, :1])))
    moved = moved.max(axis=(0, 2, 3)) > 1e-5
    assert not moved[: world.opening].any()
    assert moved[world.opening :].any()


def test_given_codes_are_those_of_the_clip_and_what_follows_hangs_on_them(world):
    _, mask = world.given
    still = jnp.repeat(world.video[:, :1], TASK.frames, axis=1)
    # Whatever follows, the codes of the first frame are the same.
    np.testing.assert_array_equal(world.encode(still)[mask], world.codes[mask])
    # What motion expects is the same for both, and would outweigh the codes that are given.
    prior = world.params["prior"]
    prior = prior | {k: 0.0 * v for k, v in prior.items() if k.startswith("expected_stem")}
    other = ((world.codes + 1) % world.tokenizer.size, mask)
    codes, moved = (
        world.draw(prior, world.condition, world.keys, Sampler(temperature=1.0), given)
        for given in (world.given, other)
    )
    np.testing.assert_array_equal(codes[mask], world.codes[mask])
    later = np.asarray(codes != moved) & ~np.asarray(mask)
    assert later[::2].any()
    assert not later[1].any()


def test_no_value_beyond_a_digits_levels_is_drawn(world):
    # Most of the second digit's mass lies on a value that it does not take.
    bias = world.params["prior"]["head.bias_head"].at[1, 3].set(50.0)
    prior = world.params["prior"] | {"head.bias_head": bias}
    condition = world.condition.keep(context=False)
    nothing = (world.codes, jnp.zeros_like(world.given[1]))
    sampler = Sampler(temperature=3.0, guidance=2.0)
    codes = np.asarray(world.draw(prior, condition, world.keys, sampler, nothing))
    assert codes.min() >= 0
    assert codes.max() < world.tokenizer.size
    digits = np.asarray(digits_of(jnp.asarray(codes), world.levels)).reshape(-1, 2)
    assert [set(column) for column in digits.T] == [set(range(n)) for n in world.levels]


def test_guidance_extrapolates_from_the_unconditional_pass(world):
    def codes(condition, guidance):
        sampler = Sampler(temperature=0.5, guidance=guidance)
        # Given codes stay in both passes.
        return world.draw(world.params["prior"], condition, world.keys, sampler, world.given)

    np.testing.assert_array_equal(codes(world.condition, 1.0), codes(world.condition, None))
    free = codes(world.condition.unconditional(), None)
    np.testing.assert_array_equal(codes(world.condition, 0.0), free)
    assert (np.asarray(codes(world.condition, 3.0)) != np.asarray(free)).any()


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
    assert np.nanmax(np.abs(told - a)) > 1e-3


def metrics_of_a_step(world, **changes):
    """The loss and the accuracy alone, which is less to compile."""
    config = dataclasses.replace(
        world.generator.config.prior,
        drop_text=0.0,
        drop_all=0.0,
        batch_size=B,
        continued=2,
        **changes,
    )
    phase = CausalPriorPhase(
        config, TASK, world.tokenizer, world.prior_phase.expectation, share=0.75
    )
    params = world.params["prior"]
    rest = {name: world.params[name] for name in ("tokenizer", "motion")}
    state = TrainState.create(params, config.optimizer.init(params), rest=rest)
    batch = Batch(video=world.video, condition=world.condition)
    return jax.jit(
        lambda *args: {name: phase.step(*args)[1][name] for name in ("loss", "accuracy")}
    )(state, batch, jax.random.key(0), jnp.float32(0.5))


def test_remedies_replace_what_is_read_and_not_what_is_asked_for(world):
    pictures = np.asarray(world.tell(jnp.arange(world.tokenizer.size)))
    codes = (jnp.asarray(pictures[world.codes]), digits_of(world.codes, world.levels))
    drawn = ~world.given[1]
    favourite = codes_of(jnp.array([2, 1]), world.levels)
    # A prior that is sure of one code, whatever it reads.
    sure = world.params["prior"] | {
        "head.bias_head": jnp.full((2, 4), -1e4).at[0, 2].set(1e4).at[1, 1].set(1e4)
    }
    network = world.prior_phase.network.bind(sure)
    prompt = network.encode(world.condition)

    def replacements(config):
        opening = codes[1][:, : world.opening]
        return Replacements.draw(config, opening, codes[1], world.levels, jax.random.key(1))

    @functools.partial(jax.jit, static_argnums=0)
    def read(config, progress):
        return exposed(
            network,
            config,
            world.tell,
            codes,
            prompt,
            drawn,
            replacements(config)[1],
            progress=progress,
        )

    own = CausalPriorConfig(scheduled_sampling=1.0)
    for config, progress, expected in [
        (own, 0.0, codes[0]),
        (own, 1.0, jnp.where(drawn[..., None], pictures[favourite], codes[0])),
    ]:
        told, digits = read(config, jnp.float32(progress))
        np.testing.assert_allclose(told, expected, atol=1e-5)
        np.testing.assert_array_equal(digits, codes[1])

    # Half of the budget is spent: half of the share, wherever the lots fall below it.
    half = CausalPriorConfig(scheduled_sampling=0.8)
    uniform, _ = replacements(half)[1].own
    told, _ = read(half, jnp.float32(0.5))
    own = (np.asarray(uniform) < 0.4) & np.asarray(drawn)
    assert 0.2 < own.mean() < 0.6
    expected = np.where(own[..., None], pictures[favourite], codes[0])
    np.testing.assert_allclose(told, expected, atol=1e-5)

    noisy = CausalPriorConfig(context_noise=1.0)
    opening, whole = replacements(noisy)
    for one, other in zip(opening.other, whole.other, strict=True):
        np.testing.assert_array_equal(one, other[:, : world.opening])
    swap, random = (np.asarray(part) for part in whole.other)
    told, digits = read(noisy, jnp.float32(0.0))
    np.testing.assert_array_equal(digits, codes[1])
    expected = pictures[np.where(swap, random, np.asarray(world.codes))]
    np.testing.assert_allclose(told, expected, atol=1e-5)


def test_random_codes_are_of_all_kinds_and_their_share_is_each_clips_own(world):
    digits = jnp.zeros((512, 40, 2), jnp.int32)
    config = CausalPriorConfig(context_noise=0.6)
    both = Replacements.draw(config, digits[:, :10], digits[:256], world.levels, jax.random.key(0))
    assert [part.other[0].shape for part in both] == [(512, 10), (256, 40)]
    swap, random = both[1].other
    shares = np.asarray(swap).mean(axis=1)
    # Even from 0 to 0.6: deviation 0.6 / sqrt(12), a little more by the lots of 40 codes.
    assert shares.mean() == pytest.approx(0.3, abs=0.03)
    assert shares.std() == pytest.approx(0.18, abs=0.03)
    counts = np.bincount(np.asarray(random).ravel(), minlength=world.tokenizer.size)
    assert counts.min() > 0.8 * counts.mean()
    assert counts.size == world.tokenizer.size


def test_noise_on_context_reaches_the_given_frames_and_what_moves_them(world, monkeypatch):
    """What the prior is told of a clip whose given frame it is not to trust."""
    seen = {}
    learned, for_opening = CausalPriorPhase.learned, CausalPriorPhase.for_opening

    def learning(phase, state, video, condition, first=None):
        if first is not None:
            seen.update(first=first)
        return learned(phase, state, video, condition, first)

    def telling(phase, condition):
        seen.update(context=condition.context)
        return for_opening(phase, condition)

    monkeypatch.setattr(CausalPriorPhase, "learned", learning)
    monkeypatch.setattr(CausalPriorPhase, "for_opening", telling)
    config = dataclasses.replace(
        world.generator.config.prior, context_noise=1.0, batch_size=B, continued=2
    )
    phase = CausalPriorPhase(
        config, TASK, world.tokenizer, world.prior_phase.expectation, share=0.75
    )
    rest = {name: world.params[name] for name in ("tokenizer", "motion")}
    params = world.params["prior"]
    state = TrainState.create(params, config.optimizer.init(params), rest=rest)
    batch = Batch(video=world.video, condition=world.condition)

    @jax.jit
    def told(state, batch):
        seen.clear()
        metrics = phase.step(state, batch, jax.random.key(0), jnp.float32(0.5))[1]
        begun, whole, _ = phase.learned(state, batch.video, batch.condition)
        lots = jax.random.fold_in(jax.random.key(0), 1)
        swaps, _ = Replacements.draw(config, begun[1], whole[1], world.levels, lots)
        return metrics["loss"], seen["first"], seen["context"], swaps.other

    _, first, context, (swap, random) = told(state, batch)
    codes = jnp.where(swap, random, world.codes[:, : world.opening])
    grid = codes.reshape(B, 1, *world.tokenizer.grid[1:])
    true = world.codes[:, : world.opening].reshape(grid.shape)
    decode = jax.jit(world.tokenizer.decode)
    noisy, clean = (decode(world.params["tokenizer"], each)[:, :1] for each in (grid, true))
    assert np.asarray(swap).any()
    shown = jnp.clip(world.video[:, :1] + noisy - clean, -1.0, 1.0)
    np.testing.assert_allclose(first, shown, atol=1e-5)
    given = np.asarray(world.condition.context_mask)[..., None, None, None]
    np.testing.assert_allclose(context, np.where(given, first, 0.0), atol=1e-6)


def test_the_loss_asks_for_all_openings_and_the_rest_of_some_clips(world):
    metrics = metrics_of_a_step(world)

    digits = np.asarray(digits_of(world.codes, world.levels))[..., None]

    def examined(condition):
        logits = np.asarray(jax.nn.log_softmax(world.logits(world.codes, condition)))
        nats = -np.take_along_axis(logits, digits, axis=-1)[..., 0].sum(axis=-1)
        return nats, (logits.argmax(axis=-1)[..., None] == digits).all(axis=(2, 3))

    # A frame that is given decides its opening: openings are asked for without it, and of the
    # first two clips all that follows.
    opening = world.opening
    parts = [
        (values[:, :opening].ravel(), whole[:2, opening:].ravel())
        for values, whole in zip(
            examined(world.condition.keep(context=False)), examined(world.condition), strict=True
        )
    ]
    nats, right = (np.concatenate(part) for part in parts)
    np.testing.assert_allclose(metrics["loss"], nats.mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["accuracy"], right.mean(), rtol=1e-5)
    # Read through noise, it is another loss.
    noisy = metrics_of_a_step(world, context_noise=1.0)["loss"]
    assert abs(float(noisy) - nats.mean()) > 1e-3


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
    again = jax.jit(world.generator.reconstruct)(world.params, world.video, world.condition)
    codes = world.codes.reshape(B, *world.tokenizer.grid)
    decoded = jax.jit(world.tokenizer.decode)(world.params["tokenizer"], codes)
    assert float(jnp.abs(decoded).max()) > 1.0  # what lies beyond is cut off
    np.testing.assert_allclose(again, jnp.clip(decoded, -1.0, 1.0), atol=1e-5)


@pytest.mark.parametrize("context_frames", [0, 2])
def test_any_number_of_context_frames(context_frames):
    task = dataclasses.replace(TASK, frames=3, height=6, context_frames=context_frames)
    generator = Autoregressive(AutoregressiveConfig.tiny(), task)
    context = jnp.full((1, *task.context_shape), 0.25)
    condition = Condition.of(
        jnp.ones((1, 3, 4)), jnp.ones((1, 3)), context, jnp.ones((1, context_frames))
    )
    keys = jax.random.split(jax.random.key(1), 1)
    # Drawn by shape: to compile the initialisation would take longer than the sampler.
    shapes, lots = jax.eval_shape(lambda: weights_of(generator)), np.random.default_rng(0)
    weights = jax.tree.map(
        lambda x: jnp.asarray(lots.normal(scale=0.1, size=x.shape), jnp.float32), shapes
    )
    video = jax.jit(generator.sample)(weights, condition, keys)
    assert video.shape == (1, *task.video_shape)
    np.testing.assert_array_equal(video[:, :context_frames], context)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Sampler(top_k=0),
        lambda: CausalPriorConfig(width=30, heads=4),
        lambda: CausalPriorConfig(batch_size=0),
        lambda: CausalPriorConfig(context_noise=1.5),
        lambda: CausalPriorConfig(microbatches=2, continued=3),
        lambda: AutoregressiveConfig(tokenizer_share=0.9),
    ],
)
def test_configs_that_cannot_be_are_refused(build):
    with pytest.raises(ValueError, match=r"must|at least|need|do not divide"):
        build()
