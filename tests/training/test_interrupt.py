"""Signals: the first is noted, the second is left to whoever was there before."""

import os
import signal
import threading

import pytest

from vidgen.training import EXIT_CODES, Interrupted
from vidgen.training.interrupt import listening


@pytest.mark.fault(5)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_is_noted(number, code):
    before = signal.getsignal(number)
    with listening() as interrupt:
        assert interrupt.received is None
        os.kill(os.getpid(), number)
        assert interrupt.received is number
        assert signal.getsignal(number) is before
    assert EXIT_CODES[number] == code == Interrupted(number, "here").exit_code


@pytest.fixture
def attentive():
    """Ctrl-C as in a foreground process; a shell's background jobs inherit that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_ctrl_c_aborts_at_once(attentive):
    with listening() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.received is signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_outside_the_main_thread_nothing_is_installed():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work():
        with listening() as interrupt:
            seen.append((signal.getsignal(signal.SIGTERM), interrupt.received))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(before, None)]
