"""How far rebuilt frames look from the real ones, as a part of a tokenizer's loss."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from vidgen.contract import Key
from vidgen.nn import Weights
from vidgen.pretrained import LPIPS, MissingWeightsError
from vidgen.pretrained import Weights as Read
from vidgen.tokenizers.config import PerceptualLoss
from vidgen.types import Task, Video


class Perceptual:
    """LPIPS of one frame drawn from each clip.

    Args:
        config: network and weight.
        task: shape of the clips.

    Raises:
        ValueError: for frames too small for the network's pools.
    """

    def __init__(self, config: PerceptualLoss, task: Task) -> None:
        self.config = config
        self._lpips = LPIPS[config.network]
        self._network = self._lpips.network()
        least = self._lpips.least_side
        if min(task.height, task.width) < least:
            raise ValueError(
                f"a perceptual loss by {config.network} needs frames of at least {least}x{least} "
                f"pixels, and the task's have {task.height}x{task.width}"
            )

    def weights(self) -> Weights:
        """The network's weights, frozen.

        Raises:
            MissingWeightsError: naming the extra that brings them.
        """
        return {name: jnp.asarray(array) for name, array in self._read.items()}

    @staticmethod
    def draw(key: Key, video: Video) -> Int[Array, "B 1 1 1 1"]:
        """Which frame of each clip is looked at."""
        return jax.random.randint(key, (len(video), 1, 1, 1, 1), 0, video.shape[1])

    def __call__(
        self, weights: Weights, real: Video, rebuilt: Video, frame: Int[Array, "B 1 1 1 1"]
    ) -> Float[Array, ""]:
        """The mean distance of the rebuilt frames that are drawn from the real ones."""
        drawn = [jnp.take_along_axis(video, frame, axis=1) for video in (real, rebuilt)]
        return self._network.bind(weights)(jnp.concatenate(drawn, axis=1)).mean()

    @functools.cached_property
    def _read(self) -> Read:
        # Kept, since a harness traces `init` several times.
        try:
            return self._lpips.weights()
        except MissingWeightsError as error:
            raise MissingWeightsError(
                "the tokenizer's perceptual loss needs the weights of LPIPS: "
                "pip install 'vidgen[metrics]', or leave it out (tokenizer.perceptual=None)"
            ) from error
