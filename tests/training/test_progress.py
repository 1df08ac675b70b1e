"""What a person sees: lines where there is no terminal, a bar where there is one."""

import io

from rich.console import Console

from vidgen.training.cost import PhaseCost
from vidgen.training.progress import Display

COST = PhaseCost(steps=10, clips=40, model_flops=2 * 10**9, optimizer_flops=10**9, skipped=3)


def _show(*, terminal: bool, every: float) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120 if terminal else 20)
    with Display("toy first", console, every=every) as display:
        display.update(0.25, 0.5, COST, 20.0)
        display.update(0.5, None, COST, 20.0)
    display.finish(0.125, COST, 20.0)
    return console.file.getvalue()


def test_plain_lines_come_at_times():
    assert _show(terminal=False, every=1e9).count("toy first") == 1
    text = _show(terminal=False, every=0.0)
    assert text.splitlines() == [
        "toy first   25%  step 10  loss 0.5  20s  2 clips/s  3e+10 FLOPs  3 skipped",
        "toy first   50%  step 10  loss -  20s  2 clips/s  3e+10 FLOPs  3 skipped",
        "toy first  step 10  loss 0.125  20s  2 clips/s  3e+10 FLOPs  3 skipped",
    ]


def test_a_terminal_gets_a_bar():
    text = _show(terminal=True, every=0.0)
    assert "━" in text
    assert "\x1b[" in text
