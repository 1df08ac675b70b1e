import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import Judge, anchors, oracle_for, protocol
from vidgen.evaluation.clip_oracle import own_error
from vidgen.evaluation.scene import Scene

TEXTURED = {"ground": "textured", "sizes": True}


@pytest.fixture(scope="module")
def textured():
    return source("shapes", split="test", **TEXTURED)


@pytest.fixture(scope="module")
def real(textured):
    return protocol(textured, n=96, seed=0, context_frames=1)


@pytest.fixture(scope="module")
def oracle():
    return oracle_for(source("shapes", **TEXTURED))


def test_plain_shapes_succeed_and_broken_ones_do_not():
    real = protocol(source("shapes", split="test"), n=96, seed=0, context_frames=1)
    scores = own_error(oracle_for(source("shapes")), real)
    assert scores.pop("real").value >= 0.99
    assert {kind: s.value for kind, s in scores.items() if s.value > 0.02} == {}


def test_shapes_over_a_ground_succeed_and_broken_ones_do_not(oracle, real):
    scores = own_error(oracle, real)
    assert scores.pop("real").value >= 0.99
    assert {kind: s.value for kind, s in scores.items() if s.value > 0.02} == {}


def test_size_colour_and_shape_are_each_part_of_the_identity(oracle, real):
    _, identities = source("shapes", split="test", **TEXTURED).exemplars()
    assert set(oracle.recogniser.classes) == set(identities)
    seen = oracle.examine(real, real)
    names = np.array(seen.identities)
    read = names[seen.majority_identity]
    for place in range(3):
        asked = [words[0].split()[place] for words in real.truth.identity]
        assert len(set(asked)) >= 2
        assert [name.split()[place] for name in read] == asked


def test_the_ground_is_no_object(oracle, real):
    bare = np.stack([Scene.of(real, clip).ground for clip in range(len(real))])
    seen = oracle.examine(real.replace(video=bare[:, None].repeat(8, axis=1)), real)
    assert (seen.count == 0).all()
    assert bare.max() > 60


def test_a_broken_ground_stays_a_ground(oracle, real):
    """Where an object is taken away, what is behind it is as dark as the ground around."""
    gone, _ = oracle.broken(real, seed=0)["vanishes"]
    assert (gone.video[:, 4:].max(-1) < oracle.extent.level).mean() > 0.999
    np.testing.assert_array_equal(gone.video[:, :4], real.video[:, :4])


def test_a_shape_that_morphs_is_unstable_and_a_late_bounce_is_seen(oracle, real):
    whole = oracle.examine(real, real)
    assert np.nanmin(whole.stability) > 0.98
    assert np.nanmax(whole.bounce) == 0.0
    swapped, _ = oracle.broken(real, seed=0)["swapped"]
    assert np.nanmean(oracle.examine(swapped, real).stability) < np.nanmin(whole.stability)
    late = real.replace(video=real.video[:, [0, 0, 1, 2, 3, 4, 5, 6]])
    given = real.context_mask & np.isfinite(whole.bounce)
    assert np.nanmean(oracle.examine(late, real).bounce[given]) > 0.5


def test_the_judge_judges_them_and_orders_the_anchors(real, textured):
    judge = Judge(source("shapes", **TEXTURED))
    found = {
        name: judge.judge(clips, real)["oracle_success", "all"].value
        for name, clips in anchors(real, textured, seed=0).items()
    }
    assert found.pop("held-out-real") >= 0.98
    # Other real clips, most of them of other scenes: the floor of metrics of sets, not of this one.
    found.pop("real-against-real", None)
    assert max(found.values()) <= 0.02
    scores = judge.judge(real, real)
    assert scores["shape_stability", "all"].value > 0.99
    assert scores["bounce_error_frames", "all"].value == 0.0
    assert scores["legal_rate", "all"].value is None
