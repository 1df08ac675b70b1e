import numpy as np
import pytest

from vidgen.evaluation import drift
from vidgen.evaluation.drift import slopes


def test_slopes_are_least_squares():
    y = np.random.default_rng(0).normal(size=(5, 9))
    expected = [np.polyfit(np.arange(9), row, 1)[0] for row in y]
    np.testing.assert_allclose(slopes(y), expected)


def test_missing_frames_leave_the_fit():
    y = np.arange(8.0)[None] * 3 + 1
    y[0, 2] = np.nan
    np.testing.assert_allclose(slopes(y), [3.0])
    y[0, 1:] = np.nan
    assert np.isnan(slopes(y)).all()


def test_given_frames_do_not_count():
    y = np.array([[50.0, 20, 19, 18, 17]])
    np.testing.assert_allclose(slopes(y, first_frame=1), [-1.0])


def test_the_clip_is_the_cluster():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(20, 1)) * np.arange(8.0)[None]
    score = drift(y)
    own = slopes(y)
    assert score.n == 20
    assert score.value == pytest.approx(own.mean())
    assert score.high - score.value == pytest.approx(2.093 * own.std(ddof=1) / 20**0.5, rel=1e-3)


def test_one_free_frame_has_no_slope():
    score = drift(np.ones((4, 2)), first_frame=1)
    assert score.value is None
    assert "two frames" in score.note
