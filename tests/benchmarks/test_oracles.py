"""benchmarks/oracles.py on few clips, in this process."""

import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import Confusion


@pytest.fixture(scope="module")
def oracles(load_benchmark):
    return load_benchmark("oracles")


def test_it_publishes_success_broken_kinds_and_confusion(oracles, capsys):
    code = oracles.main(oracles.Settings(worlds=("digits", "babyai"), tiny=True))
    printed = capsys.readouterr().out
    assert code == 0
    digits, grid = printed.split("\nbabyai: ")
    for kind in ("real", "vanishes", "swapped", "reversed", "shuffled-frames", "linear-code"):
        assert f"  {kind} " in digits
    assert "unknown" in digits
    for kind in ("real               1.000", "skips", "wrong-caption"):
        assert kind in grid
    assert "tile on real clips: 1.0000" in grid


def test_a_demand_that_is_missed_is_an_error(oracles, capsys, monkeypatch):
    monkeypatch.setattr(oracles, "BROKEN", -1.0)
    assert oracles.main(oracles.Settings(worlds=("shapes",), clips=12)) == 1
    assert "shapes: vanishes 0.0" in capsys.readouterr().out


def test_the_linear_code_loses_something_and_not_much(oracles):
    train = source("shapes")
    video = np.stack([train[i].video for i in range(3)]).astype(np.float32) / 127.5 - 1
    back = oracles.linear_code(train, seed=0)(video)
    assert back.shape == video.shape
    error = np.abs(back - video).mean()
    assert 1e-5 < error < 0.05


def test_mistakes_are_listed_most_frequent_first():
    confusion = Confusion(
        classes=("a", "b"), seen=("a", "b", "unknown"), counts=np.array([[5, 1, 0], [0, 3, 2]])
    )
    assert confusion.mistakes == [("b", "unknown", 2), ("a", "b", 1)]
    assert confusion.accuracy == pytest.approx(8 / 11)
