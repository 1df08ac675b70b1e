"""The network of motion compensation: a sentence and a frame in, later frames out."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Float, Int

from vidgen.contract import Key
from vidgen.motion.config import MotionConfig
from vidgen.motion.flow import Motion, travel
from vidgen.nn import Caption, LayoutPool, recomputed
from vidgen.types import Condition, Task, Video

_PACE = 16.0
"""How much further than a weight a hypothesis goes in a step of the optimiser: each learns from a
few dozen clips, in which a weight moves by a tenth."""

_OF_HYPOTHESES = 0x6D6F7665
"""Sets the draw of a hypothesis apart from all else that is drawn by a clip's key."""


class Hypotheses(nnx.Module):
    """Vectors in the place of a sentence's, and how likely each is.

    Args:
        count: J, how many.
        width: E, features of a sentence's vector.
        rngs: source of the initial weights.
    """

    def __init__(self, count: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.count = count
        # As long as the vector of a sentence.
        vectors = initializers.normal(1.0 / _PACE)(rngs.params(), (count, width))
        self.vectors = nnx.Param(vectors)
        # At first next to all clips follow none, as where no clip of training has a sentence they
        # always shall.
        none = math.log(50.0 * count) / _PACE
        self.share = nnx.Param(jnp.zeros(count + 1).at[count].set(none))

    def __call__(self, which: Int[Array, "B"]) -> Float[Array, "B E"]:
        """The vectors of some, and zeros for a number below 0."""
        # A product, since the gradient of what is looked up is a scatter, which XLA's partitioner
        # cannot lay out where devices share so few rows unevenly.
        chosen = jax.nn.one_hot(which, self.count)
        return _PACE * jnp.matmul(chosen, self.vectors.get_value(), precision="highest")

    def chances(self) -> Float[Array, "choices"]:
        """Logarithms of the share of clips that each describes best, and after the J of them of the
        share of clips that had no sentence.
        """
        return jax.nn.log_softmax(_PACE * self.share.get_value())


class MotionNetwork(nnx.Module):
    """The last of K first frames, carried into all later ones as the sentence asks.

    It moves what is there and invents nothing: what it gives is a hint of where things will be, for
    a generator to repair.

    Where there is no sentence, many motions are as likely, and what lies between all of them is a
    frame that vanishes. So it holds a number of hypotheses, each a vector in the place of a
    sentence's, of which a clip that is asked for without one follows one, drawn by what share of
    the training clips each describes best. Some training clips had no sentence to begin with: that
    share of draws follows no hypothesis, as those did.

    They are a codebook of sentences, in which sentences are as close as what they move: of a clip
    the hypothesis that moves it best learns, and becomes more like the vector of its sentence.

    References: several hypotheses, of which the best learns: Guzmán-Rivera et al., "Multiple choice
    learning" (2012); with their probabilities, of trajectories: Cui et al., "Multimodal trajectory
    predictions for autonomous driving using deep convolutional networks" (2019), equations 3 to 6.

    Args:
        config: sizes.
        task: shape of the clips; of a task without context frames the first frame is moved.
        rngs: source of the initial weights.

    Raises:
        ValueError: if there is no frame to move to.
    """

    def __init__(self, config: MotionConfig, task: Task, *, rngs: nnx.Rngs) -> None:
        self.known, self.remat = task.opening_frames, config.remat
        if task.frames <= self.known:
            raise ValueError(
                f"there is no frame to move to: the task has {task.frames}, of which the first "
                f"{self.known} begin it; ask for more frames"
            )
        self.caption = Caption(task.text_length, task.text_width, config.width, rngs=rngs)
        self.motion = Motion(
            frames=task.frames,
            canvas=(task.height, task.width, task.channels),
            context_frames=self.known,
            told=config.width,
            width=config.width,
            features=config.features,
            grid=config.grid,
            rngs=rngs,
        )
        self.layout = (
            LayoutPool(task.frames, task.text_width, config.width, rngs=rngs)
            if task.objects
            else None
        )
        self.hypotheses = config.hypotheses
        if self.hypotheses:
            self.codebook = Hypotheses(self.hypotheses, config.width, rngs=rngs)

    def __call__(
        self,
        first: Float[Array, "B K H W C"],
        condition: Condition,
        hypothesis: Int[Array, "B"] | None = None,
    ) -> Video:
        """Clips [B T H W C] that begin with the K frames given and go on with the last one, moved.

        Args:
            first: the first max(K, 1) frames.
            condition: its sentence and its layout are read; its context is not.
            hypothesis: which one a clip without a sentence follows; -1, and None for all, for none.
        """
        told = self.caption(condition.text, condition.text_mask)
        if hypothesis is not None and self.hypotheses:
            followed = (hypothesis >= 0) & ~jnp.any(condition.text_mask, axis=1)
            told = jnp.where(followed[:, None], self.codebook(hypothesis), told)
        if self.layout is not None and condition.layout is not None:
            told = told + self.layout(condition.layout)
        motion = recomputed(self.motion.__call__, self.remat)
        flow, _, _ = motion(first[:, -1], told, first, jnp.ones(len(first)))
        moved = recomputed(travel, self.remat)(first[:, -1], flow[:, self.known - 1 :])
        return jnp.concatenate([first, moved], axis=1)

    def sample(
        self, first: Float[Array, "R K H W C"], condition: Condition, keys: Key | None
    ) -> Video:
        """As `__call__`, by the hypotheses of `draw`; by none where there are no keys."""
        return self(first, condition, None if keys is None else self.draw(keys, condition))

    def draw(self, keys: Key, condition: Condition) -> Int[Array, "R"]:
        """A hypothesis for each row of a condition, -1 where it follows none.

        Args:
            keys: [B] PRNG keys, one a clip; the same ones draw the same.
            condition: of these clips, R = B, or with those that guidance leads away from behind
                them, R = 2 B. These follow none, which is what their sentence is weighed against,
                but for clips without one: there both rows follow the same.
        """
        B = len(keys)
        if not self.hypotheses:
            return jnp.full(condition.batch_size, -1)
        chances = self.codebook.chances()
        drawn = jax.vmap(
            lambda key: jax.random.categorical(jax.random.fold_in(key, _OF_HYPOTHESES), chances)
        )(keys)
        drawn = jnp.where(drawn < self.hypotheses, drawn, -1)
        told = jnp.any(condition.text_mask[:B], axis=1)
        others = [jnp.where(told, -1, drawn)] * (condition.batch_size // B - 1)
        return jnp.concatenate([drawn, *others])
