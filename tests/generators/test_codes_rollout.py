"""Clips of any length by a window over codes that knows those of the last frames."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.contract import RollsOut
from vidgen.generators.autoregressive import Autoregressive, AutoregressiveConfig
from vidgen.generators.masked import Masked, MaskedConfig
from vidgen.nn.sliding import _LINK
from vidgen.types import Condition, Task

TASK = Task(frames=5, height=8, width=8, channels=1, text_length=3, text_width=4)
T, HISTORY, LONG = TASK.frames, 3, 9
KINDS = {
    "autoregressive": (Autoregressive, AutoregressiveConfig, False),
    "residual": (Autoregressive, AutoregressiveConfig, True),
    "masked": (Masked, MaskedConfig, False),
}


def built(kind, history=HISTORY):
    which, config, residual = KINDS[kind]
    return which(dataclasses.replace(config.tiny(), residual=residual, history=history), TASK)


@pytest.fixture(scope="module")
def asked():
    """Two prompts, the first with its first frame, and keys."""
    first = 0.5 * jnp.tanh(jax.random.normal(jax.random.key(3), (2, *TASK.context_shape)))
    text = jax.random.normal(jax.random.key(4), (2, 3, 4))
    given = jnp.array([[True], [False]])
    told = Condition.of(text, jnp.ones((2, 3), bool), first, given)
    return told, jax.random.split(jax.random.key(1), 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rollout_begins_with_the_sample_and_goes_on_window_by_window(kind, asked, random_weights):
    generator, (told, keys) = built(kind), asked
    params = random_weights(generator)

    @jax.jit
    def rolled(told):
        longer = generator.rollout(params, told, keys, LONG)
        parts = [generator.sample(params, told, keys)]
        for link in (1, 2):
            known = parts[-1][:, T - HISTORY :]
            fresh = jax.vmap(lambda key, n: jax.random.fold_in(jax.random.fold_in(key, _LINK), n))
            first = Condition.of(told.text, told.text_mask, known[:, :1], jnp.ones((2, 1), bool))
            parts.append(
                generator._sampled(params, first, fresh(keys, jnp.full(2, link)), None, known)
            )
        by_hand = [parts[0], *(part[:, HISTORY:] for part in parts[1:])]
        return longer, jnp.concatenate(by_hand, axis=1)

    longer, by_hand = rolled(told)
    assert longer.shape == (2, LONG, *TASK.video_shape[1:])
    np.testing.assert_allclose(longer, by_hand, atol=1e-5)
    np.testing.assert_array_equal(longer[0, 0], told.context[0, 0])
    assert np.abs(longer[0] - longer[1]).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_is_given_the_codes_of_the_last_frames_and_draws_the_others(
    kind, asked, random_weights, monkeypatch
):
    generator, (told, keys) = built(kind), asked
    params, tokenizer = random_weights(generator), generator._codec.tokenizer
    each = tokenizer.grid[1] * tokenizer.grid[2]
    video = 0.5 * jnp.tanh(jax.random.normal(jax.random.key(8), (2, *TASK.video_shape)))
    window = dataclasses.replace(told, context=video[:, :1], context_mask=jnp.ones((2, 1), bool))
    # What follows them is not looked at: the codes are those of the whole clip.
    whole, _ = generator._codec.codes(params, video, window)
    seen, draw = [], generator._draw

    def drawing(*asked, **known):
        seen.append((known["given"], draw(*asked, **known)))
        return seen[-1][1]

    monkeypatch.setattr(generator, "_draw", drawing)
    made = generator._sampled(params, window, keys, None, video[:, :HISTORY])
    ((codes, mask), drawn), steps = seen[0], 2  # of one frame and of two
    np.testing.assert_array_equal(mask, np.arange(mask.shape[1])[None].repeat(2, 0) < steps * each)
    np.testing.assert_array_equal(codes[:, : steps * each], whole[:, : steps * each])
    np.testing.assert_array_equal(drawn[:, : steps * each], whole[:, : steps * each])
    assert (np.asarray(drawn) != np.asarray(whole))[:, steps * each :].any()
    back = generator.reconstruct(params, video, window)
    np.testing.assert_allclose(made[:, 1:HISTORY], back[:, 1:HISTORY], atol=1e-5)
    np.testing.assert_array_equal(made[:, 0], video[:, 0])


def test_who_rolls_out_and_which_histories_there_are():
    assert isinstance(built("masked"), RollsOut)
    assert not isinstance(built("masked", history=None), RollsOut)
    for history in (0, 2, 4, 5):
        with pytest.raises(ValueError, match=f"history={history}: of 5 frames .* can know 1, 3,"):
            built("autoregressive", history)
