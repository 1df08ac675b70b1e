import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import Judge, oracle_for, protocol
from vidgen.evaluation.clip_oracle import own_error
from vidgen.evaluation.pair_oracle import PairVerdicts

SHAPES = {"objects": 2}


@pytest.fixture(scope="module")
def shapes():
    return protocol(source("shapes", split="test", **SHAPES), n=80, seed=0, context_frames=1)


@pytest.fixture(scope="module")
def oracle():
    return oracle_for(source("shapes", **SHAPES))


@pytest.fixture(scope="module")
def verdicts(oracle, shapes):
    return oracle.examine(shapes, shapes)


def test_real_pairs_succeed_though_they_cross(shapes, verdicts):
    masks = shapes.truth.object_masks
    crossing = (masks[:, :, 0] & masks[:, :, 1]).any((1, 2, 3))
    assert crossing.mean() > 0.3
    assert verdicts.success.mean() >= 0.98
    assert verdicts.success[crossing].mean() >= 0.96
    alike = np.array([a == b for a, b in shapes.truth.motion])
    assert alike.sum() >= 8
    assert verdicts.success[alike].mean() >= 0.96
    assert verdicts.confusions()["identity"].accuracy >= 0.98


def test_pairs_are_where_they_should_be(verdicts):
    assert np.nanmean(verdicts.distance) < 0.3
    assert np.nanmean(verdicts.stability) > 0.98


@pytest.mark.slow
def test_broken_pairs_fail(oracle, shapes):
    """On few clips, since it takes long; the benchmark does it on many."""
    scores = own_error(oracle, shapes[:12])
    assert scores.pop("real").value == 1.0
    assert len(scores) == 9
    assert {kind: s.value for kind, s in scores.items() if s.value * 12 > 1} == {}


def test_each_object_must_have_its_own_motion(oracle, shapes, verdicts):
    """The same two shapes with their motions exchanged."""
    truth = shapes.truth
    differ = np.array([a != b for a, b in truth.motion]) & ~shapes.context_mask
    chosen = np.flatnonzero(differ)[:16]
    some = shapes[chosen]
    exchanged = some.replace(
        truth=some.truth.__class__(
            **vars(some.truth) | {"motion": tuple((b, a) for a, b in some.truth.motion)}
        )
    )
    # Asked as they are, `verdicts` has them.
    assert verdicts.success[chosen].mean() >= 0.9
    assert not oracle.examine(exchanged, exchanged).success.any()


def test_each_object_must_have_its_own_identity(oracle, shapes):
    some = shapes[np.flatnonzero(~shapes.context_mask)[:16]]
    alike = some.truth.__class__(
        **vars(some.truth) | {"identity": tuple((a, a) for a, _ in some.truth.identity)}
    )
    asked = some.replace(truth=alike)
    assert not oracle.examine(asked, asked).success.any()


def test_failed_and_empty_pairs_show_nothing(oracle, shapes):
    few = shapes[:6]
    failed = np.arange(6) == 2
    seen = oracle.examine(few.replace(failed=failed), few)
    assert (seen.count[2] == 0).all()
    assert not seen.success[2]
    blank = oracle.examine(few.replace(video=np.zeros_like(few.video)), few)
    assert (blank.count == 0).all()
    assert np.isnan(blank.distance).all()
    assert not blank.success.any()


def test_pairs_are_judged_clip_by_clip(oracle, shapes, verdicts):
    order = np.array([9, 3, 21])
    part = oracle.examine(shapes[order], shapes[order])
    np.testing.assert_array_equal(part.identity, verdicts.identity[order])
    np.testing.assert_array_equal(part.count, verdicts.count[order])


def test_the_judge_scores_pairs(shapes):
    few = shapes[:24]
    found = Judge(source("shapes", **SHAPES)).judge(few, few)
    assert found["oracle_success", "all"].value >= 0.98
    assert found["extra_rate", "all"].value <= 0.02
    assert found["bounce_error_frames", "all"].value is None
    assert "two objects" in found["bounce_error_frames", "all"].note


def test_a_hidden_object_is_not_held_against_a_clip():
    def verdict(hidden_frames):
        hidden = np.zeros((1, 8, 2), bool)
        hidden[0, :hidden_frames, 0] = True
        return PairVerdicts(
            count=np.full((1, 8), 2),
            identity=np.where(hidden, -1, np.array([0, 1])),
            hidden=hidden,
            asked_identity=np.array([[0, 1]]),
            distance=np.where(hidden, np.nan, 0.0),
            stability=np.ones(1),
            tolerance=1.5,
            share=7 / 8,
            identities=("0", "1"),
        )

    assert verdict(3).success.all()
    assert verdict(3).success_majority.all()
    missing = verdict(0)
    missing.identity[0, :3, 0] = -1
    missing.distance[0, :3, 0] = np.nan
    assert not missing.success.any()
    assert not verdict(8).success.any()
