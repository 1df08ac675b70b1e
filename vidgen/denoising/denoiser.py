"""What every denoiser is: what it is shown and told, and how that steers its blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Bool, Float

from vidgen import nn
from vidgen.denoising.config import DenoisingConfig
from vidgen.types import Condition, Task, Video

CONDITION_WIDTH = 128
"""Features of what steers a block."""

_WAVES = 64

_LAYOUT_FEATURES = 8
"""Of each pixel's part of a layout. An object in place of its box would take three or so; what is
told of its kind by the map alone takes the rest."""


class Denoiser(nnx.Module):
    """Predicts velocity, the clip or the noise from a noisy clip, its time and its condition.

    A network is a subclass that sets `interval_embed` and `steps`, and says in `_predict` what it
    makes of the pixels that it is shown. Whatever it is, that is 0 at first; with `residual` it is
    added to what motion compensation expects.

    Args:
        config: widths and depths.
        task: shapes of the clips.
        rngs: source of the initial weights.
    """

    interval_embed: Embedding | None
    steps: int
    """How many steps in time the tokens stand at that attend to words."""

    def __init__(self, config: DenoisingConfig, task: Task, *, rngs: nnx.Rngs) -> None:
        self.compensated, self.remat = task.context_frames > 0, config.remat
        self.residual = config.residual
        self.aspect = task.height / task.width
        self.time_embed = Embedding(config.time_frequency, rngs=rngs)
        self.words = WordPool(task.text_length, task.text_width, CONDITION_WIDTH, rngs=rngs)
        place = initializers.normal(1.0)
        self.frame_embed = nnx.Param(place(rngs.params(), (task.frames, CONDITION_WIDTH)))
        self.steer = nnx.Linear(CONDITION_WIDTH, CONDITION_WIDTH, rngs=rngs)
        self.still_embed = (
            nnx.Param(place(rngs.params(), (1, CONDITION_WIDTH))) if config.joint_images else None
        )
        self.layout = (
            nn.LayoutMap(task.text_width, _LAYOUT_FEATURES, rngs=rngs) if task.objects else None
        )

    def __call__(
        self,
        x: Video,
        t: Float[Array, "B *each"],
        condition: Condition,
        moved: Video | None = None,
        interval: Float[Array, "B *each"] | None = None,
    ) -> Video:
        """The prediction at noisy clips `x` and times `t` in [0, 1].

        Args:
            x: noisy clips; of one frame for a network that learns from single frames too.
            t: their times, or [B T] those of their frames.
            condition: what is asked for.
            moved: the first frames and what becomes of them by motion compensation, where the task
                has context frames. What moves in the later frames looks like them, and need not be
                carried across frames by the network. A single frame has none.
            interval: lengths of the intervals that end at `t`, as many, 0 if None, for a network
                that is told of them.
        """
        places = self.frame_embed
        if self.still_embed is not None and x.shape[1] == 1:
            # No place in a clip, and nothing that moved: what is shown of it is grey.
            places, moved = self.still_embed, jnp.zeros_like(x) if self.compensated else None
        seen = x if moved is None else jnp.concatenate([x, moved], axis=-1)
        if self.layout is not None:
            seen = jnp.concatenate([seen, self._places(x, condition)], axis=-1)
        words = self.words(condition.text, condition.text_mask)
        known = self.time_embed(t) + (words if t.ndim == 1 else words[:, None])
        if self.interval_embed is not None:
            known = known + self.interval_embed(jnp.zeros_like(t) if interval is None else interval)
        each = known[:, None] if t.ndim == 1 else known
        steer = jax.nn.silu(each + places.get_value()[None])
        predicted = self._predict(seen, jax.nn.silu(self.steer(steer)), condition)
        return predicted + moved if self.residual and moved is not None else predicted

    def attention(
        self, run: Callable[[], Any], batch: int, length: int
    ) -> Float[Array, "B L t h w"]:
        """Which of `length` words each place of `batch` clips looks at while the network runs, on
        the finest grid of those that look; 0 of a single place where none does.
        """
        found = nn.observe(self, "words", run)
        if not found:
            return jnp.zeros((batch, length, 1, 1, 1))
        maps = []
        for weights in found:
            words = weights[..., -length:].mean(axis=1)  # over heads, without the null word
            cells = words.shape[1] // self.steps
            rows = round((cells * self.aspect) ** 0.5)
            maps.append(words.reshape(len(words), self.steps, rows, cells // rows, length))
        finest = max(maps, key=lambda words: words.shape[2]).shape
        # Coarse places are looked at as the finer ones that they hold.
        even = [
            jnp.kron(x, jnp.ones((1, 1, finest[2] // x.shape[2], finest[3] // x.shape[3], 1)))
            for x in maps
        ]
        return jnp.stack(even).mean(axis=0).transpose(0, 4, 1, 2, 3)

    def _places(self, x: Video, condition: Condition) -> Float[Array, "B T H W F"]:
        """What is told of each pixel by the layout; 0 where there is none, as beside a still."""
        assert self.layout is not None
        if condition.layout is None:
            return jnp.zeros((*x.shape[:-1], _LAYOUT_FEATURES), x.dtype)
        places = self.layout(condition.layout, *x.shape[2:4])
        return places[:, : x.shape[1]].astype(x.dtype)

    def _through(self, block: Callable[..., Array], *args: Any) -> Array:
        """What a block makes of its arguments; with `remat` nothing inside it is kept."""
        return nn.recomputed(block.__call__, self.remat)(*args)  # type: ignore[attr-defined]

    def _predict(
        self, seen: Float[Array, "B T H W S"], steer: Float[Array, "B T E"], condition: Condition
    ) -> Video:
        """The prediction from all that is shown of each frame, and what its blocks are told."""
        raise NotImplementedError


def shown_channels(task: Task) -> int:
    """S, channels that are shown of each frame: the noisy clip's, those of what moved, and those of
    a layout.
    """
    clips = task.channels * (2 if task.context_frames else 1)
    return clips + (_LAYOUT_FEATURES if task.objects else 0)


def fit(task: Task, units: tuple[int, int, int], made_of: str, advice: str) -> None:
    """Check that frames, height and width of the clips are multiples of these units.

    Args:
        task: shapes of the clips.
        units: of frames, height and width.
        made_of: where the units come from.
        advice: what could be set to get other units.

    Raises:
        ValueError: if one is not; it names the unit and says what to do.
    """
    for axis, size, unit in zip(
        ("frames", "height", "width"), task.video_shape[:3], units, strict=True
    ):
        if size % unit:
            raise ValueError(
                f"a denoiser needs {axis} in multiples of {unit} ({made_of}), got {size}; {advice}"
            )


class Embedding(nnx.Module):
    """A scalar in [0, 1] to features, by way of sinusoids up to a frequency; all 0 at first with
    `zero`.
    """

    def __init__(self, frequency: float, *, zero: bool = False, rngs: nnx.Rngs) -> None:
        self.frequency, width = frequency, CONDITION_WIDTH
        last = initializers.zeros if zero else initializers.lecun_normal()
        self.first = nnx.Linear(_WAVES, width, rngs=rngs)
        self.second = nnx.Linear(width, width, kernel_init=last, rngs=rngs)

    def __call__(self, t: Float[Array, "*some"]) -> Float[Array, "*some E"]:
        waves = nn.sinusoids(self.frequency * t, _WAVES, longest=10.0 * self.frequency)
        return self.second(jax.nn.silu(self.first(waves)))


class WordPool(nnx.Module):
    """A sentence as one vector: each word with its place through a small network, then their sum.

    Unlike `nn.Caption` it keeps the length of what it gives: it is added to the features of the
    time, and a sentence that is hidden adds a constant.
    """

    def __init__(self, length: int, text_width: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(text_width, width, rngs=rngs)
        self.places_embed = nnx.Param(initializers.normal(0.5)(rngs.params(), (length, width)))
        self.second = nnx.Linear(width, width, rngs=rngs)

    def __call__(
        self, text: Float[Array, "B L D"], mask: Bool[Array, "B L"]
    ) -> Float[Array, "B E"]:
        """The words that the mask shows; a constant where there are none."""
        words = jax.nn.silu(self.first(text) + self.places_embed.get_value()[None])
        total = jnp.where(mask[..., None], words, 0.0).sum(axis=1)
        count = jnp.maximum(mask.sum(axis=1, keepdims=True), 1)
        return self.second(total / jnp.sqrt(count))
