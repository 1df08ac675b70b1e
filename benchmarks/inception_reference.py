"""The FID variant of Inception-v3 by the code that the field cites, under random weights.

The network is that of the package pytorch-fid, which resizes and scales the frames itself. The
weights are random because those of FID are nobody's to ship, and because parity needs no others:
every array moves every feature.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

NEEDED = ("torch", "torchvision", "pytorch_fid")
"""Modules; the packages torch, torchvision and pytorch-fid bring them."""


def reference_inception(frames: np.ndarray, path: Path, seed: int) -> np.ndarray:
    """float32 [N 2048] of uint8 [N H W C]; the random weights are left in an npz file at `path`.

    Raises:
        ImportError: without one of `NEEDED`.
    """
    import torch
    from pytorch_fid import inception

    state = random_state(seed)
    np.savez(path, allow_pickle=False, **{key: value.numpy() for key, value in state.items()})
    download = inception.load_state_dict_from_url
    inception.load_state_dict_from_url = lambda *_, **__: state
    try:
        network = inception.InceptionV3([3], resize_input=True, normalize_input=True).eval()
    finally:
        inception.load_state_dict_from_url = download
    rgb = np.broadcast_to(frames, (*frames.shape[:3], 3)).astype(np.float32) / 255
    with torch.no_grad():
        features = [network(torch.from_numpy(x[None].transpose(0, 3, 1, 2)))[0] for x in rgb]
    return torch.cat(features)[:, :, 0, 0].numpy()


def random_state(seed: int) -> dict:
    """A state dict under which no layer dies out or explodes."""
    import torch
    from torchvision.models import inception_v3

    shapes = inception_v3(num_classes=1008, aux_logits=False, init_weights=False).state_dict()
    rng = np.random.default_rng(seed)

    def array(key: str, shape: tuple[int, ...]) -> np.ndarray:
        match key.rpartition(".")[2]:
            case "num_batches_tracked":
                return np.zeros(shape, np.int64)
            case "running_var":
                return rng.uniform(0.5, 1.5, shape).astype(np.float32)
            case "weight" if len(shape) == 1:
                return rng.uniform(0.8, 1.2, shape).astype(np.float32)
            case "weight":
                scale = np.sqrt(2 / np.prod(shape[1:]))
                return (scale * rng.standard_normal(shape)).astype(np.float32)
        return (0.1 * rng.standard_normal(shape)).astype(np.float32)

    return {key: torch.from_numpy(array(key, tuple(v.shape))) for key, v in shapes.items()}
