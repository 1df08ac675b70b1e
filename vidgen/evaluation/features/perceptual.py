"""LPIPS v0.1: how far apart two pictures look to AlexNet or VGG16, with the learned linear heads.

References: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric",
CVPR 2018.
"""

from __future__ import annotations

import functools

import jax
import numpy as np
from jaxtyping import Array, Float, UInt8

from vidgen import nn
from vidgen.evaluation.features.feature import UnsuitableClipsError
from vidgen.pretrained import LPIPS, LpipsNetwork
from vidgen.pretrained.batches import Batched
from vidgen.types import to_float

_PIXELS_AT_ONCE = {"cpu": 2**16}
"""Of the frame pairs that a device takes at a time: a choice of speed and memory alone."""

_PIXELS_AT_ONCE_ELSEWHERE = 2**20
_MOST_PAIRS = 64


def lpips(
    a: UInt8[np.ndarray, "N T H W C"],
    b: UInt8[np.ndarray, "N T H W C"],
    *,
    network: LpipsNetwork = "alex",
) -> Float[np.ndarray, "N T"]:
    """Perceptual distance of each frame of `a` from the same frame of `b`.

    Frames are compared at their own size; grey is repeated on three channels. A first call for a
    size of frames compiles.

    Args:
        a: uint8 [N T H W C], C 1 or 3.
        b: uint8 [N T H W C].
        network: "alex", with which LPIPS agrees best with people, or "vgg".

    Returns:
        float32 [N T], 0 for equal frames, without a unit.

    Raises:
        ValueError: if the shapes differ, or the network is not known.
        UnsuitableClipsError: if a side is too short for the network's pools, or for channels other
            than 1 or 3.
        MissingWeightsError: without the extra ``metrics``, which brings the weights.

    References: Zhang et al., CVPR 2018, equation 1.
    """
    if network not in LPIPS:
        raise ValueError(f"network must be alex or vgg, got {network!r}")
    if a.shape != b.shape:
        raise ValueError(f"the clips must have one shape, got {a.shape} and {b.shape}")
    N, T, H, W, C = a.shape
    if C not in (1, 3):
        raise UnsuitableClipsError(f"LPIPS needs 1 or 3 channels, and these have {C}")
    least = LPIPS[network].least_side
    if min(H, W) < least:
        raise UnsuitableClipsError(
            f"LPIPS with {network} needs frames of at least {least}x{least} pixels, and these "
            f"have {H}x{W}"
        )
    distance = _distance(network, _pairs_at_once(H * W))
    if N * T == 0:
        return np.zeros((N, T), np.float32)
    pairs = np.stack([a.reshape(N * T, H, W, C), b.reshape(N * T, H, W, C)], axis=1)
    return distance(pairs).reshape(N, T)


def _pairs_at_once(pixels: int) -> int:
    most = _PIXELS_AT_ONCE.get(jax.default_backend(), _PIXELS_AT_ONCE_ELSEWHERE)
    return min(max(most // pixels, 1), _MOST_PAIRS)


@functools.cache
def _distance(network: LpipsNetwork, rows: int) -> functools.partial[np.ndarray]:
    """The network with its weights, read and compiled once."""
    judged = LPIPS[network].network()

    def run(weights: nn.Weights, pairs: UInt8[Array, "B 2 H W C"]) -> Float[Array, "B"]:
        return judged.bind(weights)(to_float(pairs))

    batched = Batched(run, rows=rows)
    return functools.partial(batched, batched.place(LPIPS[network].weights()))
