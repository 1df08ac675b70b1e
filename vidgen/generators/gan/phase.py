"""The one phase of training: two players, two optimisers, one step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen.contract import Key, TrainState
from vidgen.generators.gan.augment import Augmentation
from vidgen.generators.gan.config import GanConfig
from vidgen.generators.gan.discriminators import Discriminators
from vidgen.generators.gan.network import VideoGenerator
from vidgen.generators.gan.objectives import (
    Drawn,
    Scene,
    discriminator_objective,
    generator_objective,
)
from vidgen.nn import Network, Weights, recomputed
from vidgen.optim import ema, in_parts
from vidgen.types import Batch, Condition, Metrics, Params, Task, Video

Players = dict[str, Weights]
"""Arrays by player, ``generator`` and ``discriminator``, and by name of the weight."""

_COMPARED = 2
"""Rows of each batch that are drawn twice under their caption, to watch diversity."""


class AdversarialPhase:
    """Trains the generator and the discriminators, each on its own loss alone.

    Both players move at once, on the same generated clips. The discriminators' loss is
    differentiated with respect to their weights, at fixed clips; the generator's with respect to
    the generated clips, at fixed discriminators, and pulled back through the generator. So neither
    loss can reach the other player's weights.

    Parameters and optimiser states are dictionaries over ``generator`` and ``discriminator``; the
    average is the generator's.

    Args:
        config: widths, losses and optimisers.
        task: what is asked for.
    """

    name = "adversarial"
    share = 1.0
    collapse: ClassVar[Mapping[str, float]] = {"diversity": 0.1}
    """Far below what trainings that did not collapse have logged."""

    def __init__(self, config: GanConfig, task: Task) -> None:
        self.config = config
        self.task = task
        self.batch_size = config.batch_size
        self.generator = Network(lambda rngs: VideoGenerator(config, task, rngs=rngs))
        self.discriminators = Network(lambda rngs: Discriminators(config, task, rngs=rngs))

    def init(self, key: Key, earlier: Mapping[str, Params]) -> TrainState:
        """Fresh weights of both players."""
        del earlier
        first, second = jax.random.split(key)
        params = {
            "generator": self.generator.init(first),
            "discriminator": self.discriminators.init(second),
        }
        opt_state = {
            "generator": self.config.generator_optimizer.init(params["generator"]),
            "discriminator": self.config.discriminator_optimizer.init(params["discriminator"]),
        }
        average = jax.tree.map(jnp.copy, params["generator"])
        return TrainState.create(params, opt_state, average=False).replace(ema=average)

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One simultaneous update of both players.

        No loss of a game measures quality, and ``loss``, here the discriminators', is no exception.
        Read it beside ``clip_accuracy`` and ``frame_accuracy``, the share of pairs in which the
        real one has the higher logit (1 for long: the generator is lost), and ``diversity``, the
        mean difference of two samples under one caption over that of real clips of different
        captions (0: it has collapsed).
        """
        config, players = self.config, state.params
        conceal, draw, pick, compare, change, between = jax.random.split(key, 6)
        condition = self._conceal(conceal, batch.condition)
        scene = Scene.draw(
            pick,
            batch.video,
            condition,
            batch.condition,
            config.animated,
            augmentation=Augmentation.draw(
                config.augment, change, self.batch_size, self.task.height, self.task.width
            ),
            mix=jax.random.uniform(between, (self.batch_size,)),
        )
        latents = self.latents(jax.random.split(draw, self.batch_size))

        def play(rows: Any) -> tuple[tuple[Players, Metrics], tuple[()]]:
            own, condition, said, latents = rows
            part = dataclasses.replace(scene, **own)
            drawn, pull_back = jax.vjp(
                lambda weights: self._draw(weights, condition, said, latents, part.real),
                players["generator"],
            )
            (loss, (real_logits, report)), discriminator_grads = jax.value_and_grad(
                lambda weights: discriminator_objective(
                    self.discriminators.bind(weights), config, part, drawn, self.gamma(progress)
                ),
                has_aux=True,
            )(players["discriminator"])
            (_, generator_report), drawn_grads = jax.value_and_grad(
                lambda drawn: generator_objective(
                    self.discriminators.bind(players["discriminator"]),
                    config,
                    part,
                    drawn,
                    real_logits,
                ),
                has_aux=True,
            )(drawn)
            grads = {"generator": pull_back(drawn_grads)[0], "discriminator": discriminator_grads}
            return (grads, {"loss": loss, **report, **generator_report}), ()

        rows = (scene.own, condition, batch.condition, latents)
        (grads, report), _ = in_parts(play, rows, config.microbatches)
        diversity = self._diversity(compare, players["generator"], batch)
        metrics = {**report, "diversity": diversity}
        params, opt_state, norms = self._update(grads, state.opt_state, players, progress)
        average = ema(state.ema, params["generator"], state.step, config.ema_decay)
        state = state.replace(step=state.step + 1, params=params, opt_state=opt_state, ema=average)
        return state, {**metrics, **norms}

    def export(self, state: TrainState) -> Params:
        """The generator's averaged weights."""
        return state.ema

    def latents(self, keys: Key) -> tuple[Float[Array, "B Z"], Float[Array, "B M"]]:
        """Content and motion latents, each row from its own key alone."""
        sizes = (self.config.content_latent, self.config.motion_latent)
        both = jax.vmap(lambda key: jax.random.normal(key, (sum(sizes),)))(keys)
        return both[:, : sizes[0]], both[:, sizes[0] :]

    def gamma(self, progress: Float[Array, ""]) -> Float[Array, ""]:
        """Weight of the gradient penalties, along a half cosine of progress."""
        first, last = self.config.gamma, self.config.gamma_final
        return last + (first - last) * 0.5 * (1.0 + jnp.cos(jnp.pi * progress))

    def _draw(
        self,
        weights: Weights,
        condition: Condition,
        said: Condition,
        latents: tuple[Float[Array, "B Z"], Float[Array, "B M"]],
        real: Video,
    ) -> Drawn:
        config, generator = self.config, self.generator.bind(weights)
        # The first rows of a batch are also the first of each of its parts.
        rows = slice(config.animated // config.microbatches)
        paint, animate, follow = (
            recomputed(path, config.remat)
            for path in (generator.paint, generator.animate, generator.follow)
        )
        canvas = paint(condition, *latents)
        told = jax.tree.map(lambda x: x[rows], condition)
        known = condition.context_mask.shape[1]
        # The flow is laid beside one real clip, so it is told which. Of a hidden sentence it would
        # learn what lies between all that might have come, which is to let things vanish.
        shown = Condition.of(
            said.text,
            said.text_mask,
            real[:, :known],
            jnp.ones_like(said.context_mask),
            said.layout,
        )
        return Drawn(
            canvas=canvas,
            video=animate(canvas[rows], told, latents[1][rows]),
            moved=follow(real[:, max(known, 1) - 1], shown, latents[1]),
        )

    def _update(
        self, grads: Players, opt_state: Any, players: Players, progress: Float[Array, ""]
    ) -> tuple[Players, Any, Metrics]:
        """Each player by its own optimiser, and the norms of each and of both together."""
        optimizers = {
            "generator": self.config.generator_optimizer,
            "discriminator": self.config.discriminator_optimizer,
        }
        params, states, metrics = {}, {}, {}
        for player, optimizer in optimizers.items():
            params[player], states[player], report = optimizer.update(
                grads[player], opt_state[player], players[player], progress
            )
            metrics |= {f"{player}_{name}": value for name, value in report.items()}
        for norm in ("grad_norm", "update_norm"):
            metrics[norm] = jnp.hypot(*(metrics[f"{player}_{norm}"] for player in optimizers))
        return params, states, metrics

    def _conceal(self, key: Key, condition: Condition) -> Condition:
        text, context = jax.random.uniform(key, (2, self.batch_size))
        return condition.keep(
            text=text >= self.config.text_dropout, context=context >= self.config.context_dropout
        )

    def _diversity(self, key: Key, weights: Weights, batch: Batch) -> Float[Array, ""]:
        told = jax.tree.map(lambda x: x[:_COMPARED], batch.condition)
        # A layout would hold the two samples to one path.
        told = told.keep(context=False, layout=False)
        twice = jax.tree.map(lambda x: jnp.concatenate([x, x]), told)
        latents = self.latents(jax.random.split(key, 2 * _COMPARED))
        one, other = jnp.split(self.generator.bind(weights)(twice, *latents), 2)
        real = jnp.abs(batch.video - jnp.roll(batch.video, 1, axis=0)).mean()
        return jnp.abs(one - other).mean() / jnp.maximum(real, 1e-6)
