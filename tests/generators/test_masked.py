"""The masked generator: schedule, masks, the order in which codes are filled in, and prompts."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.contract import TrainState
from vidgen.generators.autoregressive import Autoregressive, AutoregressiveConfig
from vidgen.generators.masked import Masked, MaskedConfig, MaskedPriorConfig, Sampler
from vidgen.generators.masked.phase import MaskedPriorPhase
from vidgen.generators.masked.sampling import fill, sample_codes
from vidgen.generators.masked.schedule import hide, remaining
from vidgen.nn import codes_of, digits_of
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


def shaken(value):
    return value + 0.2 * jax.random.normal(jax.random.key(value.size), value.shape)


class World:
    """A generator with random weights everywhere, and one prompt with and one without a frame."""

    def __init__(self):
        self.generator = Masked(MaskedConfig.tiny(), TASK)
        tokenizer, _, self.phase = self.generator.phases()
        self.tokenizer, self.expectation = tokenizer.tokenizer, self.phase.expectation
        self.levels = self.tokenizer.config.quantizer.levels
        self.params = jax.jit(lambda: jax.tree.map(shaken, weights_of(self.generator)))()
        key = jax.random.key(5)
        self.video = jnp.tanh(jax.random.normal(key, (B, *TASK.video_shape)))
        self.condition = Condition.of(
            jax.random.normal(key, (B, 3, 4)),
            jnp.array([[1, 1, 0], [1, 1, 1], [1, 0, 0]]),
            self.video[:, :1],
            jnp.array([[1], [0], [1]]),
        )
        self.keys = jax.random.split(jax.random.key(9), B)
        encode = jax.jit(self.tokenizer.encode)
        self.codes = encode(self.params["tokenizer"], self.video).reshape(B, -1)
        self.length, self.opening = self.codes.shape[1], self.expectation.opening
        self.mask = self.condition.context_mask & (jnp.arange(self.length) < self.opening)[None]
        self.expected = jax.jit(self.expect)(self.video[:, :1])
        self.tell = jax.jit(self._tell)
        self.features = jax.jit(self._features)
        self.draw = jax.jit(self._draw)
        self.fill = jax.jit(self._fill)

    @property
    def prior(self):
        return self.phase.network.bind(self.params["prior"])

    def _tell(self, codes):
        return self.tokenizer.stands_for(self.params["tokenizer"], codes)

    def expect(self, first):
        """What clips are expected to be that begin like this."""
        moved = self.expectation.moved(self.params, first, self.condition)
        return self.expectation.told(self.params, moved)

    def _features(self, told, hidden, suggested, condition):
        return self.prior(told, hidden, self.prior.encode(condition), suggested)

    def _fill(self, codes, hidden, sampler):
        return fill(
            self.prior,
            self._tell,
            self.prior.encode(self.condition),
            self.expected,
            codes,
            hidden,
            self.keys,
            sampler,
            sampler.steps,
        )

    def _draw(self, condition, sampler, given, suggested):
        return sample_codes(
            self.prior,
            self._tell,
            lambda _, doubled, __: jnp.tile(suggested, (doubled.batch_size // B, 1, 1)),
            condition,
            self.keys,
            sampler,
            opening=self.opening,
            given=given,
        )


@pytest.fixture(scope="module")
def world():
    return World()


def test_the_schedule_by_hand():
    # 8 cos(pi/8) = 7.39, 8 cos(pi/4) = 5.66, 8 cos(3 pi/8) = 3.06.
    assert remaining(8, 4)[:, 8].tolist() == [7, 5, 3, 0]
    # 64 cos(pi/3) is 32, whatever the last bit of the cosine says.
    assert remaining(64, 3)[:, 64].tolist() == [55, 32, 0]
    # More steps than codes decide one a step.
    assert remaining(64, 8)[:, 3].tolist() == [2, 1, 0, 0, 0, 0, 0, 0]
    for steps in range(1, 17):
        table = remaining(20, steps)
        before = np.concatenate([np.arange(21)[None], table])
        assert (np.diff(before, axis=0)[before[:-1] > 0] < 0).all()
        assert (table[-1] == 0).all()


def test_training_hides_by_the_same_law():
    among = jnp.broadcast_to((jnp.arange(40) >= 8)[None], (4000, 40)).at[0].set(False)
    hidden = np.asarray(jax.jit(hide)(jax.random.key(0), among))
    assert not hidden[~np.asarray(among)].any()
    assert hidden[1:].any(axis=1).all()
    shares = hidden[1:, 8:].mean(axis=1)
    # Of cos(pi/2 u) the mean is 2/pi and the median cos(pi/4); rounding up adds half a code of 32.
    assert shares.mean() == pytest.approx(2 / np.pi + 0.5 / 32, abs=0.015)
    assert np.median(shares) == pytest.approx(np.cos(np.pi / 4) + 0.5 / 32, abs=0.03)
    # No place is hidden more often than another.
    assert np.ptp(hidden[1:, 8:].mean(axis=0)) < 0.06


def test_hidden_codes_leave_no_trace_and_known_ones_reach_both_ways(world):
    told = world.tell(world.codes)
    hidden = jnp.zeros((B, world.length), bool).at[:, ::2].set(True)

    def moved(place):
        other = told.at[:, place].add(1.0)
        before, after = (
            world.features(t, hidden, world.expected, world.condition) for t in (told, other)
        )
        return np.abs(after - before).max(axis=(0, 2)) > 1e-5

    middle = world.length // 2 // 2 * 2
    assert not moved(middle).any()
    assert moved(middle + 1)[: middle + 1].any()
    assert moved(middle + 1)[middle + 2 :].any()


@pytest.mark.parametrize("steps", [1, 3])
def test_the_most_confident_codes_are_filled_in_first(world, steps):
    """Against the same in a loop over codes; one step is one pass, all of it the likeliest."""
    sampler = Sampler(steps=steps, temperature=0.0, choice_temperature=0.5, guidance=None)
    start = np.arange(world.length)[None] % 4 > 0  # every fourth is known
    start = np.broadcast_to(start, (B, world.length)).copy()
    start[1] = True
    head = jax.jit(lambda x, digits: world.prior.head(x, digits))
    digits, hidden = np.array(digits_of(world.codes, world.levels)), start.copy()
    for step in range(steps):
        told = world.tell(codes_of(jnp.asarray(digits), world.levels))
        x = world.features(told, jnp.asarray(hidden), world.expected, world.condition)
        confidence = np.zeros((B, world.length))
        for place in range(len(world.levels)):
            shares = np.asarray(jax.nn.log_softmax(head(x, jnp.asarray(digits))[:, :, place]))
            likeliest = shares.argmax(axis=-1)
            digits[..., place] = np.where(hidden, likeliest, digits[..., place])
            confidence += shares.max(axis=-1)
        for row, key in enumerate(world.keys):
            # The step's keys before this one draw the digits.
            of_step = jax.random.fold_in(jax.random.fold_in(key, step), len(world.levels))
            noise = jax.random.gumbel(of_step, (world.length,))
            score = confidence[row] + 0.5 * (1 - (step + 1) / steps) * np.asarray(noise)
            left = int(start[row].sum() * np.cos(np.pi / 2 * (step + 1) / steps) + 1e-9)
            surest = sorted(np.flatnonzero(hidden[row]), key=lambda place: -score[place])
            for place in surest[: len(surest) - left]:
                hidden[row, place] = False
    assert not hidden.any()
    codes = np.asarray(world.fill(world.codes, jnp.asarray(start), sampler))
    np.testing.assert_array_equal(codes, codes_of(jnp.asarray(digits), world.levels))
    np.testing.assert_array_equal(codes[~start], np.asarray(world.codes)[~start])
    assert (codes != np.asarray(world.codes))[start].any()


def test_guidance_extrapolates_and_given_codes_stay(world):
    given = (world.codes, world.mask)

    def codes(condition, guidance):
        sampler = Sampler(steps=2, temperature=1.0, guidance=guidance)
        return np.asarray(world.draw(condition, sampler, given, world.expected))

    told, free = codes(world.condition, 1.0), codes(world.condition, 0.0)
    np.testing.assert_array_equal(told, codes(world.condition, None))
    np.testing.assert_array_equal(free, codes(world.condition.unconditional(), None))
    strong = codes(world.condition, 3.0)
    assert (strong != told).any()
    mask = np.asarray(world.mask)
    for drawn in (told, free, strong):
        np.testing.assert_array_equal(drawn[mask], np.asarray(world.codes)[mask])
        # Where no frame is given, the opening is drawn.
        assert (drawn != np.asarray(world.codes))[1, : world.opening].any()
        assert drawn.min() >= 0
        assert drawn.max() < world.tokenizer.size


def test_what_is_given_and_what_is_suggested_reach_the_later_codes_alone(world):
    sampler, given = Sampler(steps=2, temperature=0.5), (world.codes, world.mask)
    other = (world.codes + 1) % world.tokenizer.size
    before = world.draw(world.condition, sampler, given, world.expected)
    suggested = world.draw(world.condition, sampler, given, world.tell(other))
    np.testing.assert_array_equal(before[:, : world.opening], suggested[:, : world.opening])
    assert (np.asarray(before) != np.asarray(suggested)).any()
    begun = world.draw(world.condition, sampler, (other, world.mask), world.expected)
    later = np.asarray(before != begun)[:, world.opening :].any(axis=1)
    assert later[::2].any()
    # The clip without a given frame is told nothing of it.
    np.testing.assert_array_equal(before[1], begun[1])


def test_the_opening_has_steps_of_its_own(world):
    alike, apart = (
        np.asarray(world.draw(world.condition, sampler, (world.codes, world.mask), world.expected))
        for sampler in (
            Sampler(steps=2, temperature=0.5),
            Sampler(steps=1, temperature=0.5, opening_steps=2),
        )
    )
    np.testing.assert_array_equal(alike[:, : world.opening], apart[:, : world.opening])
    assert (alike[:, world.opening :] != apart[:, world.opening :]).any()


def test_samples_are_the_codes_that_were_filled_in(world):
    sampler = Sampler(steps=2, temperature=1.0, guidance=None)
    video = jax.jit(world.generator.sample)(world.params, world.condition, world.keys, sampler)
    tokenizer, weights = world.tokenizer, world.params["tokenizer"]

    @jax.jit
    def expect(codes):
        opening = codes[:, : world.opening].reshape(B, 1, *tokenizer.grid[1:])
        shown = world.condition.context_mask[..., None, None, None]
        first = jnp.where(shown, world.video[:, :1], tokenizer.decode(weights, opening)[:, :1])
        return world.expect(first)

    given = (world.codes, world.mask)
    opening = world.draw(world.condition, sampler, given, world.expected)
    codes = world.draw(world.condition, sampler, given, expect(opening))
    decoded = jax.jit(tokenizer.decode)(weights, codes.reshape(B, *tokenizer.grid))
    decoded = np.clip(decoded, -1.0, 1.0)
    np.testing.assert_allclose(video[:, 1:], decoded[:, 1:], atol=1e-4)
    np.testing.assert_allclose(video[1, 0], decoded[1, 0], atol=1e-4)
    np.testing.assert_array_equal(video[::2, 0], world.video[::2, 0])


def test_the_loss_asks_for_hidden_codes_alone(world):
    config = dataclasses.replace(
        world.generator.config.prior, drop_text=0.0, drop_all=0.0, batch_size=B, continued=2
    )
    phase = MaskedPriorPhase(config, TASK, world.tokenizer, world.expectation, share=0.5)
    params = world.params["prior"]
    rest = {name: world.params[name] for name in ("tokenizer", "motion")}
    state = TrainState.create(params, config.optimizer.init(params), rest=rest)
    batch = Batch(video=world.video, condition=world.condition)
    key = jax.random.key(3)
    # Of the step its loss and accuracy alone, which is less to compile.
    metrics = jax.jit(
        lambda *args: {name: phase.step(*args)[1][name] for name in ("loss", "accuracy")}
    )(state, batch, key, jnp.float32(0.5))

    _, for_opening, for_later = jax.random.split(key, 3)
    # A frame that is given decides its opening: openings are asked for without it.
    first = hide(for_opening, jnp.ones((B, world.opening), bool))
    places = jnp.arange(world.length) >= world.opening
    later = hide(for_later, jnp.broadcast_to(places[None], (2, world.length)))

    @functools.partial(jax.jit, static_argnums=3)
    def examined(codes, hidden, condition, suggest):
        prompt = world.prior.encode(condition)
        suggested = world.expected[: len(codes)] if suggest else None
        digits = digits_of(codes, world.levels)
        x = world.prior(world.tell(codes), hidden, prompt, suggested)
        logits = jax.nn.log_softmax(world.prior.head(x, digits))
        nats = -jnp.take_along_axis(logits, digits[..., None], axis=-1)[..., 0].sum(axis=-1)
        return nats, (logits.argmax(axis=-1) == digits).all(axis=-1)

    parts = [
        (world.codes[:, : world.opening], first, world.condition.keep(context=False), False),
        (world.codes[:2], later, jax.tree.map(lambda x: x[:2], world.condition), True),
    ]
    found = [[np.asarray(v)[np.asarray(part[1])] for v in examined(*part)] for part in parts]
    nats, right = (np.concatenate(values) for values in zip(*found, strict=True))
    np.testing.assert_allclose(metrics["loss"], nats.mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["accuracy"], right.mean(), rtol=1e-5)


def test_tokenizer_and_motion_are_those_of_the_autoregressive_generator():
    """Under one seed: the same phases in name and share, from their first weights on."""
    for ours, theirs in (
        (MaskedConfig(), AutoregressiveConfig()),
        (MaskedConfig.tiny(), AutoregressiveConfig.tiny()),
    ):
        for name in ("tokenizer", "motion", "tokenizer_share", "motion_share"):
            assert getattr(ours, name) == getattr(theirs, name)
    masked = Masked(MaskedConfig.tiny(), TASK).phases()
    other = Autoregressive(AutoregressiveConfig.tiny(), TASK).phases()
    assert [(p.name, p.share) for p in masked] == [(p.name, p.share) for p in other]
    key = jax.random.key(4)
    for ours, theirs in zip(masked[:2], other[:2], strict=True):
        video = jnp.tanh(jax.random.normal(key, (ours.batch_size, *TASK.video_shape)))
        told = Condition.of(
            jax.random.normal(key, (len(video), 3, 4)),
            jnp.ones((len(video), 3)),
            video[:, :1],
            jnp.ones((len(video), 1)),
        )
        batch = Batch(video=video, condition=told)

        def first_step(key, batch, phase):
            return phase.step(phase.init(key, {}), batch, key, jnp.float32(0.5))

        # The same program of the same key and batch, down to the last operation.
        ours, theirs = (
            str(jax.make_jaxpr(functools.partial(first_step, phase=phase))(key, batch))
            for phase in (ours, theirs)
        )
        assert ours == theirs


@pytest.mark.parametrize("context_frames", [0, 2])
def test_any_number_of_context_frames(context_frames):
    task = dataclasses.replace(TASK, frames=3, height=6, context_frames=context_frames)
    generator = Masked(MaskedConfig.tiny(), task)
    context = jnp.full((1, *task.context_shape), 0.25)
    condition = Condition.of(
        jnp.ones((1, 3, 4)), jnp.ones((1, 3)), context, jnp.ones((1, context_frames))
    )
    keys = jax.random.split(jax.random.key(1), 1)
    # Drawn by shape: to compile the initialisation would take longer than the sampler.
    shapes = jax.eval_shape(lambda: weights_of(generator))
    weights = jax.tree.map(
        lambda x: 0.1 * jax.random.normal(jax.random.key(x.size), x.shape), shapes
    )
    video = jax.jit(generator.sample)(weights, condition, keys)
    assert video.shape == (1, *task.video_shape)
    np.testing.assert_array_equal(video[:, :context_frames], context)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Sampler(steps=0),
        lambda: Sampler(opening_steps=0),
        lambda: MaskedPriorConfig(width=30, heads=4),
        lambda: MaskedPriorConfig(batch_size=0),
        lambda: MaskedPriorConfig(continued=33),
        lambda: MaskedConfig(tokenizer_share=0.9),
    ],
)
def test_configs_that_cannot_be_are_refused(build):
    with pytest.raises(ValueError, match=r"must|at least|need"):
        build()
