"""The phase in which a prior learns the frozen tokenizer's codes: all of it but its step."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Generic, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vidgen import optim
from vidgen.contract import Key, TrainState
from vidgen.nn import Network, digits_of
from vidgen.nn.network import Weights
from vidgen.priors.config import PriorConfig
from vidgen.priors.expectation import Expectation
from vidgen.priors.prior import Prior
from vidgen.tokenizers import Tokenizer
from vidgen.types import Batch, Condition, Metrics, Params, Task, Video

Codes = tuple[Float[Array, "B M F"], Int[Array, "B M G"]]
"""Of some codes, what they stand for and their digits."""

P = TypeVar("P", bound=Prior)

_FROZEN = ("tokenizer", "motion")
"""Phases whose weights a prior's training carries along."""


class PriorPhase(abc.ABC, Generic[P]):
    """Holds what a prior's training needs; who inherits names the `prior` and adds `step`.

    Args:
        config: sizes of the prior, and how it is trained.
        task: shape of the clips and captions.
        tokenizer: whose codes are learned.
        expectation: what the prior is told to expect.
        share: fraction of the generator's budget.
    """

    name = "prior"
    prior: type[P]

    def __init__(
        self,
        config: PriorConfig,
        task: Task,
        tokenizer: Tokenizer,
        expectation: Expectation,
        *,
        share: float,
    ) -> None:
        self.config, self.batch_size, self.share = config, config.batch_size, share
        self.tokenizer, self.expectation = tokenizer, expectation
        self.network = Network(lambda rngs: self.prior(config, task, tokenizer, rngs=rngs))

    def init(self, key: Key, earlier: Mapping[str, Params]) -> TrainState:
        """Fresh weights; the tokenizer and the motion are carried along, frozen."""
        params = self.network.init(key)
        frozen = {name: jax.tree.map(jnp.copy, earlier[name]) for name in _FROZEN}
        return TrainState.create(params, self.config.optimizer.init(params), rest=frozen)

    @abc.abstractmethod
    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """See `vidgen.contract.Phase.step`."""

    def export(self, state: TrainState) -> Params:
        """Averaged weights."""
        return state.ema

    def codes(self, state: TrainState, video: Video) -> Codes:
        """Codes of clips or openings, or of what is left of them, in raster order."""
        codes = self.tokenizer.encode(state.rest["tokenizer"], video).reshape(len(video), -1)
        return self.stands_for(state, codes), digits_of(
            codes, self.tokenizer.config.quantizer.levels
        )

    def learned(
        self,
        state: TrainState,
        video: Video,
        condition: Condition,
        first: Float[Array, "B K H W C"] | None = None,
    ) -> tuple[Codes, tuple[Float[Array, "R N F"], Int[Array, "R N G"]], Float[Array, "R N F"]]:
        """Codes of the openings of all clips, those of the first R clips to their end, and what is
        expected of the latter.

        Args:
            state: carries the frozen weights.
            video: the clips.
            condition: what the motion is told of them, see `for_motion`.
            first: what is taken for their first frames; their own by default.
        """
        rows, expectation = self.config.continued, self.expectation
        if first is None:
            first = expectation.begun(state.rest, video[:, : expectation.frames], condition)

        def carried(part: slice) -> Video:
            begins, told = jax.tree.map(lambda x: x[part], (first, condition))
            return expectation.moved(state.rest, begins, told)

        ahead = carried(slice(rows))
        whole = self.codes(state, expectation.left(video[:rows], ahead))
        begun = jax.tree.map(lambda x: x[:, : expectation.opening], whole)
        if len(video) > rows:
            others = video[rows:, : self.tokenizer.frames(expectation.steps)]
            if others.shape[1] > expectation.frames:
                others = expectation.left(others, carried(slice(rows, None)))
            begun = jax.tree.map(
                lambda *parts: jnp.concatenate(parts), begun, self.codes(state, others)
            )
        return begun, whole, expectation.told(state.rest, ahead)

    def stands_for(self, state: TrainState, codes: Int[Array, "*axes"]) -> Float[Array, "*axes F"]:
        """What codes stand for, `Tokenizer.stands_for`."""
        return self.tokenizer.stands_for(state.rest["tokenizer"], codes)

    def for_motion(self, told: Condition, dropped: Condition) -> Condition:
        """What the motion is told of training clips: of a residual all that is known, since codes
        of one clip must not mean two things in the two passes of guidance.

        Args:
            told: of the clips.
            dropped: the same, some of it hidden from the prior.
        """
        return told if self.expectation.residual else dropped

    def for_opening(self, condition: Condition) -> Condition:
        """What openings are asked of: not a context that decides them and leaves nothing to ask."""
        if self.tokenizer.known(self.expectation.frames) == self.expectation.steps:
            return condition.keep(context=False)
        return condition

    def moved(
        self, state: TrainState, grads: Weights, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """The state after a step of the optimiser, and the optimiser's metrics."""
        params, opt_state, metrics = self.config.optimizer.update(
            grads, state.opt_state, state.params, progress
        )
        average = optim.ema(state.ema, params, state.step, self.config.ema)
        state = state.replace(step=state.step + 1, params=params, opt_state=opt_state, ema=average)
        return state, metrics
