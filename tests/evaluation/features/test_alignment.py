import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation.alignment import alignment_scores
from vidgen.evaluation.features import FeatureNetwork, UnsuitableClipsError
from vidgen.evaluation.features.alignment import (
    AlignmentConfig,
    AlignmentNetwork,
    contrast,
    ranks_of_own,
    recall,
    train_alignment,
)
from vidgen.types import Clip

OPTIONS = {
    "motion": "diagonal",
    "size": 24,
    "frames": 4,
    "digit_size": 12,
    "min_moves": 1,
    "speed": 2,
}
CONFIG = AlignmentConfig.tiny()


@pytest.fixture(scope="module")
def train():
    return source("digits", split="train", **OPTIONS)


@pytest.fixture(scope="module")
def held_out():
    return source("digits", split="validation", **OPTIONS)


@pytest.fixture(scope="module")
def network(train, held_out):
    return train_alignment(train, config=CONFIG, validation=held_out)


def clips(found, n):
    return np.stack([found[i].video for i in range(n)]), [found[i].caption for i in range(n)]


def test_it_is_a_feature_network_that_says_how_well_it_recalls(network):
    assert isinstance(network, FeatureNetwork)
    assert set(network.card.recall) == {"R@1", "R@5", "R@1, clips", "R@5, clips"}


def test_vectors_have_length_1_and_depend_on_nobody_beside(network, held_out):
    video, captions = clips(held_out, 5)
    seen, told = network(video), network.text(captions)
    for vectors in (seen, told):
        assert vectors.shape == (5, CONFIG.width)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-4)
    np.testing.assert_array_equal(network(video[3:4])[0], seen[3])
    np.testing.assert_array_equal(network.text(captions[3:4])[0], told[3])
    assert network(video[:0]).shape == network.text([]).shape == (0, CONFIG.width)


@pytest.mark.slow
def test_right_captions_score_above_swapped_ones(train, held_out):
    config = AlignmentConfig(width=16, steps=60, batch_size=32, clips=1024)
    network = train_alignment(train, config=config, validation=held_out)
    assert network.card.recall["R@5"] > 0.2  # chance is 1 in 16
    video, captions = clips(held_out, 128)
    told = network.text(captions)
    real = alignment_scores(network(video), told, captions)
    swapped = alignment_scores(network(np.roll(video, 1, axis=0)), told, captions)
    assert real["alignment"].low > swapped["alignment"].high
    assert real["alignment_top5"].low > swapped["alignment_top5"].high
    assert real["alignment_swap"].low > 0
    assert swapped["alignment_swap"].low < 0.02
    black = alignment_scores(network(np.zeros_like(video)), told, captions)
    assert abs(black["alignment_swap"].value) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "k", "least"), [("softmax", 1, 0.9), ("sigmoid", 5, 0.8)])
def test_either_loss_learns_the_world_in_earnest(loss, k, least):
    found = train_alignment(
        source("digits"),
        config=AlignmentConfig(loss=loss),
        validation=source("digits", split="validation"),
    )
    assert found.card.recall[f"R@{k}"] > least


def test_losses_by_hand():
    logits = np.random.default_rng(0).normal(size=(4, 4))
    label = np.array([0, 1, 0, 2], np.int32)
    same = label[:, None] == label[None, :]

    def one_way(logits):
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        return -np.mean([logs[i, same[i]].mean() for i in range(4)])

    given = jnp.asarray(logits, jnp.float32), jnp.asarray(label)
    softmax = (one_way(logits) + one_way(logits.T)) / 2
    np.testing.assert_allclose(float(contrast("softmax", *given)), softmax, rtol=1e-5)
    signed = np.where(same, logits, -logits)
    sigmoid = np.log1p(np.exp(-signed)).sum(1).mean()
    np.testing.assert_allclose(float(contrast("sigmoid", *given)), sigmoid, rtol=1e-5)


def test_recall_by_hand():
    texts = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    seen = np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 0, 1], [0, 1, 0]], np.float32)
    captions = ["a", "b", "c", "a"]
    assert ranks_of_own(seen, texts, captions).tolist() == [0, 1, 0, 1]
    found = recall(seen, texts, captions)
    assert found["R@1"] == 0.5
    assert found["R@5"] == 1.0
    # To "a" the first clip is nearest, to "b" the last one, of "a", and to "c" its own.
    assert found["R@1, clips"] == pytest.approx(2 / 3)


def test_it_is_the_same_from_its_file_and_refuses_another_training(network, train, tmp_path):
    path = tmp_path / "alignment.npz"
    network.save(path)
    again = train_alignment(train, config=CONFIG, path=path)
    assert (again.name, again.card) == (network.name, network.card)
    with pytest.raises(ValueError, match="trained otherwise"):
        train_alignment(train, config=CONFIG, seed=1, path=path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"alignment\.npz is no readable alignment network"):
        AlignmentNetwork.load(path)


def test_what_it_has_not_learned_is_refused(network):
    with pytest.raises(UnsuitableClipsError, match="frames of"):
        network(np.zeros((1, 4, 16, 16, 1), np.uint8))
    with pytest.raises(UnsuitableClipsError, match="zebra"):
        network.text(["the zebra is moving up"])


def test_clips_without_captions_that_differ_teach_nothing(train, stand_in):
    silent = stand_in(train, lambda i: Clip(video=train[i].video, caption=""))
    with pytest.raises(UnsuitableClipsError, match="align with nothing"):
        train_alignment(silent, config=AlignmentConfig.tiny())


def test_with_one_caption_there_is_nothing_to_swap():
    vectors = np.eye(2, 16, dtype=np.float32)
    scores = alignment_scores(vectors, vectors, ["a", "a"])
    assert scores["alignment"].value == 1
    for name in ("alignment_top1", "alignment_top5", "alignment_swap"):
        assert scores[name].value is None
