"""The judge with all that an experiment may ask for, on anchors whose order is known."""

import os
import subprocess
import sys

import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import (
    METRICS,
    AlignmentConfig,
    FeatureJudge,
    InDomainConfig,
    Judge,
    anchors,
    arrays,
    clipset,
    feature_judge,
    frame_judge,
)
from vidgen.evaluation.feature_judge import KERNEL_DISTANCES
from vidgen.evaluation.features import InDomainNetwork, InDomainTraining, cache
from vidgen.evaluation.metrics import GROUPS
from vidgen.optim import Optimizer
from vidgen.pretrained.packaged import NOT_COMPUTED
from vidgen.pretrained.weights import MissingWeightsError

CONFIG = InDomainConfig(width=16, steps=4, batch_size=8, clips=256, optimizer=Optimizer())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("judge")


@pytest.fixture(scope="module")
def judge(folder):
    train = source("digits", split="train")
    features = FeatureJudge(train, config=CONFIG, alignment=AlignmentConfig.tiny(), folder=folder)
    # Without compiler optimisation LPIPS takes longer than all others together; the detector has
    # tests of its own.
    groups = tuple(group for group in GROUPS if group not in ("lpips", "detection"))
    return Judge(train, groups=groups, features=features)


@pytest.fixture(scope="module")
def scores(judge, prompts, held_out):
    few = prompts[:96]
    made = anchors(few, held_out, seed=0)
    kept = ("held-out-real", "real-against-real", "frozen-real", "shuffled-captions")
    return {name: judge.judge(made[name], few) for name in kept}


def test_every_metric_of_sets_and_of_time_has_a_value(scores):
    found = scores["real-against-real"]
    for name, metric in METRICS.items():
        if metric.group in ("in-domain", "temporal", "alignment"):
            for stratum in metric.strata:
                score = found[name, stratum]
                if name == "diversity":  # no caption is asked twice among so few prompts
                    assert "several answers" in score.note
                    continue
                assert score.value is not None, (name, stratum, score.note)
                assert score.better == metric.better
                assert 0 < score.n <= 96


def test_kernel_distances_put_real_clips_first_and_are_blind_to_whose_caption(scores):
    for name in KERNEL_DISTANCES.values():
        floor = scores["real-against-real"][name, "all"]
        assert floor.low <= 0 <= floor.high
        assert scores["frozen-real"][name, "all"].low > floor.high
        assert scores["held-out-real"][name, "text+image"].value == pytest.approx(0, abs=1e-6)
        assert abs(scores["shuffled-captions"][name, "all"].value) < 0.1
        assert "shuffled-captions" in METRICS[name].blind


def test_a_frozen_clip_flickers_least_and_moves_least(scores):
    frozen, real = scores["frozen-real"], scores["real-against-real"]
    assert frozen["flicker", "all"].value == 0
    assert frozen["dynamic_degree", "all"].high < real["dynamic_degree", "all"].low


def test_notes_name_the_network_and_k_and_n(scores, judge):
    found = scores["real-against-real"]
    name = judge._features.network().name
    assert name in found["kvd_in_domain", "text"].note
    assert "N=" in found["fvd_in_domain", "text"].note
    assert "k=5" in found["precision", "text"].note


def test_i3d_says_why_it_cannot_judge_short_clips_or_is_not_there(scores):
    score = scores["held-out-real"]["fvd_i3d", "all"]
    assert score.value is None
    assert "9 frames" in score.note or "vidgen[metrics]" in score.note


class Patches:
    """What frozen networks are to the judge: clips in, numbers out; here mean greys of patches."""

    name, width = "patches", 16

    def __call__(self, video):
        cells = video.reshape(*video.shape[:2], 4, video.shape[2] // 4, 4, -1).mean((1, 3, 5))
        return cells.reshape(len(video), 16).astype(np.float32)


class Shares(Patches):
    """Which patch is brightest, as probabilities."""

    name = "shares"  # features are kept by it

    def __call__(self, video):
        cells = np.exp(super().__call__(video) / 16)
        return cells / cells.sum(1, keepdims=True)


def test_sets_are_judged_by_networks_whose_weights_are_brought(
    prompts, held_out, scores, monkeypatch
):
    real = scores["held-out-real"]
    assert "content-debiased FVD needs" in real["fvd_videomae", "all"].note
    assert "the Inception score needs" in real["inception_score", "all"].note
    monkeypatch.setattr(feature_judge, "load_videomae", Patches)
    monkeypatch.setattr(feature_judge, "load_c3d", Shares)
    judge, few, rows = FeatureJudge(held_out), prompts[:96], np.ones(96, bool)
    one = few.replace(video=np.repeat(few.video[:1], 96, axis=0))
    same, far = (judge.videomae(clips, few)(rows, "all") for clips in (few, one))
    group = [metric.name for metric in METRICS.values() if metric.group == "videomae"]
    assert list(same) == group
    for name in group:
        # Prompts that equal each other keep the kernel distance of a set to itself from 0.
        assert abs(same[name].value) < 0.1 * far[name].value
        assert far[name].note.startswith("patches; ")
    many, single = (
        judge.inception_score(clips, few)(rows, "all")["inception_score"] for clips in (few, one)
    )
    assert many.low > 1
    assert single.value == pytest.approx(1)
    assert many.note.startswith("shares; 1 split, N=96")


def test_frames_are_judged_by_fid_where_its_weights_are(prompts, held_out, scores, monkeypatch):
    assert "FID on frames needs" in scores["held-out-real"]["fid", "all"].note
    monkeypatch.setattr(feature_judge, "load_inception", Patches)
    few = prompts[:96]
    judge = FeatureJudge(held_out)
    rows = np.ones(96, bool)
    worse = np.clip(few.video.astype(int) + 40, 0, 255).astype(np.uint8)
    shuffled = few.replace(video=few.video[:, ::-1].copy())
    real, bright, backwards = (
        judge.fid(clips, few)(rows, "all") for clips in (few, few.replace(video=worse), shuffled)
    )
    assert real["fid"].value == pytest.approx(0, abs=1e-6)
    assert bright["fid"].low > 100
    # Single frames know nothing of their order, which is why the metric is said to be blind to it.
    assert backwards["fid"].value == pytest.approx(0, abs=1e-6)
    assert "shuffled-frames" in METRICS["fid"].blind
    assert "patches" in real["fid"].note


def test_groups_that_nobody_asked_for_are_not_computed(prompts):
    plain = Judge(source("digits", split="train"))
    score = plain.judge(prompts[:8], prompts[:8])["kvd_in_domain", "all"]
    assert score.value is None
    assert "do not name the group 'in-domain'" in score.note


def test_another_judge_takes_networks_and_features_from_disk(folder, judge, prompts, monkeypatch):
    few = prompts[:96]
    before = judge.judge(few, few)
    monkeypatch.setattr(InDomainTraining, "_trained", None)
    monkeypatch.setattr(InDomainNetwork, "_run", None)
    hashed = []
    digest = arrays.pixel_digest
    for module in (clipset, cache):
        monkeypatch.setattr(module, "pixel_digest", lambda v: hashed.append(len(v)) or digest(v))
    again = FeatureJudge(source("digits", split="train"), config=CONFIG, folder=folder)
    after = Judge(source("digits", split="train"), groups=("in-domain",), features=again)
    found = after.judge(prompts[:96], few.replace(failed=few.failed))
    assert sorted(hashed) == [96, 96, 256]  # once a set, whatever the number of networks
    for key, score in found.items():
        if METRICS[key[0]].group == "in-domain":
            assert score.value == before[key].value


def test_lpips_sees_what_is_not_the_real_clip_in_any_order(prompts):
    few = prompts[:6]
    judge = Judge(source("digits", split="train"), groups=("lpips",))
    worse, order = few.replace(video=few.video[:, ::-1].copy()), np.array([3, 0, 5, 1, 4, 2])
    key = ("lpips_alex", "text+image")
    same, other, mixed = (
        judge.judge(clips, real)[key].value
        for clips, real in ((few, few), (worse, few), (worse[order], few[order]))
    )
    assert same == pytest.approx(0, abs=1e-6)
    assert other > 0.01
    assert mixed == pytest.approx(other, rel=1e-5)


def test_a_metric_without_weights_says_once_that_it_is_not_computed(prompts, monkeypatch):
    def missing(*clips):
        raise MissingWeightsError(NOT_COMPUTED)

    monkeypatch.setattr(frame_judge, "lpips", missing)
    few = prompts[:4]
    found = Judge(source("digits", split="train"), groups=("lpips",)).judge(few, few)
    assert found["lpips_alex", "text+image"].note == NOT_COMPUTED


@pytest.mark.slow
def test_the_order_of_clips_changes_no_score(judge, prompts):
    few = prompts[:96]
    worse = few.replace(video=few.video[:, ::-1].copy())
    order = np.random.default_rng(0).permutation(96)
    one, two = judge.judge(worse, few), judge.judge(worse[order], few[order])
    for key, score in one.items():
        if score.value is not None:
            assert two[key].value == pytest.approx(score.value, rel=1e-5, abs=1e-7), key


_ON_TWO_DEVICES = """
import sys
import jax, numpy as np
from vidgen.evaluation.features import InDomainNetwork
assert len(jax.devices()) == 2
np.save(sys.argv[3], InDomainNetwork.load(sys.argv[1])(np.load(sys.argv[2])))
"""


@pytest.mark.slow
def test_two_devices_make_the_same_features(folder, judge, prompts, tmp_path):
    video, found = tmp_path / "video.npy", tmp_path / "features.npy"
    np.save(video, prompts.video[:70])
    expected = judge._features.network()(prompts.video[:70])
    network = folder / "networks" / "resnet3d.npz"
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", _ON_TWO_DEVICES, network, video, found]
    subprocess.run(command, check=True, env=os.environ | flags, timeout=120)
    np.testing.assert_allclose(np.load(found), expected, rtol=1e-5, atol=1e-5)
