"""The second phase: the prior learns to predict the frozen tokenizer's codes."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from vidgen import optim
from vidgen.contract import Key, TrainState
from vidgen.generators.autoregressive.config import PriorConfig
from vidgen.generators.autoregressive.network import Prior, Prompt
from vidgen.motion import MotionNetwork
from vidgen.nn import Network, digits_of
from vidgen.nn.network import Weights
from vidgen.tokenizers import Tokenizer
from vidgen.types import Batch, Condition, Metrics, Params, Task, Video

Codes = tuple[Float[Array, "B M F"], Int[Array, "B M G"]]

NAME = "prior"
FROZEN = ("tokenizer", "motion")
"""Phases whose weights the prior's training carries along."""


def prior_network(config: PriorConfig, task: Task, tokenizer: Tokenizer) -> Network[Prior]:
    """The prior over a tokenizer's codes."""
    return Network(
        lambda rngs: Prior(
            config,
            task,
            code_grid=tokenizer.grid,
            code_patch=tokenizer.config.code_patch,
            levels=tokenizer.config.quantizer.levels,
            told_width=tokenizer.told_width,
            rngs=rngs,
        )
    )


def decided(tokenizer: Tokenizer, condition: Condition) -> Bool[Array, "B N"]:
    """Which codes, in raster order, a context that is given whole decides."""
    t, h, w = tokenizer.grid
    first = jnp.arange(t * h * w) < tokenizer.known(condition.context_mask.shape[1]) * h * w
    return jnp.all(condition.context_mask, axis=1)[:, None] & first[None]


class Expectation:
    """What motion compensation expects of a clip that begins with certain frames, in codes.

    The frames are carried into the later ones as the sentence asks, and the tokenizer reads the
    result: where the motion is right, a code is to be copied, and the prior has to see to the rest.

    Args:
        tokenizer: that reads the moved clip.
        motion: that moves it.
        frames: how many first frames a clip begins with.

    Attributes:
        frames: the same.
        steps: how many steps on the codes' time axis hold these frames, the clip's opening.
        opening: how many codes they are.
    """

    def __init__(self, tokenizer: Tokenizer, motion: Network[MotionNetwork], frames: int) -> None:
        self._tokenizer, self._motion, self.frames = tokenizer, motion, frames
        self.steps = tokenizer.covering(frames)
        self.opening = self.steps * tokenizer.grid[1] * tokenizer.grid[2]

    def __call__(
        self, frozen: Mapping[str, Params], first: Float[Array, "B K H W C"], condition: Condition
    ) -> Int[Array, "B N"]:
        """The expected codes, in raster order.

        Args:
            frozen: weights of the tokenizer and the motion by name of the phase.
            first: the first frames.
            condition: its sentence is read.
        """
        moved = self._motion.bind(frozen["motion"])(first, condition)
        codes = self._tokenizer.encode(frozen["tokenizer"], moved)
        return codes.reshape(len(codes), -1)


class PriorPhase:
    """Trains the prior by maximum likelihood on the codes of clips.

    Codes that a given context decides are not asked for: when sampling they are given as well. The
    openings of all clips of a batch are read, as of clips from a sentence alone, and some of the
    clips to their end.

    Metrics: ``loss`` (cross-entropy in nats a code), ``accuracy`` (share of codes all of whose
    digits are the likeliest), ``perplexity`` (exp of the loss), and the optimiser's.

    Args:
        config: sizes.
        task: shape of the clips and captions.
        tokenizer: whose codes are learned.
        expectation: what the prior is told to expect.
        share: fraction of the generator's budget.
    """

    name = NAME

    def __init__(
        self,
        config: PriorConfig,
        task: Task,
        tokenizer: Tokenizer,
        expectation: Expectation,
        *,
        share: float,
    ) -> None:
        self.config = config
        self.share = share
        self.batch_size = config.batch_size
        self.tokenizer = tokenizer
        self.expectation = expectation
        self.network = prior_network(config, task, tokenizer)

    def init(self, key: Key, earlier: Mapping[str, Params]) -> TrainState:
        """Fresh weights; the tokenizer, what its codes stand for, and the motion are carried along,
        frozen.
        """
        params = self.network.init(key)
        frozen = {name: jax.tree.map(jnp.copy, earlier[name]) for name in FROZEN}
        return TrainState.create(
            params,
            self.config.optimizer.init(params),
            rest=frozen | {"dictionary": self.tokenizer.dictionary(frozen["tokenizer"])},
        )

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One step on the cross-entropy of the clips' codes."""
        expectation, rows = self.expectation, slice(self.config.continued)
        condition = batch.condition.drop(key, text=self.config.drop_text, both=self.config.drop_all)
        begun = self._codes(state, batch.video[:, : self.tokenizer.frames(expectation.steps)])
        whole = self._codes(state, batch.video[rows])
        told = jax.tree.map(lambda x: x[rows], condition)
        expected = expectation(state.rest, batch.video[rows, : expectation.frames], told)
        expected = state.rest["dictionary"][expected]
        opening = condition
        if self.tokenizer.known(expectation.frames) == expectation.steps:
            # A context that decides its opening would leave nothing to be asked.
            opening = condition.keep(context=False)
        asked = ~decided(self.tokenizer, opening)[:, : expectation.opening]
        later = ~decided(self.tokenizer, told)[:, expectation.opening :]

        def objective(params: Weights) -> tuple[Array, Array]:
            network = self.network.bind(params)
            prompts = network.encode(jax.tree.map(lambda *x: jnp.concatenate(x), opening, told))
            alone = jax.tree.map(lambda x: x[: len(asked)], prompts)
            prompt = jax.tree.map(lambda x: x[len(asked) :], prompts)
            prompt = network.expecting(prompt, expected, expectation.opening)
            first = _examine(network, begun, alone, asked)
            rest = _examine(
                network, whole, prompt, jnp.pad(later, [(0, 0), (expectation.opening, 0)])
            )
            nats, right, count = first + rest
            return nats / count, right / count

        (loss, accuracy), grads = jax.value_and_grad(objective, has_aux=True)(state.params)
        params, opt_state, metrics = self.config.optimizer.update(
            grads, state.opt_state, state.params, progress
        )
        state = state.replace(
            step=state.step + 1,
            params=params,
            opt_state=opt_state,
            ema=optim.ema(state.ema, params, state.step, self.config.ema),
        )
        return state, {
            "loss": loss,
            "accuracy": accuracy,
            "perplexity": jnp.exp(loss),
            **metrics,
        }

    def export(self, state: TrainState) -> Params:
        """Averaged weights."""
        return state.ema

    def _codes(self, state: TrainState, video: Video) -> Codes:
        """Codes of clips or openings in raster order: what they stand for, and their digits."""
        codes = self.tokenizer.encode(state.rest["tokenizer"], video).reshape(len(video), -1)
        levels = self.tokenizer.config.quantizer.levels
        return state.rest["dictionary"][codes], digits_of(codes, levels)


def _examine(
    network: Prior, codes: Codes, prompt: Prompt, asked: Bool[Array, "B M"]
) -> Float[Array, "3"]:
    """Sums over the codes asked for: nats, how many were the likeliest, and how many there are."""
    told, digits = codes
    logits = network(told, digits, prompt)
    nats = optax.softmax_cross_entropy_with_integer_labels(logits, digits).sum(axis=-1)
    chosen = jnp.take_along_axis(logits, digits[..., None], axis=-1)[..., 0]
    right = jnp.all(chosen >= jnp.max(logits, axis=-1), axis=-1)
    return jnp.stack([jnp.sum(nats * asked), jnp.sum(right & asked), jnp.sum(asked)])
