import dataclasses
import inspect
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import FeatureJudge, Judge, protocol
from vidgen.evaluation.detection import (
    PRECISIONS,
    DetectorConfig,
    DetectorNetwork,
    KnownFrames,
    agreement_with_oracle,
    average_precision,
    motion_of_boxes,
    train_detector,
)
from vidgen.evaluation.detection.augmentation import augmented
from vidgen.evaluation.features import UnsuitableClipsError
from vidgen.evaluation.metrics import METRICS
from vidgen.evaluation.oracles import oracle_for
from vidgen.types import Clip, to_float
from vidgen.vision.detection import Objects

OPTIONS = {
    "motion": "diagonal",
    "size": 16,
    "frames": 4,
    "digit_size": 8,
    "min_moves": 1,
    "speed": 1,
}
CONFIG = DetectorConfig.tiny()


@pytest.fixture(scope="module")
def train():
    return source("digits", split="train", **OPTIONS)


@pytest.fixture(scope="module")
def held_out():
    return source("digits", split="validation", **OPTIONS)


@pytest.fixture(scope="module")
def network(train):
    return train_detector(train, config=CONFIG)


def test_known_frames_are_the_truth_of_their_clips(train):
    known = KnownFrames.of(train, 3, 0)
    rows = np.random.default_rng([0, 5]).permutation(len(train))[:3]
    for n, row in enumerate(rows):
        clip = train[int(row)]
        np.testing.assert_array_equal(known.video[n], clip.video)
        np.testing.assert_array_equal(known.boxes[n], clip.truth.boxes)
        np.testing.assert_array_equal(known.masks[n], clip.truth.object_masks)
        assert known.names[known.classes[n, 0, 0]] == clip.truth.identity[0]
    assert known.there.all()
    video, boxes, classes, masks, there = known.arrays
    assert len(video) == len(boxes) == len(classes) == len(masks) == 12
    assert there.tolist() == [[True, False]] * 12
    few = KnownFrames.of(train, 3, 0, frames=2, names=known.names)
    assert few.video.shape[:2] == (3, 2)


def test_it_says_where_it_comes_from_and_is_the_same_from_its_file(network, train, tmp_path):
    card = network.card
    assert card.source == "digits/train"
    assert card.fingerprint == train.fingerprint
    assert len(card.classes) == 10
    assert network.name.startswith("two-stage-")
    path = tmp_path / "detector.npz"
    network.save(path)
    again = train_detector(train, config=CONFIG, path=path)
    assert (again.name, again.card) == (network.name, network.card)
    with pytest.raises(ValueError, match="trained otherwise"):
        train_detector(train, config=CONFIG, seed=1, path=path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"detector\.npz is no readable detector"):
        DetectorNetwork.load(path)


def test_frames_are_looked_at_one_by_one(network, held_out):
    video = np.stack([held_out[i].video for i in range(3)])
    seen = network(video)
    assert seen.boxes.shape == (3, 4, CONFIG.most, 4)
    again = network(video[1:2, 2:3])
    np.testing.assert_array_equal(again.boxes[0, 0], seen.boxes[1, 2])
    np.testing.assert_array_equal(again.masks[0, 0], seen.masks[1, 2])
    assert network(video[:0]).boxes.shape == (0, 4, CONFIG.most, 4)


def test_what_it_has_not_learned_is_refused(network, train, stand_in):
    with pytest.raises(UnsuitableClipsError, match="frames of"):
        network(np.zeros((1, 4, 24, 24, 1), np.uint8))
    look = inspect.unwrap(DetectorNetwork.__call__)  # where types are not checked
    with pytest.raises(UnsuitableClipsError, match="looks at uint8 pixels, not at float32"):
        look(network, np.full((1, 4, 16, 16, 1), np.nan, np.float32))
    with pytest.raises(UnsuitableClipsError, match="zebra"):
        network.classes_of((("3",), ("zebra",)))
    silent = stand_in(train, lambda i: Clip(video=train[i].video, caption=""))
    with pytest.raises(UnsuitableClipsError, match="without truth"):
        train_detector(silent, config=CONFIG)


def test_the_group_is_computed_where_it_is_asked_for(train, held_out, tmp_path):
    features = FeatureJudge(train, detector=CONFIG, validation=held_out, folder=tmp_path)
    prompts = protocol(held_out, n=8, seed=0, context_frames=1)
    scores = Judge(train, groups=("detection",), features=features).judge(prompts, prompts)
    name = features.detector().name
    assert set(features.detector().card.precision) == set(PRECISIONS)
    assert (tmp_path / "networks" / "detector.npz").exists()
    for metric in METRICS.values():
        for stratum in () if metric.several else metric.strata:
            score = scores[metric.name, stratum]
            if metric.group != "detection":
                assert score.value is None
            elif metric.name == "detected_relation":
                assert score.value is None  # there are no two objects
            else:
                assert score.value is not None
                assert name in score.note
    usual = Judge(train, features=features).judge(prompts, prompts)
    assert "do not name the group 'detection'" in usual["detected_count", "all"].note


def test_augmentation_says_the_truth_of_what_it_makes():
    bright = source("shapes", size=24, frames=4, min_moves=1)
    known = KnownFrames.of(bright, 256, 0, frames=1)
    video, boxes, classes, masks, there = known.arrays
    parts = {"boxes": boxes, "classes": classes, "masks": masks, "there": there}
    told = Objects(**{name: jnp.asarray(part) for name, part in parts.items()})
    frames, made = jax.jit(augmented)(to_float(jnp.asarray(video)), told, jax.random.key(0))
    frames = np.asarray(frames)
    made = types.SimpleNamespace(**{name: np.asarray(getattr(made, name)) for name in parts})
    assert frames.shape == video.shape
    assert np.abs(frames).max() <= 1
    pasted = made.there[:, 1]
    assert 0.2 < pasted.mean() < 0.6
    nothing = ~made.there.any(1)
    assert 0.1 < nothing.mean() < 0.35
    # All grounds but those of frames of one colour are black.
    blank = nothing & (frames.min(axis=(1, 2)).max(axis=-1) > -0.7)
    assert 0.03 < blank.mean() < 0.13
    assert (frames[blank].std(axis=(1, 2)) < 0.2).all()
    faint = nothing & ~blank
    light = frames.max((1, 2, 3))
    assert light[faint].max() < light[~nothing].min() + 0.7
    assert light[~nothing].min() > -0.2
    for n, o in np.argwhere(made.there):
        top, left, bottom, right = made.boxes[n, o]
        rows, columns = (np.flatnonzero(made.masks[n, o].any(axis)) for axis in (1, 0))
        # The box fits the mask, which is in whole pixels where a frame was stretched.
        fit = [top - rows[0], left - columns[0], bottom - rows[-1] - 1, right - columns[-1] - 1]
        assert np.abs(fit).max() < 1.1
        assert made.classes[n, o] == (classes[n, 0] if o == 0 else classes[n - 1, 0])
    assert (made.boxes[~made.there & ~nothing[:, None]] == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["single-stage", "two-stage"])
def test_either_detector_learns_the_world_and_agrees_with_the_oracle(kind):
    train, held_out = source("digits"), source("digits", split="validation")
    config = dataclasses.replace(DetectorConfig(kind=kind), width=32, steps=600)
    network = train_detector(train, config=config)
    known = KnownFrames.of(held_out, 64, 0, names=network.card.classes)
    found = average_precision(network(known.video), known)
    assert found["box AP50"] > 0.9
    assert found["mask AP50"] > 0.9
    real = protocol(held_out, n=64, seed=0, context_frames=1)
    motion = motion_of_boxes(train)
    same = agreement_with_oracle(network, oracle_for(train), real, motion=motion)
    assert same["all"].value > 0.95
