"""The benchmark of gradients, which also holds that they are those of the rules."""

import pytest


@pytest.fixture(scope="module")
def gradients(load_benchmark):
    return load_benchmark("gradients")


def test_ways_are_timed_that_agree(gradients, capsys):
    assert gradients.main(gradients.Settings(clips=("2x3x9x8x3",), runs=1)) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert row.startswith("2x3x9x8x3")
    assert row.count(" x") == 3
    assert "both by rule" in head


def test_a_gradient_that_differs_is_no_faster_one(gradients, monkeypatch):
    used = gradients.WAYS["used"]
    wrong = {**gradients.WAYS, "wrong": (used[0], lambda d: 1.01 * used[1](d))}
    monkeypatch.setattr(gradients, "WAYS", wrong)
    with pytest.raises(AssertionError, match="Not equal"):
        gradients.main(gradients.Settings(clips=("2x3x9x8x3",), runs=1))
