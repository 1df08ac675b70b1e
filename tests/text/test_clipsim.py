"""CLIPSIM by a CLIP of a few numbers, written by hand (parity with PyTorch: test_parity.py)."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vidgen.data import source
from vidgen.evaluation import FeatureJudge, protocol
from vidgen.evaluation.features import FeatureNetwork, UnsuitableClipsError, WrongWeightsError
from vidgen.evaluation.features.clip import ClipFrames, load_clip, prepared
from vidgen.pretrained import MissingWeightsError
from vidgen.text.networks import PORTS
from vidgen.vision.clip import ClipVision

VISION = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "image_size": 8,
    "patch_size": 4,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, configs, write_folder):
    from safetensors.numpy import save_file
    from transformers import AutoConfig

    made = write_folder(tmp_path_factory.mktemp("weights") / "clip")
    text = {k: v for k, v in configs["clip"].items() if k != "model_type"}
    config = {"model_type": "clip", "text_config": text, "vision_config": VISION}
    config["projection_dim"] = 10
    (made / "config.json").write_text(json.dumps(config))
    whole = AutoConfig.for_model(**config).to_dict()
    rng = np.random.default_rng(0)
    weights = {"logit_scale": np.zeros((), np.float32)}
    for prefix, table in (
        ("text_model.", PORTS["clip"].of(whole).table()),
        ("vision_model.", ClipVision.of(whole).table()),
    ):
        for entry in table:
            for key, shape in entry.sources.items():
                name = key if key.endswith("_projection.weight") else prefix + key
                weights[name] = rng.normal(0, 0.3, shape).astype(np.float32)
    save_file(weights, made / "model.safetensors")
    return made


@pytest.fixture(scope="module")
def network(folder):
    return ClipFrames(folder)


def test_a_clip_is_the_mean_of_its_frames(network):
    assert isinstance(network, FeatureNetwork)
    video = np.random.default_rng(0).integers(0, 256, (3, 4, 10, 12, 1), dtype=np.uint8)
    found = network(video)
    assert found.shape == (3, 10)
    frames = np.stack([network(video[:, t : t + 1]) for t in range(4)])
    np.testing.assert_allclose(np.linalg.norm(frames, axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(frames.mean(axis=0), found, atol=1e-6)
    np.testing.assert_array_equal(network(video[1:2])[0], found[1])
    assert network(video[:0]).shape == (0, 10)


def test_frames_become_squares_from_the_middle():
    frame = np.zeros((1, 6, 12, 3), np.uint8)
    frame[0, :, 3:9] = 255
    square = prepared(frame, 6)
    assert square.shape == (1, 6, 6, 3)
    np.testing.assert_allclose(square[0, 0, 0], (1 - 0.48145466) / 0.26862954, rtol=0.2)
    assert (square == square[0, 0, 0]).all()


def test_captions_are_read_and_too_long_ones_refused(network):
    told = network.text(["a red circle", "up"])
    np.testing.assert_allclose(np.linalg.norm(told, axis=1), 1, rtol=1e-5)
    with pytest.raises(UnsuitableClipsError, match="tokens"):
        network.text(["up " * 40])


def test_the_judge_computes_it_from_the_folder_where_weights_belong(folder, monkeypatch):
    monkeypatch.setenv("VIDGEN_WEIGHTS", str(folder.parent))
    train = source("shapes", size=16, frames=4, shape_size=8, min_moves=1, speed=2)
    real = protocol(train, n=6, seed=0, context_frames=1)
    score = FeatureJudge(train).clipsim(real, real)(np.ones(6, bool), "all")["clipsim"]
    assert score.n == 6
    assert -1 <= score.low <= score.value <= score.high <= 1
    assert score.note.startswith("clip-16x1-")


def test_without_weights_it_says_where_they_belong(monkeypatch, tmp_path):
    monkeypatch.setenv("VIDGEN_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingWeightsError, match=r"not computed: CLIPSIM.*clip.*VIDGEN_WEIGHTS"):
        load_clip()


def test_a_text_tower_alone_is_refused(folders):
    with pytest.raises(WrongWeightsError, match="a whole CLIP is wanted"):
        ClipFrames(folders["clip"])
