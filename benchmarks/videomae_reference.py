"""VideoMAE by the package transformers, under random weights that are left in the layout of the
original repositories.

The mean of its last tokens goes through the normalisation before the classifier; frames are scaled
to [0, 1] and resized by PyTorch, as the code of content-debiased FVD does both (Ge et al. 2024).
The weights are random because any do: every array moves every feature.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

EPSILON = 1e-6
"""Of the normalisation in the original repositories; transformers says others."""

_IN_LAYER = {
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "attention.output.dense": "attn.proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}
_OUTSIDE = {
    "videomae.embeddings.patch_embeddings.projection": "patch_embed.proj",
    "fc_norm": "fc_norm",
    "classifier": "head",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """Sizes of a network, as transformers names them."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    patch_size: int


KINDS = {
    "ViT-S/16": Kind(
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=6,
        intermediate_size=1536,
        patch_size=16,
    ),
    "ViT-B/16": Kind(
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        patch_size=16,
    ),
    "ViT-g/14, 4 blocks of 40": Kind(
        hidden_size=1408,
        num_hidden_layers=4,
        num_attention_heads=16,
        intermediate_size=6144,
        patch_size=14,
    ),
}


def reference_videomae(video: np.ndarray, kind: Kind, path: Path, seed: int) -> np.ndarray:
    """float32 [N D] of uint8 [N 16 H W C]; the weights are left in an npz file at `path`.

    Raises:
        ImportError: without PyTorch or transformers.
    """
    import torch
    import transformers

    library: Any = transformers  # whose own types know neither of these
    config = library.VideoMAEConfig(
        **dataclasses.asdict(kind), layer_norm_eps=EPSILON, num_labels=174, use_mean_pooling=True
    )
    network = library.VideoMAEForVideoClassification(config).eval()
    network.fc_norm.eps = EPSILON
    rng = np.random.default_rng(seed)
    state = {key: _array(rng, key, tuple(x.shape)) for key, x in network.state_dict().items()}
    network.load_state_dict({key: torch.from_numpy(array) for key, array in state.items()})
    np.savez(path, allow_pickle=False, **original(state, kind.num_hidden_layers))
    features = []
    for clip in video:
        rgb = np.broadcast_to(clip, (*clip.shape[:3], 3)).astype(np.float32) / 255
        frames = torch.nn.functional.interpolate(
            torch.from_numpy(rgb.transpose(0, 3, 1, 2)), size=(224, 224), mode="bilinear"
        )
        with torch.no_grad():
            tokens = network.videomae(frames[None]).last_hidden_state
            features.append(network.fc_norm(tokens.mean(1)))
    return torch.cat(features).numpy()


def original(state: dict[str, np.ndarray], depth: int) -> dict[str, np.ndarray]:
    """The same arrays by the names of the original repositories."""
    arrays = {
        f"{name}.{kind}": state[f"{key}.{kind}"]
        for key, name in _OUTSIDE.items()
        for kind in ("weight", "bias")
    }
    for number in range(depth):
        layer, block = f"videomae.encoder.layer.{number}", f"blocks.{number}"
        for key, name in _IN_LAYER.items():
            for kind in ("weight", "bias"):
                arrays[f"{block}.{name}.{kind}"] = state[f"{layer}.{key}.{kind}"]
        attention = f"{layer}.attention.attention"
        arrays[f"{block}.attn.qkv.weight"] = np.concatenate(
            [state[f"{attention}.{part}.weight"] for part in ("query", "key", "value")]
        )
        arrays[f"{block}.attn.q_bias"] = state[f"{attention}.query.bias"]
        arrays[f"{block}.attn.v_bias"] = state[f"{attention}.value.bias"]
    return arrays


def _array(rng: np.random.Generator, key: str, shape: tuple[int, ...]) -> Any:
    if key.endswith("key.bias"):  # the original has none
        return np.zeros(shape, np.float32)
    if key.endswith("bias"):
        return (0.1 * rng.standard_normal(shape)).astype(np.float32)
    if len(shape) == 1:
        return rng.uniform(0.8, 1.2, shape).astype(np.float32)
    return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
