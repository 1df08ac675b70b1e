"""Along which paths ink travels: squares on hand-made paths."""

from __future__ import annotations

import numpy as np
import pytest

from vidgen.evaluation.pair_paths import candidates, pair_paths

SIZE = 4
RIGHT = np.repeat(np.arange(13)[:, None], 6, axis=1), np.arange(6)[None] + np.arange(7)[:, None]


@pytest.fixture
def ink():
    """Two squares of four and three pixels go right."""
    found = np.zeros((6, 16, 16), bool)
    for t in range(6):
        found[t, 2:6, t : t + 4] = True
        found[t, 10:13, t + 5 : t + 8] = True
    return found


def test_the_best_paths_hold_the_most_ink(ink):
    found = candidates(ink, RIGHT, SIZE, need=5, most=3)
    assert found[0][0].tolist() == [2, 0]
    assert found[1][0, 1] in (4, 5)
    assert [len(path) for path in found] == [6, 6, 6]
    starts = np.stack([path[0] for path in found])
    assert np.abs(starts[:, None] - starts[None]).max(2)[np.triu_indices(3, 1)].min() >= 3


def test_only_the_ink_that_is_wanted_counts(ink):
    wanted = ink.copy()
    wanted[:, :8] = False
    (path,) = candidates(ink, RIGHT, SIZE, need=5, most=1, wanted=wanted)
    assert 9 <= path[0, 0] <= 10


def test_a_pair_that_moves_alike_is_not_one_object_twice():
    """The larger one has room to be held by several paths, each with more ink than the other."""
    ink = np.zeros((6, 16, 16), bool)
    for t in range(6):
        ink[t, 1:9, t : t + 8] = True
        ink[t, 12:14, t + 4 : t + 6] = True
    library = (np.repeat(np.arange(9)[:, None], 6, axis=1), RIGHT[1][:4])
    tops = [path[0, 0] for path in candidates(ink, library, 8, need=5, most=2)]
    assert max(tops) <= 6
    one, other = pair_paths(ink, [library, library], 8, need=5, most=2)[0]
    assert sorted((one[0, 0] <= 1, other[0, 0] <= 1)) == [False, True]
    assert max(one[0, 0], other[0, 0]) >= 6
