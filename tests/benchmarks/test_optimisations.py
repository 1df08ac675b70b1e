"""benchmarks/optimisations.py: both ways are held against each other, timed and printed."""

import re

import jax.numpy as jnp
import pytest


@pytest.fixture(scope="module")
def study(load_benchmark):
    return load_benchmark("optimisations")


def test_what_is_asked_for_is_printed(study, capsys):
    assert study.main(study.Settings(only=("noise",), turns=3)) == 0
    first, line = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["used", "plain"]
    assert line.startswith("noise of codes")
    used, plain, ratio = map(float, re.findall(r"(\d+\.\d+)(?= ms| \[)", line))
    assert used > 0
    assert plain > 0
    assert ratio > 0


def test_what_is_not_there_is_an_error(study, capsys):
    assert study.main(study.Settings(only=("flight",))) == 1
    assert "no flight; there are convolutions, " in capsys.readouterr().err


def test_ways_that_differ_are_an_error(study):
    def answer(value):
        return lambda: jnp.array([1.0, value])

    study._check(study.Pair(name="same", used=answer(2.0), plain=answer(2.0)))
    with pytest.raises(AssertionError, match="other"):
        study._check(study.Pair(name="other", used=answer(2.0), plain=answer(2.01)))
