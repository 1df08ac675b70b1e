"""Video to codes and back, as pure functions of what the tokenizer's phase exported."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vidgen.contract import Key
from vidgen.nn import Network
from vidgen.nn.network import Weights
from vidgen.tokenizers.config import TokenizerConfig
from vidgen.tokenizers.network import TokenizerNetwork
from vidgen.tokenizers.patches import patch_grid
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
        grid: (t, h, w), how many codes a clip has on each axis.
        size: how many codes there are to choose from.
        channels: of a pixel.
        table_width: F, features of each code in `table`.
    """

    def __init__(self, config: TokenizerConfig, task: Task) -> None:
        self.config = config
        self.network = Network(lambda rngs: TokenizerNetwork(config, task, rngs=rngs))
        self.grid = patch_grid(task.video_shape, config.code_patch)
        self.size = config.quantizer.size
        self.channels = task.channels
        self.table_width = config.quantizer.width + math.prod(config.code_patch) * task.channels

    def init(self, key: Key) -> Weights:
        """Weights of the encoder and decoder at step 0."""
        return self.network.init(key)

    def encode(self, params: Weights, video: Video) -> Int[Array, "B t h w"]:
        """The codes of clips, in [0, size). Causal: no code sees a frame after its own patch."""
        weights, codebook = self.unpack(params)
        z = self.network.bind(weights).encode(video)
        return self.config.quantizer.quantize(codebook, z).codes

    def table(self, params: Weights) -> Float[Array, "V F"]:
        """What each code stands for, for networks that read codes: its vector, and the pixels that
        it decodes to when it stands alone.

        Pixels are centred over the codes and scaled to a mean square of 1. Neighbouring patches and
        their motions are linear in pixels and far from it in codes, so a network that is told
        pixels need not learn to decode.
        """
        weights, codebook = self.unpack(params)
        vectors = self.config.quantizer.values(codebook, jnp.arange(self.size))
        shape = (*self.config.code_patch, self.channels)
        alone = self.network.bind(weights).decode(vectors[:, None, None, None], shape)
        pixels = alone.reshape(self.size, -1)
        pixels = pixels - jnp.mean(pixels, axis=0, keepdims=True)
        pixels = pixels * jax.lax.rsqrt(jnp.mean(pixels**2) + 1e-6)
        return jnp.concatenate([vectors, pixels], axis=-1)

    def decode(self, params: Weights, codes: Int[Array, "B t h w"]) -> Video:
        """The clips that codes stand for. Causal: no frame sees a code of a later patch."""
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
