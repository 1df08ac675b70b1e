import collections
import dataclasses

import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation.features import (
    FeatureNetwork,
    InDomainConfig,
    InDomainNetwork,
    InDomainTraining,
    UnsuitableClipsError,
    train_in_domain,
)
from vidgen.evaluation.features.targets import Targets, of_clips, right
from vidgen.types import Clip

OPTIONS = {
    "motion": "diagonal",
    "size": 24,
    "frames": 4,
    "digit_size": 12,
    "min_moves": 1,
    "speed": 2,
}
CONFIG = InDomainConfig(width=16, steps=40, batch_size=16, clips=512)


def clips_of(split, n):
    found = source("digits", split=split, **OPTIONS)
    return np.stack([found[i].video for i in range(n)])


@pytest.fixture(scope="module")
def train():
    return source("digits", split="train", **OPTIONS)


@pytest.fixture(scope="module")
def network(train):
    return train_in_domain(
        train, config=CONFIG, validation=source("digits", split="validation", **OPTIONS)
    )


def test_it_learns_who_and_how_from_real_clips(network):
    assert isinstance(network, FeatureNetwork)
    assert network.card.targets.names == ("identity", "motion")
    # Chance is 1 in 8, and 0.2 five standard errors above it; forty steps teach no more.
    assert network.card.accuracy["motion"] > 0.2
    assert set(network.card.accuracy) == {"identity", "motion"}


def test_features_are_standardised_on_the_training_clips(network):
    features = network(clips_of("train", 400))
    assert np.abs(features.mean(0)).max() < 0.4
    assert 0.6 < features.std(0).mean() < 1.4


def test_a_feature_depends_on_its_clip_alone(network):
    video = clips_of("test", 70)
    whole = network(video)
    order = np.random.default_rng(0).permutation(70)
    np.testing.assert_allclose(network(video[order]), whole[order], rtol=1e-5, atol=1e-5)
    parts = np.concatenate([network(video[:3]), network(video[3:68]), network(video[68:])])
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-5)


def test_training_is_a_matter_of_steps_and_seed(train):
    tiny = InDomainConfig.tiny()
    one, two = (train_in_domain(train, config=tiny, seed=0) for _ in range(2))
    assert one.name == two.name
    assert train_in_domain(train, config=tiny, seed=1).name != one.name
    longer = dataclasses.replace(tiny, steps=3)
    assert train_in_domain(train, config=longer).name != one.name


@pytest.mark.parametrize("kind", ["resnet2plus1d", "random"])
def test_the_other_kinds_are_other_networks(train, network, kind):
    other = train_in_domain(train, kind, config=InDomainConfig.tiny())
    assert other.name.startswith(f"{kind}-")
    assert other.width == 8
    assert np.isfinite(other(clips_of("test", 2))).all()


def test_clips_are_read_once_for_all_kinds(train, stand_in):
    read = collections.Counter()

    def read_and_count(row):
        read[row] += 1
        return train[row]

    training = InDomainTraining(stand_in(train, read_and_count), config=InDomainConfig.tiny())
    names = {training(kind).name for kind in ("resnet3d", "random")}
    assert len(names) == 2
    assert len(read) == 64
    assert set(read.values()) == {1}


def test_it_is_saved_and_reloaded_and_not_trained_again(train, tmp_path, monkeypatch):
    path, config = tmp_path / "a" / "resnet3d.npz", InDomainConfig.tiny()
    first = train_in_domain(train, config=config, path=path)
    monkeypatch.setattr(InDomainTraining, "_trained", None)
    again = train_in_domain(train, config=config, path=path)
    assert (again.name, again.card) == (first.name, first.card)
    video = clips_of("test", 3)
    np.testing.assert_array_equal(again(video), first(video))
    with pytest.raises(ValueError, match="trained otherwise"):
        train_in_domain(train, config=config, seed=1, path=path)


def test_a_damaged_file_is_refused_by_name(train, tmp_path):
    path = tmp_path / "resnet3d.npz"
    train_in_domain(train, config=InDomainConfig.tiny(), path=path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"resnet3d\.npz is no readable in-domain network"):
        InDomainNetwork.load(path)


def test_frames_of_another_size_are_refused_and_longer_clips_are_not(network):
    with pytest.raises(UnsuitableClipsError, match="24x24x1"):
        network(np.zeros((2, 4, 32, 32, 1), np.uint8))
    with pytest.raises(UnsuitableClipsError, match="24x24x3"):
        network(np.zeros((2, 4, 24, 24, 3), np.uint8))
    assert network(np.zeros((2, 9, 24, 24, 1), np.uint8)).shape == (2, 16)


def clip(caption):
    return Clip(video=np.zeros((1, 1, 1, 1), np.uint8), caption=caption)


def test_without_truth_the_words_of_captions_are_learned():
    said = of_clips([clip(f"a {colour} ball rolls") for colour in ("red", "blue", "red", "green")])
    targets = Targets.of(said)
    assert targets.names == ("words",)
    assert targets.classes == (("blue", "green", "red"),)
    np.testing.assert_array_equal(targets(said)[:2], [[0, 0, 1], [1, 0, 0]])
    with pytest.raises(ValueError, match="tell these clips apart"):
        Targets.of(of_clips([clip("a ball")] * 4))


def test_several_answers_are_right_together_or_not_at_all():
    wanted = np.array([[0.5, 0.5, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0.5, 0, 0.5, 0]])
    logits = np.array([[2.0, 3, 1, 0], [0, 0, 1, 2], [1, 2, 3, 4], [3, 2, 1, 0]])
    np.testing.assert_array_equal(right(logits, wanted), [1, 0, np.nan, 0])
