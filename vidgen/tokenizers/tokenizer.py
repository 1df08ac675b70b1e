"""Video to codes and back, as pure functions of what the tokenizer's phase exported."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vidgen.contract import Key
from vidgen.nn import Network
from vidgen.nn.network import Weights
from vidgen.nn.patches import patch_grid
from vidgen.tokenizers.config import TokenizerConfig
from vidgen.tokenizers.network import TokenizerNetwork
from vidgen.types import Task, Video

_CODEBOOK = "codebook."


class Tokenizer:
    """A causal video tokenizer for one task.

    Example:
        >>> tokenizer = Tokenizer(TokenizerConfig.tiny(), task)         # doctest: +SKIP
        >>> params = tokenizer.pack(weights, codebook)                  # doctest: +SKIP
        >>> tokenizer.decode(params, tokenizer.encode(params, video))   # doctest: +SKIP

    Attributes:
        config: sizes.
        network: encoder and decoder.
        grid: (t, h, w), how many codes a clip has on each axis; the first of the t are those of the
            first frame alone.
        size: how many codes there are to choose from.
        channels: of a pixel.
        told_width: F, features by which `stands_for` tells of a code.
    """

    def __init__(self, config: TokenizerConfig, task: Task) -> None:
        self.config = config
        self.network = Network(lambda rngs: TokenizerNetwork(config, task, rngs=rngs))
        T, H, W, _ = task.video_shape
        self.grid = patch_grid((T + config.patch[0] - 1, H, W), config.code_patch)
        self.size = config.quantizer.size
        self.channels = task.channels
        self.told_width = config.quantizer.width + math.prod(config.code_patch) * task.channels

    def init(self, key: Key) -> Weights:
        """Weights of the encoder and decoder at step 0."""
        return self.network.init(key)

    def encode(self, params: Weights, video: Video) -> Int[Array, "B t h w"]:
        """The codes of clips, or of their first frames, in [0, size).

        Causal: no code sees a frame after its own patch.
        """
        weights, codebook = self.unpack(params)
        z = self.network.bind(weights).encode(video)
        return self.config.quantizer.quantize(codebook, z).codes

    def known(self, frames: int) -> int:
        """How many of the t on the time axis are decided by a clip's first `frames` frames."""
        return -(-frames // self.config.patch[0]) if frames else 0

    def covering(self, frames: int) -> int:
        """How many of the t on the time axis it takes to hold a clip's first `frames` frames."""
        return -(-(frames + self.config.patch[0] - 1) // self.config.patch[0])

    def frames(self, steps: int) -> int:
        """How many frames the first `steps` of the t on the time axis hold."""
        return 1 + (steps - 1) * self.config.patch[0]

    def stands_for(
        self, params: Weights, codes: Int[Array, "*axes"]
    ) -> Float[Array, "*axes {self.told_width}"]:
        """What codes stand for, for networks that read them: of each its vector, and the pixels
        that it decodes to when it stands alone.

        Neighbouring patches and their motions are linear in pixels and far from it in codes, so a
        network that is told pixels need not learn to decode.
        """
        if codes.size > self.size:
            # Fewer pictures than places for them: each is painted once.
            return self.stands_for(params, jnp.arange(self.size))[codes]
        weights, codebook = self.unpack(params)
        vectors = self.config.quantizer.values(codebook, codes)
        alone = vectors.reshape(-1, 1, 1, 1, vectors.shape[-1])
        pixels = self.network.bind(weights).paint(alone)
        return jnp.concatenate([vectors, pixels.reshape(*codes.shape, -1)], axis=-1)

    def decode(self, params: Weights, codes: Int[Array, "B t h w"]) -> Video:
        """The clips, or their first frames, that codes stand for.

        Causal: no frame sees a code of a later patch.
        """
        weights, codebook = self.unpack(params)
        values = self.config.quantizer.values(codebook, codes)
        return self.network.bind(weights).decode(values)

    @staticmethod
    def pack(weights: Weights, codebook: Weights) -> Weights:
        """Weights and the quantizer's memory as the one flat dictionary that is exported."""
        return weights | {_CODEBOOK + name: array for name, array in codebook.items()}

    @staticmethod
    def unpack(params: Weights) -> tuple[Weights, Weights]:
        """The inverse of `pack`."""
        codebook = {
            name.removeprefix(_CODEBOOK): array
            for name, array in params.items()
            if name.startswith(_CODEBOOK)
        }
        return {n: a for n, a in params.items() if not n.startswith(_CODEBOOK)}, codebook
