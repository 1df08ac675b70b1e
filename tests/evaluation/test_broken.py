import numpy as np
import pytest

from vidgen.evaluation import broken
from vidgen.evaluation.reordering import disorder


def test_broken_clips_are_the_same_for_the_same_seed(prompts):
    few = prompts[:12]
    one, two = broken(few, seed=4), broken(few, seed=4)
    assert all((one[kind].video == two[kind].video).all() for kind in one)
    assert all((one[kind].video != few.video).any((1, 2, 3, 4)).all() for kind in one)
    assert len(one) == 9


def test_the_first_half_is_left_alone_where_only_the_second_is_broken(prompts):
    few = prompts[:12]
    for kind in ("vanishes", "second-object", "swapped", "freezes"):
        np.testing.assert_array_equal(broken(few, seed=0)[kind].video[:, :4], few.video[:, :4])


def test_clips_that_cannot_be_broken_are_refused(prompts):
    with pytest.raises(ValueError, match="one object each"):
        broken(prompts.replace(truth=None), seed=0)
    with pytest.raises(ValueError, match="one identity"):
        broken(prompts[:1], seed=0)


def test_another_order_is_never_the_natural_one():
    rng = np.random.default_rng(0)
    assert {tuple(disorder(2, rng)) for _ in range(20)} == {(1, 0)}
    assert disorder(1, rng).tolist() == [0]
