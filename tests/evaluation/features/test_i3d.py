"""I3D: against a straightforward port, at any size, whatever the batch. One compilation."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vidgen.evaluation.features import FeatureNetwork, UnsuitableClipsError, WrongWeightsError, port
from vidgen.evaluation.features.i3d import resize, table
from vidgen.pretrained.packaged import I3D_KINETICS400

FRAMES = 9  # the fewest there may be, and an odd number at every stage but the last


@pytest.fixture(scope="module")
def video(parity):
    return parity.clips(np.random.default_rng(0), 2, (FRAMES, 40, 56, 1), 1.0)


@pytest.fixture(scope="module")
def logits(i3d, video):
    return i3d(video)


@pytest.mark.slow
def test_logits_are_those_of_the_straightforward_port(parity, video, logits):
    # In full: a plain 3-D convolution of this size, compiled in haste, runs for half a minute.
    jax.config.update("jax_disable_most_optimizations", False)
    try:
        expected = parity.reference_logits(video[:1])
    finally:
        jax.config.update("jax_disable_most_optimizations", True)
    error = np.abs(logits[:1] - expected).max() / np.abs(expected).max()
    assert error < 1e-3
    assert logits.shape == (2, 400)
    # Two clips are told apart by far more than that, so agreement means something.
    assert np.abs(logits[0] - logits[1]).max() / np.abs(expected).max() > 0.05


def test_is_a_feature_network_whose_name_carries_its_weights(i3d):
    assert isinstance(i3d, FeatureNetwork)
    assert i3d.name == f"i3d-kinetics400-{I3D_KINETICS400.sha256[:8]}"
    assert i3d.width == 400


def test_a_clip_s_features_know_neither_batch_nor_order(i3d, video, logits):
    np.testing.assert_array_equal(i3d(video[::-1])[::-1], logits)
    np.testing.assert_array_equal(i3d(video[1:]), logits[1:])
    assert i3d(video[:0]).shape == (0, 400)


def test_grey_is_the_same_as_grey_in_three_channels(i3d, video, logits):
    np.testing.assert_array_equal(i3d(np.repeat(video[:1], 3, axis=-1)), logits[:1])


def test_frames_are_squashed_without_antialiasing():
    import cv2

    rng = np.random.default_rng(0)
    for height, width in ((20, 36), (300, 250), (224, 224)):
        frame = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        ours = np.asarray(resize(jnp.asarray(frame[None, None])))[0, 0]
        theirs = cv2.resize(frame.astype(np.float32), (224, 224), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(ours, theirs / 127.5 - 1, atol=1e-4)


@pytest.mark.fault(17)
def test_clips_it_cannot_judge_are_refused_by_name(i3d):
    with pytest.raises(UnsuitableClipsError, match="at least 9 frames, and these have 8"):
        i3d(np.zeros((1, 8, 32, 32, 1), np.uint8))
    with pytest.raises(UnsuitableClipsError, match="1 or 3 channels, and these have 4"):
        i3d(np.zeros((1, 9, 32, 32, 4), np.uint8))


def test_every_key_of_the_package_is_used_and_a_missing_one_is_named():
    arrays = I3D_KINETICS400.read()
    key = "batch_stats/Mixed_4c/Branch_1/Conv3d_0b_3x3/BatchNorm_0/var"
    del arrays[key]
    with pytest.raises(WrongWeightsError, match=f"(?s)1 keys.*missing {key}"):
        port(arrays, table())
