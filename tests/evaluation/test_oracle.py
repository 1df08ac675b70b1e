import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import Oracle, UnjudgeableError, oracle_success
from vidgen.evaluation.oracle import Verdicts


def verdicts(identity, count=None, motion=0):
    identity = np.array([identity])
    return Verdicts(
        count=np.ones_like(identity) if count is None else np.array([count]),
        identity=identity,
        asked_identity=np.array([1]),
        motion=np.array([motion]),
        asked_motion=np.array([0]),
        distance=np.zeros(identity.shape),
        bounce=np.zeros(1),
        stability=np.ones(1),
        identities=("0", "1", "2"),
        motions=("up", "static", "none"),
    )


def test_strict_identity_needs_seven_of_eight_and_majority_the_most_votes():
    seven = verdicts([1] * 7 + [2])
    assert seven.success.all()
    six = verdicts([1] * 6 + [2, -1])
    assert not six.success.any()
    assert six.success_majority.all()
    tie = verdicts([1, 1, 1, 2, 2, 2, -1, -1])
    assert not tie.success_majority.any()
    unseen = verdicts([-1] * 8)
    assert unseen.majority_identity.tolist() == [-1]


def test_success_needs_motion_and_exactly_one_object_too():
    right = [1] * 8
    assert verdicts(right, count=[1] * 7 + [2]).success.all()
    assert not verdicts(right, count=[1] * 6 + [2, 0]).success.any()
    assert not verdicts(right, motion=1).success_majority.any()


def test_real_held_out_clips_succeed(judge, prompts):
    seen = judge.oracle.examine(prompts, prompts)
    assert seen.success.mean() >= 0.98
    assert seen.confusions()["identity"].accuracy >= 0.98
    motion = seen.confusions()["motion"]
    assert motion.accuracy >= 0.99
    assert motion.counts.sum() == len(prompts)
    assert motion.counts.shape == (8, 10)


def test_real_clips_are_where_they_should_be(judge, prompts):
    distance = judge.oracle.examine(prompts, prompts).distance
    np.testing.assert_allclose(distance[prompts.context_mask], 0.0, atol=1e-9)
    assert np.nanmax(distance) < 1.0


def test_every_kind_of_broken_clip_fails(judge, prompts):
    scores = judge.own_error(prompts)
    assert set(scores) == {
        "real",
        "vanishes",
        "second-object",
        "swapped",
        "freezes",
        "mirrored",
        "reversed",
        "shuffled-frames",
        "wrong-caption",
        "faint",
    }
    assert scores.pop("real").value >= 0.98
    assert {kind: score.value for kind, score in scores.items() if score.value > 0.02} == {}


def test_broken_clips_fail_for_what_is_broken(judge, prompts):
    from vidgen.evaluation import broken

    kinds = broken(prompts, seed=0)
    seen = {kind: judge.oracle.examine(clips, prompts) for kind, clips in kinds.items()}
    assert (seen["vanishes"].count[:, 4:] == 0).all()
    assert (seen["vanishes"].count[:, :4] == 1).all()
    assert (seen["second-object"].count[:, 4:] > 1).mean() > 0.98
    assert seen["swapped"].motion_right.mean() > 0.8
    assert not seen["swapped"].identity_right.any()
    assert seen["mirrored"].identity_right.mean() >= 0.98
    assert not seen["mirrored"].motion_right.any()
    assert seen["freezes"].one_object.all()
    assert (seen["faint"].count == 0).mean() > 0.98


def test_static_clips_never_pass_and_shuffled_ones_hardly(judge, prompts, held_out):
    from vidgen.evaluation import anchors

    rates = {
        name: judge.oracle.examine(clips, prompts).success.mean()
        for name, clips in anchors(prompts, held_out, seed=0).items()
    }
    assert rates["held-out-real"] >= 0.98
    assert rates["copy-first-frame"] == rates["frozen-real"] == 0
    assert rates["shuffled-captions"] <= 0.02
    assert rates["shuffled-frames"] <= 0.02


def test_a_first_frame_that_is_ignored_is_a_wrong_path(judge, prompts, held_out):
    """The right digit on the right heading, but from elsewhere: fine for a sentence alone only."""
    from vidgen.evaluation import anchors

    text_only = prompts.replace(context_mask=np.zeros(len(prompts), bool))
    others = anchors(text_only, held_out, seed=0)["held-out-real"].replace(
        context_mask=prompts.context_mask
    )
    success = judge.oracle.examine(others, prompts).success
    assert success[~prompts.context_mask].mean() >= 0.98
    assert success[prompts.context_mask].mean() < 0.2


def test_failed_clips_show_nothing(judge, prompts):
    failed = np.arange(len(prompts)) % 2 == 0
    seen = judge.oracle.examine(prompts.replace(failed=failed), prompts)
    assert not seen.success[failed].any()
    assert (seen.count[failed] == 0).all()
    assert np.isnan(seen.distance[failed]).all()
    assert seen.success[~failed].mean() >= 0.97


def test_verdicts_do_not_depend_on_other_clips_or_their_order(judge, prompts):
    order = np.random.default_rng(0).permutation(len(prompts))[:30]
    whole = judge.oracle.examine(prompts, prompts)
    part = judge.oracle.examine(prompts[order], prompts[order])
    np.testing.assert_array_equal(part.identity, whole.identity[order])
    np.testing.assert_array_equal(part.motion, whole.motion[order])
    np.testing.assert_allclose(part.distance, whole.distance[order])


def test_oracle_success_is_the_share_with_wilsons_interval(judge, prompts):
    score = oracle_success(prompts, prompts, oracle=judge.oracle)
    assert score.n == 160
    assert score.low <= score.value <= score.high
    assert "Wilson" in score.note
    one_failed = prompts.replace(failed=np.arange(160) == 3)
    assert "1 clips failed" in oracle_success(one_failed, prompts, oracle=judge.oracle).note


def test_oracle_success_finds_its_oracle_by_the_name_of_the_source(judge, prompts, monkeypatch):
    asked = []

    def build(name):
        asked.append(name)
        return judge.oracle

    monkeypatch.setattr("vidgen.evaluation.oracles._default_oracle", build)
    assert oracle_success(prompts[:8], prompts[:8]).n == 8
    assert asked == ["digits"]


def test_colours_and_shapes_are_told_apart():
    oracle = Oracle(source("shapes", split="train", clips=8))
    images, identities = source("shapes", split="test").exemplars()
    read = oracle.recognise(images)
    right = [r >= 0 and oracle.recogniser.classes[r] == i for r, i in zip(read, identities)]  # noqa: B905
    assert np.mean(right) >= 0.99


def test_clips_without_ground_truth_are_not_judged(judge, prompts):
    few = prompts[:2]
    with pytest.raises(UnjudgeableError, match="no truth"):
        judge.oracle.examine(few, few.replace(truth=None))
    small = few.replace(
        video=few.video[:, :, :16], truth=few.truth.__class__(**vars(few.truth) | {"masks": None})
    )
    with pytest.raises(UnjudgeableError, match="16x32 px"):
        judge.oracle.examine(small, small)
    strange = few.truth.__class__(**vars(few.truth) | {"identity": (("x",), ("3",))})
    with pytest.raises(UnjudgeableError, match="no identity 'x'"):
        judge.oracle.examine(few, few.replace(truth=strange))
    two = few.truth.__class__(**vars(few.truth) | {"identity": (("1", "2"), ("3",))})
    with pytest.raises(UnjudgeableError, match="exactly one object"):
        judge.oracle.examine(few, few.replace(truth=two))
    with pytest.raises(ValueError, match="do not belong together"):
        judge.oracle.examine(prompts[:3], few)
    with pytest.raises(UnjudgeableError, match="do not name their source"):
        oracle_success(few.replace(source=""), few.replace(source=""))
