import dataclasses
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.evaluation import answer, protocol, reconstruct
from vidgen.evaluation.protocol import plans_of
from vidgen.text import WordVectors
from vidgen.types import Plan, Task

TASK = Task(
    frames=8, height=32, width=32, channels=1, context_frames=1, text_length=12, text_width=8
)


@pytest.fixture(scope="module")
def encoder(held_out):
    return WordVectors(held_out.vocabulary, length=12, width=8)


def noise(condition, keys):
    """A clip that depends on its key, its text and its first frame, and on nothing else."""
    shape = TASK.video_shape
    drawn = jax.vmap(lambda key: jax.random.uniform(key, shape, minval=-0.5, maxval=0.5))(keys)
    said = 0.1 * jnp.tanh(condition.text.sum((1, 2)))
    return drawn + said[:, None, None, None, None] + 0.3 * condition.context


SAMPLE = jax.jit(noise)


def test_the_list_is_balanced_and_half_of_it_gives_the_first_frame(prompts):
    pairs = list(zip(prompts.truth.identity, prompts.truth.motion, strict=True))
    assert set(Counter(pairs).values()) == {2}
    assert prompts.context_mask.sum() == 80
    given = [pair for pair, is_given in zip(pairs, prompts.context_mask, strict=True) if is_given]
    assert set(Counter(given).values()) == {1}
    assert len(set(prompts.index.tolist())) == 160
    assert len(set(prompts.keys.tolist())) == 160
    assert prompts.source == "digits/test"


def test_an_uneven_number_is_as_balanced_as_it_can_be(held_out):
    prompts = protocol(held_out, n=100, seed=1, context_frames=1, context_rate=0.25)
    pairs = Counter(zip(prompts.truth.identity, prompts.truth.motion, strict=True))
    assert len(pairs) == 80
    assert set(pairs.values()) == {1, 2}
    assert prompts.context_mask.sum() == 25


def test_the_list_depends_on_the_seed_alone(held_out, prompts):
    again = protocol(held_out, n=160, seed=0, context_frames=1)
    assert again.digest == prompts.digest
    other = protocol(held_out, n=160, seed=1, context_frames=1)
    assert set(other.index.tolist()) != set(prompts.index.tolist())


def test_prompts_are_clips_of_the_source(held_out, prompts):
    for place in (0, 77):
        clip = held_out[int(prompts.index[place])]
        np.testing.assert_array_equal(clip.video, prompts.video[place])
        assert clip.caption == prompts.captions[place]


def test_without_context_frames_none_are_given(held_out):
    assert not protocol(held_out, n=4, seed=0, context_frames=0).context_mask.any()


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 10**6}, {"context_rate": 1.5}])
def test_a_list_that_cannot_be_drawn_is_refused(held_out, wrong):
    with pytest.raises(ValueError, match=r"prompts cannot be drawn|context_rate"):
        protocol(held_out, **({"n": 4, "seed": 0, "context_frames": 1} | wrong))


def test_answers_do_not_depend_on_batch_or_order(prompts, encoder):
    few = prompts[:10]
    whole = answer(few, encoder, TASK, SAMPLE, batch_size=10)
    ragged = answer(few, encoder, TASK, SAMPLE, batch_size=4)
    # One level is the rounding of differently compiled arithmetic.
    assert np.abs(whole.video.astype(int) - ragged.video).max() <= 1
    order = np.random.default_rng(0).permutation(10)
    shuffled = answer(few[order], encoder, TASK, SAMPLE, batch_size=10)
    assert np.abs(whole.video[order].astype(int) - shuffled.video).max() <= 1
    assert len(np.unique(whole.video.reshape(10, -1), axis=0)) == 10


def test_the_last_batch_is_filled_up_so_that_one_shape_is_compiled(prompts, encoder):
    traces = []

    @jax.jit
    def sample(condition, keys):
        traces.append(condition.batch_size)
        return noise(condition, keys)

    answer(prompts[:7], encoder, TASK, sample, batch_size=4)
    assert traces == [4]


def test_prompts_of_text_do_not_see_the_first_frame(prompts, encoder):
    def sample(condition, keys):
        del keys
        return jnp.broadcast_to(condition.context, (condition.batch_size, *TASK.video_shape))

    answers = answer(prompts[:16], encoder, TASK, sample, batch_size=8)
    given = answers.context_mask
    assert (answers.video[~given] == 128).all()
    np.testing.assert_array_equal(answers.video[given][:, 3], prompts[:16].video[given][:, 0])


def test_the_answer_carries_prompts_and_truth(prompts, encoder):
    few = prompts[:6]
    answers = answer(few, encoder, TASK, SAMPLE, batch_size=4)
    assert answers.captions == few.captions
    assert answers.truth is few.truth
    np.testing.assert_array_equal(answers.keys, few.keys)
    assert not answers.failed.any()


def test_a_clip_that_is_not_finite_is_marked_and_grey(prompts, encoder):
    def sample(condition, keys):
        video = SAMPLE(condition, keys)
        return video.at[1, 2, 3, 4, 0].set(jnp.nan).at[2, 0].set(jnp.inf)

    answers = answer(prompts[:4], encoder, TASK, sample, batch_size=4)
    assert answers.failed.tolist() == [False, True, True, False]
    assert (answers.video[answers.failed] == 128).all()


def test_parts_that_do_not_fit_are_refused(prompts, encoder, held_out):
    few = prompts[:2]
    longer = WordVectors(held_out.vocabulary, length=13, width=8)
    with pytest.raises(ValueError, match="the encoder makes"):
        answer(few, longer, TASK, noise, batch_size=2)
    with pytest.raises(ValueError, match="first frames"):
        answer(few.replace(context_frames=2), encoder, TASK, noise, batch_size=2)
    with pytest.raises(ValueError, match="do not fit task"):
        answer(
            few.replace(video=few.video[:, :, :16], truth=None), encoder, TASK, noise, batch_size=2
        )
    with pytest.raises(ValueError, match="the sampler drew"):
        answer(few, encoder, TASK, lambda c, k: c.context, batch_size=2)
    with pytest.raises(ValueError, match="batch_size"):
        answer(few, encoder, TASK, noise, batch_size=0)


def test_reconstruction_is_the_real_clips_sent_through(prompts, encoder):
    few, told = prompts[:5], []

    @jax.jit
    def backwards(video, condition):
        return video[:, ::-1]

    def through(video, condition):
        told.append(np.asarray(condition.text))
        return backwards(video, condition)

    back = reconstruct(few, encoder, TASK, through, batch_size=2)
    np.testing.assert_array_equal(back.video, few.video[:, ::-1])
    text, mask = encoder(few.captions)
    np.testing.assert_array_equal(np.concatenate(told)[:5], np.where(mask[..., None], text, 0))
    broken = reconstruct(few, encoder, TASK, lambda video, _: video * jnp.nan, batch_size=5)
    assert broken.failed.all()
    with pytest.raises(ValueError, match="batch_size"):
        reconstruct(few, encoder, TASK, through, batch_size=0)


def test_plans_reach_the_sampler_row_by_row(prompts, encoder):
    task = dataclasses.replace(TASK, objects=1)
    few = prompts[:6]
    plans = [plan if n != 2 else None for n, plan in enumerate(plans_of(few))]
    told = []

    def sample(condition, keys):
        told.append(condition.layout)
        return noise(condition, keys)

    answer(few, encoder, task, sample, batch_size=4, plans=plans)
    boxes = np.concatenate([layout.boxes for layout in told])[:6]
    mask = np.concatenate([layout.mask for layout in told])[:6]
    assert mask.any(axis=(1, 2)).tolist() == [n != 2 for n in range(6)]
    expected = np.where(mask[..., None], few.truth.boxes / 32, 0)
    np.testing.assert_allclose(boxes, expected, rtol=1e-6)
    untold = answer(few, encoder, task, sample, batch_size=4)
    assert told[-1] is None
    assert untold.digest == answer(few, encoder, TASK, SAMPLE, batch_size=4).digest


def test_plans_that_do_not_fit_are_refused(prompts, encoder):
    few = prompts[:3]
    plans = plans_of(few)
    placed = dataclasses.replace(TASK, objects=1)
    with pytest.raises(ValueError, match="3 plans for 3 prompts of a task with room for 0"):
        answer(few, encoder, TASK, SAMPLE, batch_size=2, plans=plans)
    with pytest.raises(ValueError, match="2 plans for 3 prompts"):
        answer(few, encoder, placed, SAMPLE, batch_size=2, plans=plans[:2])
    two = Plan(identity=("1", "2"), boxes=np.tile(plans[0].boxes, (1, 2, 1)))
    with pytest.raises(ValueError, match=r"a plan places 2 objects \(1, 2\).*task.objects=2"):
        answer(few, encoder, placed, SAMPLE, batch_size=2, plans=[two, None, None])
    with pytest.raises(ValueError, match="a plan has 7 frames, the task 8"):
        answer(few, encoder, placed, SAMPLE, batch_size=2, plans=[*plans[:2], shorter(plans[2])])
    with pytest.raises(ValueError, match="they have no truth"):
        plans_of(few.replace(truth=None))


def shorter(plan):
    return dataclasses.replace(plan, boxes=plan.boxes[1:])
