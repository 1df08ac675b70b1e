"""Video to codes and back, as pure functions of what the tokenizer's phase exported."""

from __future__ import annotations

import math

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vidgen.nn.network import Weights
from vidgen.tokenizers.autoencoder import Autoencoder
from vidgen.tokenizers.config import TokenizerConfig
from vidgen.types import Task, Video


class Tokenizer(Autoencoder):
    """A causal video tokenizer for one task.

    Example:
        >>> tokenizer = Tokenizer(TokenizerConfig.tiny(), task)         # doctest: +SKIP
        >>> params = tokenizer.pack(weights, codebook)                  # doctest: +SKIP
        >>> tokenizer.decode(params, tokenizer.encode(params, video))   # doctest: +SKIP

    Attributes:
        config: sizes.
        size: how many codes there are to choose from.
        channels: of a pixel.
        told_width: F, features by which `stands_for` tells of a code.
    """

    _prefix = "codebook."

    def __init__(self, config: TokenizerConfig, task: Task) -> None:
        super().__init__(config, task)
        self.config = config
        self.size = config.quantizer.size
        self.channels = task.channels
        self.told_width = config.quantizer.width + math.prod(config.code_patch) * task.channels

    def encode(self, params: Weights, video: Video) -> Int[Array, "B t h w"]:
        """The codes of clips, or of their first frames, in [0, size).

        Causal: no code sees a frame after its own patch.
        """
        weights, codebook = self.unpack(params)
        z = self.network.bind(weights).encode(video)
        return self.config.quantizer.quantize(codebook, z).codes

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
