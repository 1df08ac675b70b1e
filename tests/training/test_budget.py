"""Budgets in their four units, and the plans they make."""

import pytest

from vidgen.training.budget import Budget, Plan, crossed


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("120s", Budget(120, "seconds")),
        ("2e15flops", Budget(2e15, "flops")),
        ("5000clips", Budget(5000, "clips")),
        (" 400 steps ", Budget(400, "steps")),
        ("0.125s", Budget(0.125, "seconds")),
    ],
)
def test_text_and_budget_are_each_others_inverse(text, budget):
    assert Budget.parse(text) == budget
    assert Budget.parse(str(budget)) == budget


def test_a_long_amount_survives_printing():
    budget = Budget(1234567.0, "clips").share(1 / 3)
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize("text", ["", "120", "12minutes", "-3steps", "0s", "1.2.3s", "nans"])
def test_what_is_no_budget_says_how_to_write_one(text):
    with pytest.raises(ValueError, match="write 120s, 2e15flops, 5000clips or 400steps"):
        Budget.parse(text)


@pytest.mark.parametrize(
    ("text", "steps"), [("10steps", 3), ("110clips", 8), ("1000flops", 3), ("103flops", None)]
)
def test_a_share_of_a_budget_pays_for_whole_steps(text, steps):
    share = Budget.parse(text).share(0.3)
    if steps is None:
        with pytest.raises(ValueError, match="does not pay for one step, which costs 100 flops"):
            share.plan(batch_size=4, step_flops=100.0)
    else:
        assert share.plan(batch_size=4, step_flops=100.0) == Plan(steps=steps, seconds=None)


def test_seconds_plan_no_steps_and_flops_need_a_count():
    assert Budget(8, "seconds").plan(batch_size=4, step_flops=None) == Plan(steps=None, seconds=8)
    with pytest.raises(ValueError, match="needs the FLOPs of one step"):
        Budget(8, "flops").plan(batch_size=4, step_flops=None)


def test_progress_counts_what_the_plan_counts():
    assert Plan(steps=8, seconds=None).progress(2, seconds=1e9) == 0.25
    assert Plan(steps=None, seconds=8.0).progress(10**9, seconds=2.0) == 0.25
    assert Plan(steps=None, seconds=8.0).progress(0, seconds=9.0) == 1.0


@pytest.mark.parametrize("total", [7, 10, 30, 100])
@pytest.mark.parametrize("every", [0.1, 0.25, 0.3])
def test_every_multiple_is_crossed_once_and_the_end_always(total, every):
    steps = [s for s in range(1, total + 1) if crossed((s - 1) / total, s / total, every)]
    expected = {-(-round(i * every * 1000) * total // 1000) for i in range(1, round(1 / every) + 1)}
    assert set(steps) == {s for s in expected if s <= total} | {total}
