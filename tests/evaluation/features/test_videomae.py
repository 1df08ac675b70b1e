"""VideoMAE: a tiny one against plain numpy, and which files it takes (parity of the published sizes
with transformers: benchmarks/parity.py).
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from vidgen.evaluation import frechet_video_distance
from vidgen.evaluation.features import (
    FeatureNetwork,
    MissingWeightsError,
    UnsuitableClipsError,
    VideoMAE,
    WrongWeightsError,
    load_videomae,
)
from vidgen.evaluation.features.videomae import Sizes, table

TINY = Sizes(width=8, depth=2, heads=2, hidden=12, patch=(8, 56, 56))
PUBLISHED = (  # ViT-S, B, L, H and g: width, depth, heads, hidden, side of a patch
    (384, 12, 6, 1536, 16),
    (768, 12, 12, 3072, 16),
    (1024, 24, 16, 4096, 16),
    (1280, 32, 16, 5120, 16),
    (1408, 40, 16, 6144, 14),
)


@pytest.fixture(scope="module")
def state():
    """A state dict of the tiny network, with its classifier."""
    rng = np.random.default_rng(0)
    shapes = {key: shape for entry in table(TINY) for key, shape in entry.sources.items()}
    shapes |= {"head.weight": (174, TINY.width), "head.bias": (174,)}

    def array(shape):
        scale = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.3
        return (scale * rng.standard_normal(shape)).astype(np.float32)

    made = {key: array(shape) for key, shape in shapes.items()}
    return made | {k: 1 + v for k, v in made.items() if "norm" in k and k.endswith("weight")}


def saved(state, path):
    np.savez(path, allow_pickle=False, **state)
    return path


@pytest.fixture(scope="module")
def network(state, tmp_path_factory):
    return VideoMAE(saved(state, tmp_path_factory.mktemp("weights") / "tiny.npz"), heads=2)


@pytest.fixture(scope="module")
def video():
    return np.random.default_rng(1).integers(0, 256, (8, 16, 28, 20, 3), dtype=np.uint8)


def by_hand(state, clip):
    """The features of a clip [16 224 224 3] in [0, 1], straight from the state dict, in float64."""
    state = {key: array.astype(np.float64) for key, array in state.items()}
    D, F = TINY.width, TINY.width // TINY.heads

    def linear(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(name, x):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
        return x * state[f"{name}.weight"] + state[f"{name}.bias"]

    t, h, w = TINY.patch
    cut = clip.reshape(16 // t, t, 224 // h, h, 224 // w, w, 3)
    x = np.einsum("atbhcwi,oithw->abco", cut, state["patch_embed.proj.weight"])
    x = x.reshape(-1, D) + state["patch_embed.proj.bias"]
    for place, token in enumerate(x):
        for pair in range(D // 2):
            angle = place / 10_000 ** (2 * pair / D)
            token[2 * pair : 2 * pair + 2] += np.sin(angle), np.cos(angle)
    for number in range(TINY.depth):
        name = f"blocks.{number}"
        bias = state[f"{name}.attn.q_bias"], np.zeros(D), state[f"{name}.attn.v_bias"]
        joint = norm(f"{name}.norm1", x) @ state[f"{name}.attn.qkv.weight"].T + np.concatenate(bias)
        heads = []
        for head in range(TINY.heads):
            q, k, v = (joint[:, D * i + F * head :][:, :F] for i in range(3))
            heads.append(special.softmax(q @ k.T / np.sqrt(F), axis=-1) @ v)
        x = x + linear(f"{name}.attn.proj", np.concatenate(heads, axis=-1))
        hidden = linear(f"{name}.mlp.fc1", norm(f"{name}.norm2", x))
        x = x + linear(f"{name}.mlp.fc2", hidden * special.ndtr(hidden))
    return norm("fc_norm", x.mean(0))


def test_features_are_those_of_the_plain_computation(state, network):
    clips = np.random.default_rng(2).integers(0, 256, (2, 16, 224, 224, 3), dtype=np.uint8)
    expected = np.stack([by_hand(state, clip / 255) for clip in clips])
    np.testing.assert_allclose(network(clips), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 0.01


def test_a_clip_s_features_know_neither_batch_nor_order_nor_that_it_is_grey(network, video):
    grey = video[..., :1]
    features = network(grey)
    assert features.shape == (8, TINY.width)
    np.testing.assert_array_equal(network(grey[::-1])[::-1], features)
    np.testing.assert_array_equal(network(grey[5:]), features[5:])
    np.testing.assert_array_equal(network(np.repeat(grey[:1], 3, axis=-1)), features[:1])
    assert network(grey[:0]).shape == (0, TINY.width)


def test_content_debiased_fvd_is_the_frechet_distance_on_it(network, video):
    assert isinstance(network, FeatureNetwork)
    score = frechet_video_distance(video, video // 8, network=network)
    assert score.low > 0
    assert score.note.startswith(f"{network.name}; N=8")
    assert "videomae-8x2-" in network.name
    assert frechet_video_distance(video, video, network=network).value < 1e-6 * score.value


def test_clips_of_another_length_have_no_features(network, video):
    with pytest.raises(UnsuitableClipsError, match=r"VideoMAE needs clips of 16 frames.*have 15"):
        network(video[:, 1:])
    with pytest.raises(UnsuitableClipsError, match="1 or 3 channels, and these have 2"):
        network(video[..., :2])
    score = frechet_video_distance(video[:, 8:], video[:, 8:], network=network)
    assert score.note.startswith("not computed: VideoMAE needs clips of 16 frames")


def test_the_shapes_of_a_file_say_which_network_it_holds():
    for width, depth, heads, hidden, side in PUBLISHED:
        sizes = Sizes(width=width, depth=depth, heads=heads, hidden=hidden, patch=(2, side, side))
        shapes = {key: shape for entry in table(sizes) for key, shape in entry.sources.items()}
        assert len(shapes) == 4 + 13 * depth
        nothing = {key: np.broadcast_to(np.float32(0), shape) for key, shape in shapes.items()}
        assert Sizes.of(nothing) == sizes


def test_other_files_are_refused_by_name(state, tmp_path):
    lacking = {k: v for k, v in state.items() if k != "blocks.1.norm2.bias"} | {"x": np.zeros(1)}
    with pytest.raises(WrongWeightsError) as caught:
        VideoMAE(saved(lacking, tmp_path / "lacking.npz"), heads=2)
    assert str(caught.value).splitlines()[1:] == [
        "  missing blocks.1.norm2.bias (8,)",
        "  unexpected x (1,)",
    ]
    renamed = {f"videomae.encoder.{key}": array for key, array in state.items()}
    with pytest.raises(WrongWeightsError, match=r"save patch_embed.*holds videomae\.encoder\."):
        VideoMAE(saved(renamed, tmp_path / "renamed.npz"))
    with pytest.raises(WrongWeightsError, match="how many heads a width of 8 has is not known"):
        VideoMAE(saved(state, tmp_path / "narrow.npz"))
    odd = state | {"patch_embed.proj.weight": np.zeros((8, 3, 2, 15, 16))}
    with pytest.raises(WrongWeightsError, match="do not fall into tubelets of 2x15x16"):
        VideoMAE(saved(odd, tmp_path / "odd.npz"), heads=2)
    with pytest.raises(MissingWeightsError, match=r"content-debiased FVD needs.*get it from"):
        load_videomae()
