"""The training phase of a tokenizer, for every generator that works on codes or latents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen import optim
from vidgen.contract import Key, TrainState
from vidgen.nn import Codebook
from vidgen.nn.network import Weights
from vidgen.tokenizers.adversary import Adversary
from vidgen.tokenizers.config import TokenizerConfig
from vidgen.tokenizers.perceptual import Perceptual
from vidgen.tokenizers.tokenizer import Tokenizer
from vidgen.tokenizers.usage import Usage
from vidgen.types import Batch, Metrics, Params, Task, Video

_LAST = "pixel_head.kernel"
"""The weights by whose gradients the adaptive weight is found."""


class TokenizerPhase:
    """Trains a tokenizer to reconstruct clips; exports what `Tokenizer.encode` and `decode` take.

    With a discriminator, parameters and optimiser states are dictionaries over ``tokenizer`` and
    ``discriminator``; the average is the tokenizer's.

    Metrics: ``loss`` (all but what a discriminator asks for), ``reconstruction`` (mean squared
    error), ``psnr`` (dB), over the last hundred steps or so ``digit_perplexity`` and
    ``digit_usage`` of a digit of a code in the mean, and ``perplexity`` and ``usage`` of whole
    codes where there are at most 65,536; and the optimiser's. With LPIPS ``perceptual``, its
    distance; with a discriminator ``adversarial`` (the tokenizer's loss by it),
    ``adversarial_weight``, and those of `Adversary.learn`.

    Args:
        config: sizes and losses.
        task: shape of the clips.
        name: of the phase.
        share: fraction of the generator's budget.

    Raises:
        ValueError: for frames too small for the network of the perceptual loss.
    """

    def __init__(
        self, config: TokenizerConfig, task: Task, name: str = "tokenizer", share: float = 0.25
    ) -> None:
        self.config = config
        self.name = name
        self.share = share
        self.batch_size = config.batch_size
        self.tokenizer = Tokenizer(config, task)
        self._usage = Usage(config.quantizer.levels)
        looks, rival = config.perceptual, config.adversarial
        self._perceptual = None if looks is None else Perceptual(looks, task)
        self._adversary = None if rival is None else Adversary(rival, task.channels)

    def init(self, key: Key, earlier: Mapping[str, Params]) -> TrainState:
        """Fresh networks and codebook; earlier phases are not looked at.

        Raises:
            MissingWeightsError: without the weights of the perceptual loss.
        """
        del earlier
        weights_key, codebook_key = jax.random.split(key)
        params = self.tokenizer.init(weights_key)
        rest: dict[str, Any] = {
            "codebook": self.config.quantizer.init(codebook_key),
            "shares": self._usage.even(),
        }
        if self._perceptual is not None:
            rest["perceptual"] = self._perceptual.weights()
        state = TrainState.create(params, self.config.optimizer.init(params), rest=rest)
        if self._adversary is None:
            return state
        rival = self._adversary.network.init(jax.random.fold_in(key, 2))
        opt_state = self._adversary.config.optimizer.init(rival)
        return state.replace(
            params={"tokenizer": params, "discriminator": rival},
            opt_state={"tokenizer": state.opt_state, "discriminator": opt_state},
        )

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One step on the squared and absolute error, the quantizer's own charge, and what LPIPS
        and a discriminator ask for; and one of the discriminator.
        """
        codebook: Codebook = state.rest["codebook"]
        quantizer, playing = self.config.quantizer, self._adversary is not None
        weights = state.params["tokenizer"] if playing else state.params
        opt_state = state.opt_state["tokenizer"] if playing else state.opt_state

        def rebuild(weights: Weights) -> tuple[tuple[Video, Array], tuple[Array, Array, Array]]:
            network = self.tokenizer.network.bind(weights)
            z = network.encode(batch.video)
            quantized = quantizer.quantize(codebook, z)
            cells = network.cells(quantized.values)
            video = network.shown(network.render(cells))
            return (video, quantized.loss), (cells, z, quantized.codes)

        (rebuilt, charge), pull_back, (cells, z, codes) = jax.vjp(rebuild, weights, has_aux=True)
        (loss, report), pull = jax.value_and_grad(self._error, has_aux=True)(
            rebuilt, batch.video, state.rest, key
        )
        report = {"loss": loss + charge, **report}
        rival: dict[str, Any] = {}
        if self._adversary is not None:
            push, rival, played = self._play(
                self._adversary, state, cells, pull, rebuilt, batch.video, progress
            )
            pull, report = pull + push, {**report, **played}
        (grads,) = pull_back((pull, jnp.ones_like(charge)))
        weights, opt_state, metrics = self.config.optimizer.update(
            grads, opt_state, weights, progress
        )
        shares = self._usage.after(state.rest["shares"], codes)
        codebook = quantizer.update(codebook, z, codes, key)
        average = optim.ema(state.ema, weights, state.step, self.config.ema)
        if playing:
            weights = {"tokenizer": weights, "discriminator": rival["params"]}
            opt_state = {"tokenizer": opt_state, "discriminator": rival["opt_state"]}
        state = state.replace(
            step=state.step + 1,
            params=weights,
            opt_state=opt_state,
            ema=average,
            rest=state.rest | {"codebook": codebook, "shares": shares},
        )
        return state, {
            **report,
            **self._usage.metrics(shares),
            **metrics,
        }

    def export(self, state: TrainState) -> Params:
        """Averaged weights and the codebook."""
        return self.tokenizer.pack(state.ema, state.rest["codebook"])

    def _error(
        self, rebuilt: Video, real: Video, rest: Mapping[str, Any], key: Key
    ) -> tuple[Array, dict[str, Array]]:
        """The errors of rebuilt clips, weighed and summed, and each by itself."""
        apart = rebuilt - real
        squared = jnp.mean(apart**2)
        loss = squared + self.config.l1 * jnp.mean(jnp.abs(apart))
        # The range of pixels is 2, from -1 to 1.
        report = {"reconstruction": squared, "psnr": 10.0 * jnp.log10(4.0 / squared)}
        if self._perceptual is None:
            return loss, report
        looks = self._perceptual(rest["perceptual"], real, rebuilt, jax.random.fold_in(key, 2))
        return loss + self._perceptual.config.weight * looks, {**report, "perceptual": looks}

    def _play(
        self,
        adversary: Adversary,
        state: TrainState,
        cells: Array,
        pull: Video,
        rebuilt: Video,
        real: Video,
        progress: Float[Array, ""],
    ) -> tuple[Video, dict[str, Any], Metrics]:
        """What the discriminator asks of rebuilt clips, and its own step.

        Args:
            adversary: the discriminator.
            state: before the step.
            cells: what the last layer was told of the rebuilt clips.
            pull: gradient of their errors.
            rebuilt: the clips.
            real: what they should be.
            progress: share of the budget that is spent.

        Returns:
            The gradient to add to `pull`; the discriminator's new parameters and optimiser's state;
            and metrics.
        """
        rival, opt_state = (tree["discriminator"] for tree in (state.params, state.opt_state))
        fooling, push = adversary.fooled(rival, rebuilt)
        weights = state.params["tokenizer"]
        weight = adversary.weight(
            self._last(weights, cells, pull), self._last(weights, cells, push), progress
        )
        rival, opt_state, report = adversary.learn(rival, opt_state, real, rebuilt, progress)
        return (
            weight * push,
            {"params": rival, "opt_state": opt_state},
            {"adversarial": fooling, "adversarial_weight": weight, **report},
        )

    def _last(self, weights: Weights, cells: Array, pull: Video) -> Array:
        """The gradient in the last layer's kernel of a loss whose gradient in the pixels is known.

        Args:
            weights: of the tokenizer.
            cells: what the last layer is told.
            pull: the gradient in the rebuilt pixels.
        """

        def shown(kernel: Array) -> Video:
            network = self.tokenizer.network.bind(weights | {_LAST: kernel})
            return network.shown(network.render(cells))

        (grad,) = jax.vjp(shown, weights[_LAST])[1](pull)
        return grad
