"""The step's wrapper: the guard, the keys, the validation loss and what a phase must keep to."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy

from vidgen.contract import TrainState, stream
from vidgen.optim import Optimizer
from vidgen.training import flops
from vidgen.training.step import (
    Guarded,
    blueprint,
    compile_programs,
    export_shapes,
    guarded_step,
    initialise,
    validation_loss,
)

PHASE = toy.Linear(name="only", share=1.0, poison=(0.5, 0.75))
KEY = stream(0, "only", "step")
BATCH = toy.validation(4)[0]


@pytest.fixture(scope="module")
def programs():
    return compile_programs(blueprint(PHASE, BATCH, {}))


def _run(programs, *progress):
    guarded, seen = initialise(PHASE, stream(0, "init"), {}), []
    for step, share in enumerate(progress):
        guarded, metrics = programs.step(guarded, BATCH, KEY, np.int32(step), np.float32(share))
        seen.append(jax.device_get(metrics))
    return jax.device_get(guarded), seen


@pytest.mark.fault(12)
def test_a_step_that_is_not_finite_leaves_all_as_it_was(programs):
    good, _ = _run(programs, 0.0, 0.1)
    kept, seen = _run(programs, 0.0, 0.1, 0.5, 0.6)
    jax.tree.map(np.testing.assert_array_equal, kept.state, good.state)
    assert [int(m["skipped"]) for m in seen] == [0, 0, 1, 2]
    assert [int(m["skipped_in_a_row"]) for m in seen] == [0, 0, 1, 2]


def test_after_a_good_step_the_row_ends_and_the_count_stays(programs):
    last, seen = _run(programs, 0.0, 0.5, 0.8)
    assert (int(last.skipped), int(last.in_a_row), int(last.state.step)) == (1, 0, 2)
    assert int(seen[-1]["skipped_in_a_row"]) == 0


def test_a_metric_that_is_not_finite_is_enough():
    class Loud(toy.Linear):
        def step(self, state, batch, key, progress):
            new, metrics = super().step(state, batch, key, progress)
            return new, {**metrics, "loss": jnp.log(-progress)}

    guarded = initialise(PHASE, stream(0, "init"), {})
    step = guarded_step(Loud(name="only", share=1.0))
    new, _ = step(guarded, BATCH, KEY, np.int32(0), np.float32(0.25))
    jax.tree.map(np.testing.assert_array_equal, new.state, guarded.state)


def test_gradients_whose_squares_overflow_do_not_get_into_the_optimisers_moments():
    class Steep(toy.Linear):
        def step(self, state, batch, key, progress):
            grads = jax.tree.map(lambda w: jnp.full_like(w, 1e25), state.params)
            params, opt_state, metrics = optimizer.update(
                grads, state.opt_state, state.params, progress
            )
            new = state.replace(step=state.step + 1, params=params, opt_state=opt_state)
            return new, {"loss": progress, "left": 1 - progress, **metrics}

        def init(self, key, earlier):
            params = {"w": jnp.ones((3,))}
            return TrainState.create(params, optimizer.init(params))

    optimizer = Optimizer()
    steep = Steep(name="only", share=1.0)
    guarded = initialise(steep, stream(0, "init"), {})
    new, metrics = guarded_step(steep)(guarded, BATCH, KEY, np.int32(0), np.float32(0.25))
    assert np.isfinite(metrics["update_norm"])  # nothing but the gradients' norm tells
    assert int(new.skipped) == 1
    jax.tree.map(np.testing.assert_array_equal, new.state, guarded.state)


def test_the_validation_loss_is_the_steps_own_and_costs_no_backward_pass(programs):
    guarded = initialise(PHASE, stream(0, "init"), {})
    arguments = (BATCH, KEY, np.int32(7), np.float32(0.25))
    assert flops.count(validation_loss(PHASE), guarded, *arguments).model * 2 == (
        flops.count(guarded_step(PHASE), guarded, *arguments).model
    )
    loss = programs.loss(guarded, *arguments)
    _, metrics = programs.step(guarded, *arguments)
    np.testing.assert_allclose(loss, metrics["loss"], rtol=1e-6)


def test_every_step_has_its_own_key(programs):
    guarded = initialise(PHASE, stream(0, "init"), {})
    losses = [programs.loss(guarded, BATCH, KEY, np.int32(i), np.float32(0)) for i in (0, 0, 1)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_the_first_state_can_be_donated_though_it_holds_an_earlier_export(programs):
    phase = dataclasses.replace(PHASE, poison=(2.0, 2.0))
    earlier = {"tokenizer": {"w": jnp.ones((3,))}}
    guarded = initialise(phase, stream(0, "init"), earlier)
    jax.jit(lambda g: jax.tree.map(lambda x: x + 1, g), donate_argnums=0)(guarded)
    np.testing.assert_array_equal(earlier["tokenizer"]["w"], np.ones((3,)))


def test_the_compiled_beginning_is_the_same_and_is_left_out_where_a_run_goes_on(programs):
    compiled = programs.init(stream(0, "init"), {})
    jax.tree.map(np.testing.assert_array_equal, compiled, initialise(PHASE, stream(0, "init"), {}))
    assert compile_programs(blueprint(PHASE, BATCH, {}), begin=False).init is None


def test_a_step_is_traced_once_for_all_programs():
    traced = []

    class Watched(toy.Linear):
        def step(self, state, batch, key, progress):
            traced.append(1)
            return super().step(state, batch, key, progress)

    compile_programs(blueprint(Watched(name="only", share=1.0), BATCH, {}))
    assert len(traced) == 1


def test_a_blueprint_knows_shapes_and_price():
    plan = blueprint(PHASE, BATCH, {})
    assert plan.parameters == 32 * 32 + 32
    assert plan.flops.required == 2 * (2 * 4 * 32 * 32)  # forward, and the weights' gradient
    assert plan.export == export_shapes(PHASE, {})
    assert isinstance(plan.state, Guarded)


def _changed(change):
    class Changed(toy.Linear):
        def step(self, state, batch, key, progress):
            return change(*super().step(state, batch, key, progress))

    return Changed(name="only", share=1.0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            lambda new, m: (new.replace(step=new.step.astype(float)), m),
            TypeError,
            r"\.step: int32\[\] became float32\[\]",
        ),
        (
            lambda new, m: (new.replace(rest={"x": m["loss"]}), m),
            TypeError,
            r"\.rest\['x'\]: absent became float32\[\]",
        ),
        (lambda new, m: (new, {"left": m["left"]}), ValueError, "reports no 'loss'"),
        (lambda new, m: (new, {"loss": m["loss"]}), ValueError, "reports no 'left'"),
        (lambda new, m: (new, {**m, "skipped": m["loss"]}), ValueError, "itself logs"),
        (lambda new, m: (new, {**m, "wide": new.params["b"]}), TypeError, "no scalars: .*wide"),
    ],
)
def test_a_phase_that_breaks_its_contract_is_told_so_before_it_is_compiled(change, error, message):
    with pytest.raises(error, match=message):
        blueprint(_changed(change), BATCH, {})


def test_what_cannot_be_counted_is_said_and_not_guessed():
    def unknown(new, metrics):
        turn = lambda x: x @ new.params["w"]  # noqa: E731
        heavy = jax.lax.while_loop(lambda x: x.sum() < 0, turn, new.params["w"])
        return new, {**metrics, "heavy": heavy.sum()}

    plan = blueprint(_changed(unknown), BATCH, {})
    assert plan.flops is None
    assert "while" in plan.flops_note
