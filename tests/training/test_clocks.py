"""Clocks of which one runs at any moment."""

import pytest

from vidgen.training.clocks import Clocks


def test_each_second_is_on_one_clock():
    time = iter([0.0, 1.0, 3.0, 7.0, 15.0, 31.0])
    clocks = Clocks(now=lambda: next(time))
    with clocks.on("train"), clocks.on("log"):
        pass
    assert clocks._seconds == {
        "compile": 1.0,
        "train": 2.0 + 8.0,
        "log": 4.0,
        "validate": 0.0,
        "checkpoint": 0.0,
        "profile": 0.0,
    }
    assert clocks["compile"] == 1.0 + 16.0


def test_the_clock_goes_back_after_an_error():
    clocks = Clocks(now=lambda: 0.0)
    with pytest.raises(KeyError), clocks.on("validate"):
        raise KeyError
    assert clocks._running == "compile"


def test_a_resumed_clock_goes_on_from_what_was_used():
    clocks = Clocks({"train": 5.0, "compile": 2.0}, now=lambda: 0.0)
    assert sum(clocks.read().values()) == 7.0
    assert clocks["train"] == 5.0
