"""The training phase of a tokenizer, for every generator that works on codes or latents."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen import optim
from vidgen.contract import Key, TrainState
from vidgen.nn.network import Weights
from vidgen.optim import in_parts
from vidgen.tokenizers.adversary import Adversary
from vidgen.tokenizers.autoencoder import Autoencoder
from vidgen.tokenizers.config import AutoencoderConfig, TokenizerConfig
from vidgen.tokenizers.perceptual import Perceptual
from vidgen.tokenizers.tokenizer import Tokenizer
from vidgen.tokenizers.usage import Usage
from vidgen.types import Batch, Metrics, Params, Task, Video

_LAST = "pixel_head.kernel"
"""The weights by whose gradients the adaptive weight is found."""


class AutoencoderPhase(abc.ABC):
    """Trains encoder and decoder to reconstruct clips; who inherits says what lies between them.

    With a discriminator, parameters and optimiser states are dictionaries over ``tokenizer`` and
    ``discriminator``; the average is the tokenizer's.

    Metrics: ``loss`` (all but what a discriminator asks for), ``reconstruction`` (mean squared
    error), ``psnr`` (dB), and the optimiser's. With LPIPS ``perceptual``, its distance; with a
    discriminator ``adversarial`` (the tokenizer's loss by it), ``adversarial_weight``, and those of
    `Adversary.learn`.

    Args:
        config: sizes and losses.
        tokenizer: what is trained.
        task: shape of the clips.
        name: of the phase.
        share: fraction of the generator's budget.

    Raises:
        ValueError: for frames too small for the network of the perceptual loss.
    """

    def __init__(
        self,
        config: AutoencoderConfig,
        tokenizer: Autoencoder,
        task: Task,
        name: str,
        share: float,
    ) -> None:
        self.name = name
        self.share = share
        self.batch_size = config.batch_size
        self._config, self._network = config, tokenizer.network
        self._init = tokenizer.init
        looks, rival = config.perceptual, config.adversarial
        self._perceptual = None if looks is None else Perceptual(looks, task)
        self._adversary = None if rival is None else Adversary(rival, task.channels)

    def init(self, key: Key, earlier: Mapping[str, Params]) -> TrainState:
        """Fresh networks and memory; earlier phases are not looked at.

        Raises:
            MissingWeightsError: without the weights of the perceptual loss.
        """
        del earlier
        weights_key, memory_key = jax.random.split(key)
        params, rest = self._init(weights_key), self._memory(memory_key)
        if self._perceptual is not None:
            rest["perceptual"] = self._perceptual.weights()
        state = TrainState.create(params, self._config.optimizer.init(params), rest=rest)
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
        """One step on the squared and absolute error, the charge of what lies between encoder and
        decoder, and what LPIPS and a discriminator ask for; and one of the discriminator.
        """
        playing = self._adversary is not None
        weights = state.params["tokenizer"] if playing else state.params
        opt_state = state.opt_state["tokenizer"] if playing else state.opt_state

        learned = self._learned if self._config.microbatches == 1 else self._learned_in_parts
        grads, report, rival, (z, seen) = learned(state, weights, batch.video, key, progress)
        weights, opt_state, metrics = self._config.optimizer.update(
            grads, opt_state, weights, progress
        )
        memory, told = self._remembered(state, z, seen, key)
        average = optim.ema(state.ema, weights, state.step, self._config.ema)
        if playing:
            weights = {"tokenizer": weights, "discriminator": rival["params"]}
            opt_state = {"tokenizer": opt_state, "discriminator": rival["opt_state"]}
        state = state.replace(
            step=state.step + 1,
            params=weights,
            opt_state=opt_state,
            ema=average,
            rest=state.rest | memory,
        )
        return state, {**report, **told, **metrics}

    def _learned(
        self,
        state: TrainState,
        weights: Weights,
        video: Video,
        key: Key,
        progress: Float[Array, ""],
    ) -> tuple[Weights, Metrics, dict[str, Any], tuple[Array, Array]]:
        """The gradient of the tokenizer's `weights`, a report, what became of the discriminator,
        and, for `_remembered`, what the encoder gave and what was seen of it.
        """

        def rebuild(weights: Weights) -> tuple[tuple[Video, Array], tuple[Array, Array, Array]]:
            network = self._network.bind(weights)
            z = network.encode(video)
            values, charge, seen = self._between(state.rest, z, key)
            cells = network.cells(values)
            return (network.shown(network.render(cells)), charge), (cells, z, seen)

        (rebuilt, charge), pull_back, (cells, z, seen) = jax.vjp(rebuild, weights, has_aux=True)
        (loss, errors), pull = jax.value_and_grad(self._error, has_aux=True)(
            rebuilt, video, state.rest, self._looked_at(key, video)
        )
        report = self._report(loss + charge, errors)
        rival: dict[str, Any] = {}
        if self._adversary is not None:
            push, rival, played = self._play(
                self._adversary, state, cells, pull, rebuilt, video, progress
            )
            pull, report = pull + push, {**report, **played}
        (grads,) = pull_back((pull, jnp.ones_like(charge)))
        return grads, report, rival, (z, seen)

    def _learned_in_parts(
        self,
        state: TrainState,
        weights: Weights,
        video: Video,
        key: Key,
        progress: Float[Array, ""],
    ) -> tuple[Weights, Metrics, dict[str, Any], tuple[Array, Array]]:
        """The same, parts of the batch going through encoder and decoder one after another.

        What lies between the two sees the whole batch, and is small but for VQ. So gradients go
        back to it from all parts of the decoder before any goes on into the encoder, which
        meanwhile kept nothing and encodes anew.

        References: Gao et al., "Scaling deep contrastive learning batch size under memory limited
        setup" (2021), who cut a loss over a whole batch there too.
        """
        del progress
        parts = self._config.microbatches

        def encode(weights: Weights, video: Video) -> Float[Array, "B t h w E"]:
            return self._network.bind(weights).encode(video)

        def between(z: Float[Array, "B t h w E"]) -> tuple[tuple[Array, Array], Array]:
            values, charge, seen = self._between(state.rest, z, key)
            return (values, charge), seen

        def decoded(rows: Any) -> tuple[Any, Array]:
            values, real, frames = rows

            def error(weights: Weights, values: Array) -> tuple[Array, dict[str, Array]]:
                rebuilt = self._network.bind(weights).decode(values)
                return self._error(rebuilt, real, state.rest, frames)

            both = jax.value_and_grad(error, argnums=(0, 1), has_aux=True)
            told, (grads, pull) = both(weights, values)
            return (told, grads), pull

        def encoded(rows: tuple[Video, Array]) -> tuple[Weights, tuple[()]]:
            video, pull = rows
            return jax.vjp(lambda weights: encode(weights, video), weights)[1](pull)[0], ()

        _, z = in_parts(lambda video: ((), encode(weights, video)), video, parts)
        (values, charge), pull_between, seen = jax.vjp(between, z, has_aux=True)
        rows = (values, video, self._looked_at(key, video))
        ((loss, errors), above), pull = in_parts(decoded, rows, parts)
        # Each part gives the gradient of its own mean, and that of the whole is wanted.
        (pull,) = pull_between((pull / parts, jnp.ones_like(charge)))
        below, _ = in_parts(encoded, (video, parts * pull), parts)
        grads = jax.tree.map(jnp.add, above, below)
        return grads, self._report(loss + charge, errors), {}, (z, seen)

    @abc.abstractmethod
    def export(self, state: TrainState) -> Params:
        """Averaged weights, and what of the memory encoding and decoding need."""

    @abc.abstractmethod
    def _memory(self, key: Key) -> dict[str, Any]:
        """What is carried from step to step beside weights, at step 0."""

    @abc.abstractmethod
    def _between(
        self, memory: Mapping[str, Any], z: Float[Array, "B t h w E"], key: Key
    ) -> tuple[Float[Array, "B t h w D"], Array, Array]:
        """From what the encoder gives: what the decoder takes, the encoder's charge for it, and
        what `_remembered` is to know.
        """

    @abc.abstractmethod
    def _remembered(
        self, state: TrainState, z: Float[Array, "B t h w E"], seen: Array, key: Key
    ) -> tuple[dict[str, Any], Metrics]:
        """The memory after a step, and what it says."""

    def _looked_at(self, key: Key, video: Video) -> Array | None:
        """Which frames LPIPS sees, if it does."""
        if self._perceptual is None:
            return None
        return self._perceptual.draw(jax.random.fold_in(key, 2), video)

    @staticmethod
    def _report(loss: Array, errors: dict[str, Array]) -> Metrics:
        # The range of pixels is 2, from -1 to 1.
        psnr = 10.0 * jnp.log10(4.0 / errors["reconstruction"])
        return {"loss": loss, "reconstruction": errors["reconstruction"], "psnr": psnr, **errors}

    def _error(
        self, rebuilt: Video, real: Video, rest: Mapping[str, Any], frames: Array | None
    ) -> tuple[Array, dict[str, Array]]:
        """The errors of rebuilt clips, weighed and summed, and each by itself: means over rows."""
        apart = rebuilt - real
        squared = jnp.mean(apart**2)
        loss = squared + self._config.l1 * jnp.mean(jnp.abs(apart))
        report = {"reconstruction": squared}
        if self._perceptual is None:
            return loss, report
        looks = self._perceptual(rest["perceptual"], real, rebuilt, frames)
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
            network = self._network.bind(weights | {_LAST: kernel})
            return network.shown(network.render(cells))

        (grad,) = jax.vjp(shown, weights[_LAST])[1](pull)
        return grad


class TokenizerPhase(AutoencoderPhase):
    """Trains a tokenizer of codes; exports what `Tokenizer.encode` and `decode` take.

    Metrics: those of any, and over the last hundred steps or so ``digit_perplexity`` and
    ``digit_usage`` of a digit of a code in the mean, and ``perplexity`` and ``usage`` of whole
    codes where there are at most 65,536.

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
        self.config, self.tokenizer = config, Tokenizer(config, task)
        self._usage = Usage(config.quantizer.levels)
        self.collapse = self._usage.floors
        super().__init__(config, self.tokenizer, task, name, share)

    def export(self, state: TrainState) -> Params:
        """Averaged weights and the codebook."""
        return self.tokenizer.pack(state.ema, state.rest["codebook"])

    def _memory(self, key: Key) -> dict[str, Any]:
        """The codebook, and how often codes are chosen."""
        return {"codebook": self.config.quantizer.init(key), "shares": self._usage.even()}

    def _between(
        self, memory: Mapping[str, Any], z: Float[Array, "B t h w D"], key: Key
    ) -> tuple[Float[Array, "B t h w D"], Array, Array]:
        del key
        quantized = self.config.quantizer.quantize(memory["codebook"], z)
        return quantized.values, quantized.loss, quantized.codes

    def _remembered(
        self, state: TrainState, z: Float[Array, "B t h w D"], seen: Array, key: Key
    ) -> tuple[dict[str, Any], Metrics]:
        shares = self._usage.after(state.rest["shares"], seen)
        codebook = self.config.quantizer.update(state.rest["codebook"], z, seen, key)
        return {"codebook": codebook, "shares": shares}, self._usage.metrics(shares)
