import dataclasses

import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import Judge, UnjudgeableError, oracle_for, protocol
from vidgen.evaluation.clip_oracle import own_error


@pytest.fixture(scope="module")
def real():
    return protocol(source("stories", split="test"), n=48, seed=0, context_frames=1)


@pytest.fixture(scope="module")
def oracle():
    return oracle_for(source("stories"))


def test_real_stories_succeed_and_broken_ones_do_not(oracle, real):
    scores = own_error(oracle, real)
    assert scores.pop("real").value == 1.0
    assert {kind: s.value for kind, s in scores.items() if s.value > 0.03} == {}
    assert "freezes" in scores


def test_each_fault_is_seen_for_what_it_is(oracle, real):
    few = real[:4]
    middle = few.video.copy()
    middle[:, 8:] = 0
    gone = oracle.examine(few.replace(video=middle), few)
    assert not gone.there[:, 8:].any()
    assert gone.there[:, :8].all()
    assert not gone.stray.any()
    assert np.isnan(gone.distance[:, 8:]).all()
    other = few.replace(video=np.roll(few.video, 1, axis=-1))  # other colours in the same places
    seen = oracle.examine(other, few)
    assert seen.stray.any()
    assert not seen.success.any()
    shifted = oracle.examine(few.replace(video=np.roll(few.video, 3, axis=3)), few)
    moved = shifted.distance[np.isfinite(shifted.distance)]
    assert np.isclose(moved, 3.0, atol=1e-3).mean() > 0.5  # but where it comes in at the other side
    failed = oracle.examine(few.replace(failed=np.ones(4, bool)), few)
    assert not failed.there.any()


def test_more_of_a_kind_than_was_asked_is_a_stray(oracle, real):
    few = real[:8]
    twins = np.maximum(few.video, np.roll(few.video, (12, 12), axis=(2, 3)))
    seen = oracle.examine(few.replace(video=twins), few)
    assert seen.stray.any(axis=1).all()
    assert not seen.success.any()


def test_shapes_are_told_apart(oracle, real):
    seen = oracle.examine(real, real)
    assert seen.shape.all()
    words = real.truth.identity
    turned = tuple(
        tuple(f"{one.split()[0]} {'circle' if 'square' in one else 'square'}" for one in names)
        for names in words
    )
    asked = real.replace(truth=dataclasses.replace(real.truth, identity=turned))
    assert not oracle.examine(real, asked).identity_right.any()


def test_errors_along_the_frames_are_means_over_the_objects_that_were_seen(oracle, real):
    shifted = oracle.examine(real.replace(video=np.roll(real.video, 2, axis=2)), real)
    one_gone = dataclasses.replace(shifted, distance=shifted.distance.copy())
    one_gone.distance[:, :, 1] = np.nan
    for seen, wanted in ((shifted, shifted.distance), (one_gone, one_gone.distance[:, :, :1])):
        errors = seen.measures()["trajectory_error_px"].values
        assert errors.shape == real.video.shape[:2]
        np.testing.assert_allclose(errors, np.nanmean(wanted, axis=2))
        ends = seen.measures()["endpoint_error_px"].values
        np.testing.assert_allclose(ends, errors[:, -1])


def test_answers_to_stories_are_judged(real):
    judge = Judge(source("stories"), groups=("oracle", "pixel"))
    scores = judge.judge(real, real)
    assert scores["oracle_success", "all"].value == 1.0
    assert scores["trajectory_error_px", "text"].value < 0.6
    assert scores["missing_rate", "all"].value == 0.0


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_other_clips_are_not_judged(oracle, name):
    options = {"size": 32, "frames": 16}
    other = protocol(source(name, split="test", **options), n=4, seed=0, context_frames=1)
    if name == "digits":
        with pytest.raises(UnjudgeableError, match="not clips of coloured shapes"):
            oracle.examine(other, other)
    else:
        assert oracle.examine(other, other).there.any()  # shapes are shapes
