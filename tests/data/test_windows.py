import numpy as np
import pytest

from vidgen.data.windows import Windows
from vidgen.registry import UnknownNameError


def test_first_takes_one_clip_from_the_start():
    cut = Windows(frames=4)
    assert cut.count(None) == 1
    assert cut.starts(100, "a") == [0]
    assert cut.indices(0, 100).tolist() == [0, 1, 2, 3]


def test_a_stride_leaves_frames_out():
    cut = Windows(frames=4, stride=3, window="all")
    assert cut.span == 10
    assert cut.starts(22, "a") == [0, 12]
    assert cut.indices(12, 22).tolist() == [12, 15, 18, 21]
    # One frame less and the second clip no longer fits.
    assert cut.starts(21, "a") == [0]


def test_all_windows_of_bair_are_the_fifteen_of_the_literature():
    cut = Windows(frames=16, window="all", step=1)
    assert cut.count(30) == 15
    spread = Windows(frames=16, window="uniform", windows=15)
    assert spread.starts(30, "a") == cut.starts(30, "a") == list(range(15))
    assert Windows(frames=16, window="uniform", windows=2).starts(30, "a") == [0, 14]


def test_random_starts_depend_on_name_and_seed_alone_and_reach_every_place():
    cut = Windows(frames=4, window="random", windows=3)
    assert cut.starts(40, "a") == cut.starts(40, "a")
    assert cut.starts(40, "a") != cut.starts(40, "b")
    assert cut.starts(40, "a") != Windows(frames=4, window="random", windows=3, seed=1).starts(
        40, "a"
    )
    drawn = [start for n in range(200) for start in cut.starts(7, str(n))]
    # Four places, 600 draws: five standard errors.
    counts = np.bincount(drawn, minlength=4)
    assert len(counts) == 4
    assert np.abs(counts / 600 - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / 600)


@pytest.mark.parametrize(
    ("short", "expected"), [("hold", [0, 1, 2, 2, 2]), ("loop", [0, 1, 2, 0, 1])]
)
@pytest.mark.parametrize("window", ["first", "random", "uniform", "all"])
def test_what_is_too_short_is_held_or_looped(short, expected, window):
    cut = Windows(frames=5, window=window, short=short)
    assert cut.count(3) == 1
    assert cut.starts(3, "a") == [0]
    assert cut.indices(0, 3).tolist() == expected


def test_what_is_too_short_is_refused_and_what_just_fits_is_not():
    cut = Windows(frames=5, short="refuse")
    assert cut.needs_lengths
    assert cut.count(4) == 0
    assert cut.count(5) == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"window": "frist"}, UnknownNameError, "did you mean 'first'"),
        ({"short": "lop"}, UnknownNameError, "did you mean 'loop'"),
        ({"frames": 0}, ValueError, "frames must be at least 1"),
        ({"windows": 2}, ValueError, "'random' or 'uniform'"),
        ({"step": 2}, ValueError, "needs the window 'all'"),
    ],
)
def test_senseless_windows_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        Windows(**({"frames": 4} | options))
