"""What every generator must pass, whoever wrote it."""

from __future__ import annotations

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen import registry
from vidgen.comparison import overrides, proposals
from vidgen.comparison.experiment import Experiment
from vidgen.contract import Attends, Generator, Phase, TrainState
from vidgen.space import Range, Searchable, Sizable, scaled, settings_at
from vidgen.training import Budget
from vidgen.training.alarms import floors_of
from vidgen.types import Condition, Images


def apart(a, b) -> float:
    """Mean absolute difference of pixels.

    Not the greatest one: another row of a matrix product rounds differently, and twenty steps of a
    barely trained network amplify that in a pixel here and there.
    """
    return float(np.abs(np.asarray(a) - np.asarray(b)).mean())


def test_generator_has_card_phases_and_shares(run):
    assert isinstance(run.generator, Generator)
    card = run.generator.card
    assert card.name == run.name
    assert all((card.family, card.summary, card.paper, card.matches_reference))
    names = [phase.name for phase in run.phases]
    assert len(set(names)) == len(names)
    for phase in run.phases:
        assert isinstance(phase, Phase)
        assert phase.batch_size >= 1
    if run.phases:
        assert math.isclose(sum(phase.share for phase in run.phases), 1.0)


def test_training_takes_single_frames_beside_each_clip(run, task, batch_of):
    """A generator may leave them alone, and must not stumble over them."""
    joint = dataclasses.replace(task, images=2)
    entry = registry.entry(run.name)
    for phase in entry.build(joint, entry.config.tiny()).phases():
        batch = batch_of(joint, phase.batch_size)
        text = jnp.stack([batch.condition.text] * 2, axis=1)
        mask = jnp.stack([batch.condition.text_mask] * 2, axis=1)
        images = Images(pixels=batch.video[:, :2], text=text, text_mask=mask)
        state = run.initial[phase.name]
        # Traced and not compiled: shapes are what could go wrong.
        after, metrics = jax.eval_shape(
            phase.step,
            state,
            dataclasses.replace(batch, images=images),
            jax.random.key(0),
            jnp.float32(0.5),
        )
        assert jax.tree.map(jnp.shape, state) == jax.tree.map(lambda leaf: leaf.shape, after)
        assert metrics["loss"].shape == ()


def test_sample_has_shape_range_and_given_frames(run, task, condition, keys):
    video = run.sample(run.params, condition, keys)
    assert video.shape == (4, *task.video_shape)
    assert video.dtype == jnp.float32
    assert np.isfinite(video).all()
    assert np.abs(video).max() < 3.0
    given = np.asarray(condition.context_mask)[:, 0]
    np.testing.assert_allclose(
        video[given, : task.context_frames], condition.context[given], atol=1e-6
    )


def test_sample_is_deterministic_and_follows_its_key(run, condition, keys):
    first = run.sample(run.params, condition, keys)
    np.testing.assert_array_equal(first, run.sample(run.params, condition, keys))
    if run.phases:
        other = run.sample(run.params, condition, jax.random.split(jax.random.key(4), 4))
        assert not np.allclose(first[:, 1:], other[:, 1:], atol=1e-6)


def test_sample_does_not_depend_on_batch_mates(run, condition, keys):
    before = run.sample(run.params, condition, keys)
    other = jax.tree.map(lambda a: a.at[1:].set(jnp.roll(a, 1, axis=0)[1:]), condition)
    other_keys = jnp.concatenate([keys[:1], jax.random.split(jax.random.key(8), 3)])
    after = run.sample(run.params, other, other_keys)
    assert apart(after[0], before[0]) < 0.002


def test_sample_does_not_depend_on_order(run, condition, keys):
    before = np.asarray(run.sample(run.params, condition, keys))
    order = np.array([2, 0, 3, 1])
    shuffled = jax.tree.map(lambda a: a[order], condition)
    after = run.sample(run.params, shuffled, keys[order])
    assert apart(after, before[order]) < 0.002
    assert apart(after, before) > 0.02


def test_masked_conditions_leave_no_trace(run, condition, keys):
    """The unconditional clip is the same whatever was masked away, in value and in length."""
    hidden = condition.unconditional()
    louder = Condition(
        text=condition.text * 7.0 + 1.0,
        text_mask=hidden.text_mask,
        context=-condition.context,
        context_mask=hidden.context_mask,
        layout=dataclasses.replace(
            hidden.layout,
            boxes=1.0 - condition.layout.boxes,
            kind=condition.layout.kind * 7.0 + 1.0,
        ),
    )
    # Built past `Condition.of` on purpose: what reaches a generator has been zeroed there.
    zeroed = Condition.of(
        louder.text, louder.text_mask, louder.context, louder.context_mask, louder.layout
    )
    np.testing.assert_array_equal(
        run.sample(run.params, hidden, keys), run.sample(run.params, zeroed, keys)
    )
    swapped = jax.tree.map(lambda a: a[::-1], condition).unconditional()
    np.testing.assert_array_equal(
        run.sample(run.params, hidden, keys), run.sample(run.params, swapped, keys)
    )


def test_layouts_reach_the_sample_of_who_follows_them(run, condition, keys):
    elsewhere = dataclasses.replace(condition.layout, boxes=condition.layout.boxes[:, ::-1])
    other = dataclasses.replace(condition, layout=elsewhere)
    told, moved = (run.sample(run.params, which, keys) for which in (condition, other))
    changed = np.abs(np.asarray(told) - np.asarray(moved)).max(axis=(1, 2, 3, 4)) > 1e-6
    shown = np.asarray(condition.layout.mask.any(axis=(1, 2)))
    if run.generator.card.layout:
        assert shown.any()
        assert not shown.all()
        # Where codes are drawn, a barely trained network may draw the same ones.
        assert changed[shown].any()
    assert not changed[~shown | (not run.generator.card.layout)].any()


def test_places_look_at_the_words_that_are_there(run, task, condition, keys):
    if not isinstance(run.generator, Attends):
        return
    video = jnp.zeros((4, *task.video_shape))
    found = np.asarray(jax.jit(run.generator.attention)(run.params, video, condition, keys))
    B, L, *grid = found.shape
    assert (4, task.text_length) == (B, L)
    assert all(1 <= n <= size for n, size in zip(grid, task.video_shape[:3], strict=True))
    there = np.asarray(condition.text_mask)
    assert (found[there] > 0).all()
    np.testing.assert_array_equal(found[~there], 0)
    assert (found.sum(axis=1) < 1).all()
    # Words are looked at as what they are, and not by their number.
    assert np.ptp(found[there].reshape(there.sum(), -1).mean(axis=1)) > 1e-4


def test_caption_and_frame_reach_the_sample(run, condition, keys):
    card = run.generator.card
    told = run.sample(run.params, condition, keys)
    if card.text:
        # Some draws: where codes are drawn, what a barely trained network has heard of a sentence
        # tips few of them.
        draws = [jax.random.split(jax.random.key(seed), 4) for seed in range(16)]
        assert any(
            not np.allclose(
                run.sample(run.params, condition, draw),
                run.sample(run.params, condition.keep(text=False), draw),
                atol=1e-6,
            )
            for draw in draws
        )
    if card.context:
        unseen = run.sample(run.params, condition.keep(context=False), keys)
        given = np.asarray(condition.context_mask)[:, 0]
        assert not np.allclose(told[given], unseen[given], atol=1e-6)


def test_what_means_a_collapse_is_reported(run):
    for phase in run.phases:
        assert floors_of(phase).keys() <= run.metrics[phase.name].keys()


def test_loss_falls_when_one_batch_is_repeated(run):
    for name, losses in run.losses.items():
        assert np.isfinite(losses).all()
        if "generator_loss" in run.metrics[name]:
            continue  # players at balance have no loss that must fall; each family tests its own
        assert np.mean(losses[-4:]) < 0.97 * np.mean(losses[:2]), (name, losses)


def test_every_trainable_leaf_moves(run):
    for name, state in run.states.items():
        before = jax.tree_util.tree_leaves_with_path(run.initial[name].params)
        after = jax.tree.leaves(state.params)
        still = [
            jax.tree_util.keystr(path)
            for (path, a), b in zip(before, after, strict=True)
            if np.array_equal(a, b)
        ]
        assert not still, f"no gradient reaches {still}"


def test_step_traces_once_and_counts(run):
    for name, state in run.states.items():
        assert run.traces[name] == 1
        assert isinstance(state, TrainState)
        assert int(state.step) == len(run.losses[name])
        abstract = lambda tree: jax.tree.map(lambda a: (a.shape, a.dtype), tree)  # noqa: E731
        assert abstract(state) == abstract(run.initial[name])


def test_step_is_deterministic_and_reports_scalars(run):
    for name, metrics in run.metrics.items():
        assert {"loss", "grad_norm", "update_norm"} <= metrics.keys(), name
        for value in metrics.values():
            assert np.ndim(value) == 0
            assert np.isfinite(value)


def test_reconstruction_is_a_video(run, task, condition):
    if not hasattr(run.generator, "reconstruct"):
        assert run.generator.card.family not in ("autoregressive", "masked")
        return
    video = jnp.zeros((condition.batch_size, *task.video_shape))
    again = jax.jit(run.generator.reconstruct)(run.params, video, condition)
    assert again.shape == video.shape
    assert np.isfinite(again).all()


def test_config_is_frozen_and_of_its_own_class(run, task):
    from vidgen import registry

    config = registry.entry(run.name).config
    assert dataclasses.is_dataclass(config)
    built = config.tiny()
    fields = dataclasses.fields(built)
    if fields:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(built, fields[0].name, None)
    with pytest.raises(TypeError, match="takes a"):
        registry.entry(run.name).build(task, object())


@pytest.mark.parametrize("name", registry.names())
def test_search_space_holds_the_defaults_and_every_corner_of_it_can_be_built(name, task):
    entry = registry.entry(name)
    config, learns = entry.config, bool(entry.build(task, entry.config.tiny()).phases())
    assert isinstance(config(), Searchable) == learns, "what learns can be searched"
    if not learns:
        return
    for start in (config(), config.tiny()):
        if isinstance(start, Sizable):
            assert scaled(start, 1.0) == start, "a width that it may not have"
        space = proposals.declared(name, start)
    small = Experiment(
        name="small", task=task, generators={name: config.tiny()}, budget=Budget(1, "steps")
    )
    ends = [(d.low, d.high) if isinstance(d, Range) else d.values for d in space.values()]
    configs = []
    for corner in itertools.product(*ends):  # whose values the config itself refuses or takes
        found = settings_at(space, dict(zip(space, corner, strict=True)))
        changes = {f"{name}.{path}": value for path, value in found.items()}
        configs.append(overrides.apply(small, changes).generators[name])
    for built in (configs[0], configs[-1]):  # a network takes half a second
        shares = [phase.share for phase in entry.build(task, built).phases()]
        assert min(shares) > 0
        assert math.isclose(sum(shares), 1.0)
