"""The training phase of a tokenizer, for every generator that works on codes or latents."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen import optim
from vidgen.contract import Key, TrainState
from vidgen.nn import Codebook, histogram, perplexity, usage
from vidgen.nn.network import Weights
from vidgen.tokenizers.config import TokenizerConfig
from vidgen.tokenizers.tokenizer import Tokenizer
from vidgen.types import Batch, Metrics, Params, Task

_MEMORY = 0.99
"""Decay of the code shares that perplexity and usage are read from: about a hundred steps."""


class TokenizerPhase:
    """Trains a tokenizer to reconstruct clips; exports what `Tokenizer.encode` and `decode` take.

    Metrics: ``loss``, ``reconstruction`` (mean squared error), ``psnr`` (dB), ``perplexity`` and
    ``usage`` of the codes over the last hundred steps or so, and the optimiser's.

    Args:
        config: sizes.
        task: shape of the clips.
        name: of the phase.
        share: fraction of the generator's budget.
    """

    def __init__(
        self, config: TokenizerConfig, task: Task, name: str = "tokenizer", share: float = 0.25
    ) -> None:
        self.config = config
        self.name = name
        self.share = share
        self.batch_size = config.batch_size
        self.tokenizer = Tokenizer(config, task)

    def init(self, key: Key, earlier: Mapping[str, Params]) -> TrainState:
        """Fresh networks and codebook; earlier phases are not looked at."""
        del earlier
        weights_key, codebook_key = jax.random.split(key)
        params = self.tokenizer.init(weights_key)
        return TrainState.create(
            params,
            self.config.optimizer.init(params),
            rest={
                "codebook": self.config.quantizer.init(codebook_key),
                "shares": jnp.full(self.tokenizer.size, 1.0 / self.tokenizer.size, jnp.float32),
            },
        )

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One step on the squared and absolute error, and the quantizer's own charge."""
        codebook: Codebook = state.rest["codebook"]
        quantizer = self.config.quantizer

        def objective(params: Weights) -> tuple[Array, tuple[Array, Array, Array]]:
            network = self.tokenizer.network.bind(params)
            z = network.encode(batch.video)
            quantized = quantizer.quantize(codebook, z)
            error = network.decode(quantized.values) - batch.video
            squared = jnp.mean(error**2)
            loss = squared + self.config.l1 * jnp.mean(jnp.abs(error)) + quantized.loss
            return loss, (squared, z, quantized.codes)

        (loss, (squared, z, codes)), grads = jax.value_and_grad(objective, has_aux=True)(
            state.params
        )
        params, opt_state, metrics = self.config.optimizer.update(
            grads, state.opt_state, state.params, progress
        )
        shares = histogram(codes, self.tokenizer.size)
        shares = _MEMORY * state.rest["shares"] + (1.0 - _MEMORY) * shares
        state = state.replace(
            step=state.step + 1,
            params=params,
            opt_state=opt_state,
            ema=optim.ema(state.ema, params, state.step, self.config.ema),
            rest={"codebook": quantizer.update(codebook, z, codes, key), "shares": shares},
        )
        return state, {
            "loss": loss,
            "reconstruction": squared,
            # The range of pixels is 2, from -1 to 1.
            "psnr": 10.0 * jnp.log10(4.0 / squared),
            "perplexity": perplexity(shares),
            "usage": usage(shares),
            **metrics,
        }

    def export(self, state: TrainState) -> Params:
        """Averaged weights and the codebook."""
        return self.tokenizer.pack(state.ema, state.rest["codebook"])
