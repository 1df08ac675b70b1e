"""C3D in PyTorch, one module a layer, under random weights in the layout of Chainer.

Frames are resized by OpenCV, cut and freed of the mean clip as TGAN's evaluation does it (Saito et
al. 2017); layers are those of Tran et al. 2015. It shares no line with
`vidgen.evaluation.features.c3d`. The weights are random because C3D's are nobody's to ship, and
because parity needs no others: every array moves every probability.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def reference_c3d(video: np.ndarray, weights: Path, mean: Path, seed: int) -> np.ndarray:
    """float32 [N 101] of uint8 [N 16 H W C]; the files are left at the two paths, as npz.

    Raises:
        ImportError: without PyTorch.
    """
    import torch
    from torch import nn

    def convolution(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv3d(inputs, outputs, 3, padding=1), nn.ReLU()]

    def pool(*window: int) -> nn.Module:
        return nn.MaxPool3d(window, ceil_mode=True)

    layers = [
        *convolution(3, 64),
        pool(1, 2, 2),
        *convolution(64, 128),
        pool(2, 2, 2),
        *convolution(128, 256),
        *convolution(256, 256),
        pool(2, 2, 2),
        *convolution(256, 512),
        *convolution(512, 512),
        pool(2, 2, 2),
        *convolution(512, 512),
        *convolution(512, 512),
        pool(2, 2, 2),
        nn.Flatten(),
        nn.Linear(512 * 4 * 4, 4096),
        nn.ReLU(),
        nn.Linear(4096, 4096),
        nn.ReLU(),
        nn.Linear(4096, 101),
        nn.Softmax(dim=1),
    ]
    network = nn.Sequential(*layers)
    names = [
        "conv1a",
        "conv2a",
        "conv3a",
        "conv3b",
        "conv4a",
        "conv4b",
        "conv5a",
        "conv5b",
        "fc6",
        "fc7",
        "fc8",
    ]
    rng = np.random.default_rng(seed)
    weighty: list[Any] = [layer for layer in layers if isinstance(layer, nn.Conv3d | nn.Linear)]
    arrays = {}
    for name, layer in zip(names, weighty, strict=True):
        shape = tuple(layer.weight.shape)
        # Pixels reach 128 either way; what the first layer makes of them is about 1.
        scale = np.sqrt(2 / np.prod(shape[1:])) / (64 if name == "conv1a" else 1)
        arrays[f"{name}/W"] = (scale * rng.standard_normal(shape)).astype(np.float32)
        arrays[f"{name}/b"] = (0.1 * rng.standard_normal(shape[:1])).astype(np.float32)
        layer.weight.data = torch.from_numpy(arrays[f"{name}/W"])
        layer.bias.data = torch.from_numpy(arrays[f"{name}/b"])
    np.savez(weights, allow_pickle=False, **arrays)
    average = rng.uniform(80, 120, (3, 16, 128, 171)).astype(np.float32)
    np.savez(mean, allow_pickle=False, mean=average)
    with torch.no_grad():
        said = [network(torch.from_numpy(laid_out(clip, average)[None])) for clip in video]
    return torch.cat(said).numpy()


def laid_out(clip: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """float32 [3 16 112 112] in blue, green and red of uint8 [16 H W C], without the mean clip."""
    import cv2

    rgb = np.broadcast_to(clip, (*clip.shape[:3], 3)).astype(np.float32)
    resized = [cv2.resize(frame, (128, 128), interpolation=cv2.INTER_CUBIC) for frame in rgb]
    bgr = np.stack(resized).transpose(3, 0, 1, 2)[::-1]
    return np.ascontiguousarray((bgr - mean[:, :, :, 21:149])[:, :, 8:120, 8:120])
