"""The real families through the real command line, struck in every phase by real signals.

Each is trained, answers and is judged once undisturbed, and once stopped in its phases by Ctrl-C
and then by SIGKILL; both must end in the same bits. A phase that several families have is struck in
one of them, and one family is judged by more than the oracle: what is alike is not done twice.
Programs that one process compiled are read from disk by the next ones, since compiling is nearly
all that these tests cost. Families are started, struck and compared by `benchmarks/kills.py`, which
strikes at random moments instead.
"""

from __future__ import annotations

import itertools
import os
import signal

import pytest

from vidgen.training import Cost

pytestmark = pytest.mark.slow

PHASES = {
    "gan": ("adversarial",),
    "autoregressive": ("tokenizer", "motion", "prior"),
    "masked": ("tokenizer", "motion", "prior"),
    "diffusion": ("motion", "opening", "denoiser"),
    "meanflow": ("motion", "meanflow-opening", "meanflow-denoiser"),
}

STRUCK = {**PHASES, "masked": ("prior",)} | {
    family: PHASES[family][1:] for family in ("diffusion", "meanflow")
}
"""Motion and tokenizer are those of `autoregressive`."""


@pytest.fixture(scope="module")
def kills(load_benchmark):
    return load_benchmark("kills")


@pytest.fixture(scope="module")
def environment(kills, tmp_path_factory) -> dict[str, str]:
    """Of the processes: programs of the whole run of tests, and a machine lock of their own."""
    around = kills.environment(tmp_path_factory.mktemp("around"))
    return around | {"JAX_COMPILATION_CACHE_DIR": os.environ["JAX_COMPILATION_CACHE_DIR"]}


@pytest.mark.fault(1)
@pytest.mark.fault(5)
@pytest.mark.fault(6)
@pytest.mark.fault(16)
@pytest.mark.parametrize("family", PHASES)
def test_ctrl_c_and_sigkill_in_every_phase_change_no_bit(family, tmp_path, kills, environment):
    # The quickest is judged as a whole: where answers are, all families are alike.
    changes = () if family == "gan" else ("metrics=oracle",)
    undisturbed, command = (
        kills.Command(family, tmp_path / name, "80steps", environment, changes)
        for name in ("undisturbed", "struck")
    )
    undisturbed.to_the_end()
    for phase in STRUCK[family]:
        code, said = command.struck(signal.SIGINT, lambda phase=phase: command.steps(phase) > 0)
        assert code == 130, said
        assert "To go on:" in said
        assert not (command.run / "lock").exists()
        kept = command.checkpoints(phase)[-1]
        assert kept == command.steps(phase)
        code, said = command.struck(signal.SIGKILL, command.loses_work(phase))
        assert code == -signal.SIGKILL, said
        assert (command.run / "lock").exists()
        for later in itertools.dropwhile(lambda name, phase=phase: name != phase, PHASES[family]):
            assert (command.steps(later) > 0) == (later == phase)
    if family == "gan":
        answered = lambda: any(command.run.glob("samples/*.npz"))  # noqa: E731
        assert command.struck(signal.SIGKILL, answered)[0] == -signal.SIGKILL
        assert not (command.run / "scores.json").exists()
        command.to_the_end()
    else:
        assert "took over" in command.to_the_end()
    assert tuple(Cost.read(command.run).phases) == PHASES[family]
    assert kills.differences(command.run, undisturbed.run) == []
    resumed = {name: cost.resumed for name, cost in Cost.read(command.run).phases.items()}
    assert resumed == {name: 2 * (name in STRUCK[family]) for name in PHASES[family]}


def test_seconds_go_on_from_what_was_used(tmp_path, kills, environment):
    budget = 5.0
    command = kills.Command("gan", tmp_path, f"{budget:g}s", environment)
    a_fifth_is_saved = lambda: bool(command.checkpoints("adversarial"))  # noqa: E731
    assert command.struck(signal.SIGINT, a_fifth_is_saved)[0] == 130
    used = Cost.read(command.run).phases["adversarial"]
    assert 0.2 * budget <= used.seconds["train"] < budget
    assert command.struck(signal.SIGKILL, command.loses_work("adversarial"))[0] == -signal.SIGKILL
    command.to_the_end()
    cost = Cost.read(command.run).phases["adversarial"]
    assert cost.resumed == 2
    assert cost.steps > used.steps
    # Had either process begun anew, at least the first fifth would have been trained twice.
    assert budget <= cost.seconds["train"] < 1.2 * budget
    clock = [seconds for _, seconds in cost.timeline]
    assert clock == sorted(clock)
    assert cost.timeline[: len(used.timeline)] == used.timeline
