"""What tokenizers are, whether their cells are codes or latents: two networks and a causal grid."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from jaxtyping import Int

from vidgen.contract import Key
from vidgen.nn import Network
from vidgen.nn.network import Weights
from vidgen.nn.patches import patch_grid
from vidgen.tokenizers.config import AutoencoderConfig
from vidgen.tokenizers.network import TokenizerNetwork
from vidgen.types import Task


class Autoencoder:
    """Encoder and decoder for one task; who inherits says what lies between them.

    Attributes:
        network: encoder and decoder.
        grid: (t, h, w), how many cells a clip has on each axis; the first of the t are those of the
            first frame alone.
    """

    _prefix: ClassVar[str]
    """Of the names of what is exported beside weights."""

    def __init__(self, config: AutoencoderConfig, task: Task) -> None:
        self.network = Network(lambda rngs: TokenizerNetwork(config, task, rngs=rngs))
        self._step = config.patch[0]
        T, H, W, _ = task.video_shape
        self.grid = patch_grid((T + self._step - 1, H, W), config.code_patch)

    def init(self, key: Key) -> Weights:
        """Weights of the encoder and decoder at step 0."""
        return self.network.init(key)

    def known(self, frames: int) -> int:
        """How many of the t on the time axis are decided by a clip's first `frames` frames."""
        return -(-frames // self._step) if frames else 0

    def covering(self, frames: int) -> int:
        """How many of the t on the time axis it takes to hold a clip's first `frames` frames."""
        return -(-(frames + self._step - 1) // self._step)

    def frames(self, steps: int) -> int:
        """How many frames the first `steps` of the t on the time axis hold."""
        return 1 + (steps - 1) * self._step

    def steps(self, frames: int) -> Int[np.ndarray, "T"]:
        """Which of the t on the time axis holds each of a clip's first `frames` frames."""
        return -(-np.arange(frames) // self._step)

    @classmethod
    def pack(cls, weights: Weights, beside: Weights) -> Weights:
        """Weights, and the codebook or statistics beside them, as the one flat dictionary that is
        exported.
        """
        return weights | {cls._prefix + name: array for name, array in beside.items()}

    @classmethod
    def unpack(cls, params: Weights) -> tuple[Weights, Weights]:
        """The inverse of `pack`."""
        beside = {
            name.removeprefix(cls._prefix): array
            for name, array in params.items()
            if name.startswith(cls._prefix)
        }
        return {n: a for n, a in params.items() if not n.startswith(cls._prefix)}, beside
