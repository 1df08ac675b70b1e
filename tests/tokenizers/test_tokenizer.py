"""The video tokenizer: patches, causality, what codes tell, and a phase that learns."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.contract import Phase
from vidgen.nn import LFQ, VQ, patchify, unpatchify
from vidgen.optim import Optimizer
from vidgen.tokenizers import AdversarialLoss, Tokenizer, TokenizerConfig, TokenizerPhase
from vidgen.tokenizers.usage import Usage
from vidgen.training import flops
from vidgen.types import Batch, Condition, Task

# Six frames with the past of the first, and ten rows, are no multiples of the patch, so padding is
# always exercised.
TASK = Task(frames=6, height=10, width=8, channels=1, text_length=2, text_width=3)
CONFIG = dataclasses.replace(
    TokenizerConfig.tiny(), optimizer=Optimizer(kind="adamw", learning_rate=1e-2)
)


def moved(weights):
    """Random weights everywhere: zero-initialised branches would hide what they leak."""
    keys = jax.random.split(jax.random.key(7), len(weights))
    return {
        name: value + 0.3 * jax.random.normal(key, value.shape)
        for key, (name, value) in zip(keys, sorted(weights.items()), strict=True)
    }


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(CONFIG, TASK)


@pytest.fixture(scope="module")
def params(tokenizer):
    return jax.jit(lambda key: moved(tokenizer.init(key)))(jax.random.key(0))


def a_batch(key):
    video = jnp.tanh(jax.random.normal(key, (2, *TASK.video_shape)))
    condition = Condition.of(
        jnp.zeros((2, 2, 3)), jnp.zeros((2, 2)), video[:, :1], jnp.zeros((2, 1))
    )
    return Batch(video=video, condition=condition)


def test_blocks_computed_again_are_not_kept():
    """Traced and not compiled."""
    counts = []
    for remat in (False, True):
        phase = TokenizerPhase(dataclasses.replace(CONFIG, remat=remat), TASK)
        state = jax.eval_shape(phase.init, jax.random.key(0), {})
        counts.append(
            flops.count(
                phase.step, state, a_batch(jax.random.key(0)), jax.random.key(1), jnp.float32(0.5)
            )
        )
    assert counts[0].required == counts[1].required
    assert counts[0].recomputed == 0 < counts[1].recomputed


def test_patches_are_put_together_again():
    video = jnp.arange(2 * 5 * 6 * 7 * 3, dtype=jnp.float32).reshape(2, 5, 6, 7, 3)
    patches = patchify(video, (2, 3, 4))
    assert patches.shape == (2, 3, 2, 2, 2 * 3 * 4 * 3)
    np.testing.assert_array_equal(unpatchify(patches, (2, 3, 4), (5, 6, 7, 3)), video)
    corner = video[0, :2, :3, :4].reshape(-1)
    np.testing.assert_array_equal(patches[0, 0, 0, 0], corner)


def test_codes_do_not_see_later_frames(tokenizer, params):
    """The first frame has token frames of its own; each pair after it has the next ones."""
    encode = jax.jit(tokenizer.network.bind(params).encode)
    video = a_batch(jax.random.key(1)).video
    before = encode(video)
    assert before.shape == (2, *tokenizer.grid, CONFIG.quantizer.width)
    for frame in range(TASK.frames):
        after = encode(video.at[:, frame].add(1.0))
        changed = np.asarray(jnp.abs(after - before).max((0, 2, 3, 4)) > 1e-6)
        first = -(-frame // 2)
        assert not changed[:first].any()
        assert changed[first]


def test_token_frames_are_known_once_their_frames_are(tokenizer, params):
    assert [tokenizer.known(frames) for frames in range(6)] == [0, 1, 1, 2, 2, 3]
    encode = jax.jit(tokenizer.network.bind(params).encode)
    video = a_batch(jax.random.key(1)).video
    before = encode(video)
    for frames in range(TASK.frames):
        known = tokenizer.known(frames)
        after = encode(video.at[:, frames:].multiply(-1.0))
        np.testing.assert_array_equal(after[:, :known], before[:, :known])
        if known < tokenizer.known(frames + 1):
            # Not one frame less would do.
            assert float(jnp.abs(after - before)[:, known].max()) > 1e-6


def test_each_frame_is_held_by_the_step_that_decides_it(tokenizer):
    steps = tokenizer.steps(TASK.frames)
    assert steps.tolist() == [0, 1, 1, 2, 2, 3]
    for frame, step in enumerate(steps):
        assert tokenizer.covering(frame + 1) == step + 1


def test_the_first_frame_is_continued_into_the_past(tokenizer, params):
    video = a_batch(jax.random.key(1)).video
    still = jnp.repeat(video[:, :1], TASK.frames, axis=1)
    z = jax.jit(tokenizer.network.bind(params).encode)(still)
    # Nothing moves, and the encoder looks at patches alone: all token frames are the first.
    np.testing.assert_allclose(z, jnp.broadcast_to(z[:, :1], z.shape), atol=1e-5)


def test_frames_do_not_see_later_codes(tokenizer, params):
    decode = jax.jit(tokenizer.network.bind(params).decode)
    values = jax.random.normal(jax.random.key(1), (2, *tokenizer.grid, CONFIG.quantizer.width))
    before = decode(values)
    assert before.shape == (2, *TASK.video_shape)
    for t in range(tokenizer.grid[0]):
        after = decode(values.at[:, t].add(1.0))
        changed = np.asarray(jnp.abs(after - before).max((0, 2, 3, 4)) > 1e-6)
        first = max(2 * t - 1, 0)
        assert not changed[:first].any()
        assert changed[first]


def test_codes_decode_as_the_values_they_stand_for(tokenizer, params):
    codes = jax.jit(tokenizer.encode)(params, a_batch(jax.random.key(2)).video)
    assert codes.shape == (2, *tokenizer.grid)
    assert 0 <= int(codes.min()) <= int(codes.max()) < tokenizer.size
    values = CONFIG.quantizer.values({}, codes)
    decoded = jax.jit(tokenizer.decode)(params, codes)
    expected = jax.jit(tokenizer.network.bind(params).decode)(values)
    np.testing.assert_allclose(decoded, expected, atol=1e-5)


def test_a_code_stands_for_its_vector_and_what_it_decodes_to_alone(tokenizer, params):
    codes = jnp.arange(tokenizer.size)
    tell = jax.jit(tokenizer.stands_for)
    told = tell(params, codes)
    assert told.shape == (tokenizer.size, tokenizer.told_width)
    vectors, pixels = jnp.split(told, [CONFIG.quantizer.width], axis=-1)
    np.testing.assert_array_equal(vectors, CONFIG.quantizer.values({}, codes))
    # A clip of a single code, with the same weights; of its patch it shows the last frame.
    frames, height, width = CONFIG.code_patch
    task = dataclasses.replace(TASK, frames=1, height=height, width=width, context_frames=0)
    lone = Tokenizer(CONFIG, task)
    assert lone.grid == (1, 1, 1)
    clips = jax.jit(lone.decode)(params, codes.reshape(-1, 1, 1, 1))
    shown = pixels.reshape(-1, frames, height, width, 1)[:, -1:]
    np.testing.assert_allclose(shown, clips, atol=1e-5)
    # More places than codes there are, on any axes.
    many = jax.random.randint(jax.random.key(0), (2, 3, 5), 0, tokenizer.size)
    np.testing.assert_allclose(tell(params, many), told[many], atol=1e-5)
    # Different codes look different.
    assert len(np.unique(np.asarray(pixels).reshape(12, -1).round(4), axis=0)) == 12


@pytest.mark.parametrize("quantizer", [CONFIG.quantizer, LFQ(bits=4), VQ(size=12, width=4)])
def test_the_phase_learns_and_exports_what_the_tokenizer_takes(quantizer):
    config = dataclasses.replace(CONFIG, quantizer=quantizer)
    phase = TokenizerPhase(config, TASK, share=0.5)
    assert isinstance(phase, Phase)
    first = state = jax.jit(phase.init)(jax.random.key(0), {})
    step, batch = jax.jit(phase.step), a_batch(jax.random.key(3))
    losses, metrics = [], {}
    for i in range(30):
        state, metrics = step(state, batch, jax.random.key(i), jnp.float32(0.1))
        losses.append(float(metrics["reconstruction"]))
    assert losses[-1] < 0.8 * losses[0]
    assert 1.0 <= float(metrics["perplexity"]) <= quantizer.size
    assert 0.0 < float(metrics["usage"]) <= 1.0
    assert 1.0 <= float(metrics["digit_perplexity"]) <= max(quantizer.levels)
    assert 0.0 < float(metrics["digit_usage"]) <= 1.0

    exported = phase.export(state)
    again = jax.jit(lambda p, v: phase.tokenizer.decode(p, phase.tokenizer.encode(p, v)))
    assert again(exported, batch.video).shape == batch.video.shape
    weights, codebook = phase.tokenizer.unpack(exported)
    assert phase.tokenizer.pack(weights, codebook).keys() == exported.keys()
    assert weights.keys() == state.params.keys()
    assert bool(codebook) == isinstance(quantizer, VQ)
    for name, array in codebook.items():
        # The codebook moves by its own averages, though no optimiser knows of it.
        assert not np.array_equal(array, first.rest["codebook"][name])


def test_usage_of_digits_and_of_codes_by_hand():
    few = Usage((2, 4))
    after = jax.jit(few.after)
    shares = few.even()
    assert few.metrics(shares) == pytest.approx(
        {"digit_perplexity": 3.0, "digit_usage": 1.0, "perplexity": 8.0, "usage": 1.0}, rel=1e-5
    )
    # Codes 0 and 7: the first digit takes both values, the second 0 and 3 of its four.
    for _ in range(2000):
        shares = after(shares, jnp.array([[0, 7]]))
    assert few.metrics(shares) == pytest.approx(
        {"digit_perplexity": 2.0, "digit_usage": 0.75, "perplexity": 2.0, "usage": 0.25}, rel=1e-4
    )
    # More codes than anybody could count.
    assert Usage((5,) * 8).metrics(Usage((5,) * 8).even()).keys() == {
        "digit_perplexity",
        "digit_usage",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"widths": ()},
        {"blocks": (1,)},
        {"patch": (0, 2, 2)},
        {"microbatches": 3},
        {"microbatches": 2, "adversarial": AdversarialLoss()},
    ],
)
def test_a_config_that_cannot_be_is_refused(change):
    with pytest.raises(ValueError, match=r"stage|positive|do not divide|and a discriminator"):
        dataclasses.replace(CONFIG, **change)
