"""The training phase of a tokenizer of what motion compensation leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vidgen.contract import Key, TrainState
from vidgen.motion import MotionNetwork
from vidgen.nn import Network
from vidgen.priors.expectation import Expectation
from vidgen.tokenizers import TokenizerConfig, TokenizerPhase
from vidgen.types import Batch, Metrics, Params, Task


class ResidualPhase(TokenizerPhase):
    """Trains a tokenizer to reconstruct what is left of real clips when what the motion expects of
    their first frames is taken away; its errors are those of the whole clips.

    Args:
        config: as `TokenizerPhase`.
        task: shape of the clips.
        motion: trained before, and carried along frozen.
        share: fraction of the generator's budget.
        drop_text: share of training clips whose sentence is hidden from the motion.
    """

    def __init__(
        self,
        config: TokenizerConfig,
        task: Task,
        motion: Network[MotionNetwork],
        *,
        share: float,
        drop_text: float,
    ) -> None:
        super().__init__(config, task, share=share)
        self._drop_text = drop_text
        self._expectation = Expectation(self.tokenizer, motion, task.opening_frames, residual=True)

    def init(self, key: Key, earlier: Mapping[str, Params]) -> TrainState:
        """Fresh networks and codebook; the motion is carried along."""
        state = super().init(key, earlier)
        motion = jax.tree.map(jnp.copy, earlier["motion"])
        return state.replace(rest=state.rest | {"motion": motion})

    def step(
        self, state: TrainState, batch: Batch, key: Key, progress: Float[Array, ""]
    ) -> tuple[TrainState, Metrics]:
        """One step of `TokenizerPhase` on what is left."""
        expectation, video = self._expectation, batch.video
        # Both `TokenizerPhase` and the latents' draw by 2 and 3.
        condition = batch.condition.drop(jax.random.fold_in(key, 4), text=self._drop_text)
        now = {"tokenizer": self.tokenizer.pack(state.params, state.rest["codebook"])}
        first = expectation.begun(now, video[:, : expectation.frames], condition)
        moved = expectation.moved(state.rest, first, condition)
        left = dataclasses.replace(batch, video=expectation.left(video, moved))
        return super().step(state, left, key, progress)
