"""The nouns of the house: what a clip, a condition, a batch and a score are.

Pixels are uint8 on the host and on disk, float32 in [-1, 1] on the device; `to_float` and
`to_pixels` are the only two places where one becomes the other.

Axis letters, here and everywhere: ``B`` batch, ``N`` number of clips, ``T`` frames, ``K`` context
frames, ``H`` height, ``W`` width, ``C`` channels, ``L`` words, ``D`` features of a word, ``O``
objects of a layout.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

SCHEMA_VERSION = 1
"""Version of every file in a run folder. Readers accept this version and older ones they name."""

ADDED_LATER: Mapping[str, bool] = MappingProxyType({"added_later": True})
"""Metadata of a configuration's field that is recorded only where it differs from its default, so
that what was recorded before there was such a field still asks the same question."""

Params = Any
"""A pytree of arrays: what a network has learned."""

Video = Float[Array, "B T H W C"]
Better = Literal["higher", "lower"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What every generator of one comparison is asked for.

    Attributes:
        frames: T, frames of a clip, context included.
        height: H in pixels.
        width: W in pixels.
        channels: C, 1 for grey and 3 for RGB.
        context_frames: K. 0 is text-to-video, 1 is image-and-text-to-video, k is prediction; the
            context is the first K of the T frames, and a sample contains it.
        fps: frames a second, for playing only.
        text_length: L, words a caption is padded or cut to.
        text_width: D, features of a word.
        images: k, single frames beside each clip of a training batch, for generators that learn
            from pictures too; see `Images`.
        objects: O, how many objects a layout may place; 0 for a task without layouts.
    """

    frames: int
    height: int
    width: int
    channels: int
    context_frames: int = 1
    fps: int = 8
    text_length: int = 12
    text_width: int = 32
    images: int = dataclasses.field(default=0, metadata=ADDED_LATER)
    objects: int = dataclasses.field(default=0, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        for name in ("frames", "height", "width", "fps", "text_length", "text_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"Task.{name} must be at least 1, got {getattr(self, name)}")
        if self.channels not in (1, 3):
            raise ValueError(f"Task.channels must be 1 (grey) or 3 (RGB), got {self.channels}")
        if not 0 <= self.context_frames < self.frames:
            raise ValueError(
                f"Task.context_frames must lie in [0, frames), got {self.context_frames} "
                f"of {self.frames}"
            )
        if self.images < 0:
            raise ValueError(f"Task.images must not be negative, got {self.images}")
        if self.objects < 0:
            raise ValueError(f"Task.objects must not be negative, got {self.objects}")

    @property
    def video_shape(self) -> tuple[int, int, int, int]:
        """[T H W C] of one clip."""
        return (self.frames, self.height, self.width, self.channels)

    @property
    def opening_frames(self) -> int:
        """The frames that a clip begins with: its context, or its first frame if it has none."""
        return max(self.context_frames, 1)

    @property
    def context_shape(self) -> tuple[int, int, int, int]:
        """[K H W C] of one clip's context."""
        return (self.context_frames, self.height, self.width, self.channels)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Episode:
    """What was played in a grid world, step by step.

    Attributes:
        level: the gym id of the level.
        seed: of the level's reset, from which the actions lead through the same states.
        grid: uint8 [T X Y 3], MiniGrid's (object, colour, state) of every cell, without the agent.
        agent: int16 [T 5], the agent's (x, y, direction) and the (object, colour) that it carries,
            (-1, -1) where it carries nothing. Direction is 0 right, 1 down, 2 left, 3 up.
        actions: int8 [T - 1], MiniGrid's action between two frames, -1 once the episode is over.
        fulfilled: whether the mission is fulfilled by the last frame.
    """

    level: str
    seed: int
    grid: np.ndarray
    agent: np.ndarray
    actions: np.ndarray
    fulfilled: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Truth:
    """What a simulated source knows about one clip.

    Attributes:
        identity: what each object is, e.g. ``("3",)`` or ``("red circle",)``.
        motion: how each object moves, e.g. ``("up and left",)``.
        boxes: float32 [T O 4], (top, left, bottom, right) in pixels of each of the O objects.
        masks: bool [T H W], where any object is.
        object_masks: bool [T O H W], where each object is, hidden parts included; None where only
            `masks` is known.
        camera: float64 [T 2 3], the affine map from a point (x, y, 1) of each frame to the scene
            that the camera sees, both in pixels with (0, 0) at the upper left corner; None for a
            source whose camera stands still.
        episode: what was played, in a grid world; None elsewhere.
    """

    identity: tuple[str, ...]
    motion: tuple[str, ...]
    boxes: np.ndarray
    masks: np.ndarray
    object_masks: np.ndarray | None = None
    camera: np.ndarray | None = None
    episode: Episode | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip:
    """One captioned clip on the host: ``video`` uint8 [T H W C], and its truth where simulated."""

    video: np.ndarray
    caption: str
    truth: Truth | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Where each thing of a clip is to be, on the host.

    Attributes:
        identity: what each of O objects is, e.g. ``("3",)`` or ``("red circle",)``.
        boxes: float32 [T O 4], (top, left, bottom, right) in pixels; NaN where nothing is said of
            an object in a frame.

    Raises:
        ValueError: if the shapes do not fit, or a box ends before it begins; it names the box.
    """

    identity: tuple[str, ...]
    boxes: np.ndarray

    @classmethod
    def of(cls, identity: tuple[str, ...], boxes: np.ndarray) -> Plan:
        """Where everything of a clip was; nothing is said of a box that is empty, or of an object
        that is not there.

        Args:
            identity: of O objects.
            boxes: float32 [T P 4], as `Truth` and a set of them have it, P at least O.
        """
        boxes = np.array(boxes[:, : len(identity)], np.float32)
        top, left, bottom, right = np.moveaxis(boxes, -1, 0)
        boxes[(bottom <= top) | (right <= left)] = np.nan
        return cls(identity=identity, boxes=boxes)

    def __post_init__(self) -> None:
        shape = np.shape(self.boxes)
        if len(shape) != 3 or shape[1:] != (len(self.identity), 4):
            raise ValueError(
                f"a plan of {len(self.identity)} objects has boxes [T {len(self.identity)} 4], got "
                f"{list(shape)}"
            )
        said = ~np.isnan(self.boxes)
        if np.isinf(self.boxes).any() or (said.any(axis=-1) != said.all(axis=-1)).any():
            raise ValueError("a box has four finite numbers, or four NaN where nothing is said")
        top, left, bottom, right = np.moveaxis(self.boxes, -1, 0)
        if ((bottom <= top) | (right <= left)).any():
            frame, which = np.argwhere((bottom <= top) | (right <= left))[0]
            raise ValueError(
                f"the box of {self.identity[which]!r} in frame {frame} ends before it begins: "
                f"{self.boxes[frame, which].tolist()} is not (top, left, bottom, right)"
            )


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things are to be, as generators are told. On the device build one with `Layout.of`,
    which zeroes what is masked; all of it is for a clip of which nothing is said.

    Attributes:
        boxes: float32 [B T O 4], (top, left, bottom, right) in shares of height and width.
        mask: bool [B T O], which of them are said.
        kind: float32 [B O D], what each object is: its name, as the text encoder has it.

    References: boxes with a class as a condition: Li et al., "GLIGEN" (2023); a box a frame: Lian
    et al., "LLM-grounded video diffusion models" (2024).
    """

    boxes: Any
    mask: Any
    kind: Any

    @classmethod
    def of(cls, boxes: Any, mask: Any, kind: Any) -> Layout:
        """A layout whose masked boxes, and kinds without a box, are zero."""
        boxes, mask, kind = jnp.asarray(boxes), jnp.asarray(mask, bool), jnp.asarray(kind)
        return cls(
            boxes=jnp.where(mask[..., None], boxes, 0.0),
            mask=mask,
            kind=jnp.where(mask.any(axis=1)[..., None], kind, 0.0),
        )

    def keep(self, rows: Bool[Array, "B"] | bool) -> Layout:
        """The layout with that of some clips masked away; a bool speaks for all."""
        keep = jnp.broadcast_to(jnp.asarray(rows), (len(self.mask),))
        return Layout.of(self.boxes, self.mask & keep[:, None, None], self.kind)

    def steps(self, frames: int) -> Layout:
        """The layout of steps of so many frames each, but for the first, which is the first frame
        alone, as causal tokenizers have it: the mean of the boxes that are said.
        """
        B, T, objects, _ = self.boxes.shape
        after = -(T - 1) % frames
        pad = lambda x: jnp.pad(x, [(0, 0), (frames - 1, after)] + [(0, 0)] * (x.ndim - 2))  # noqa: E731
        boxes = pad(self.boxes).reshape(B, -1, frames, objects, 4)
        mask = pad(self.mask).reshape(B, -1, frames, objects)
        count = jnp.maximum(mask.sum(axis=2, dtype=jnp.float32), 1.0)[..., None]
        return Layout.of(boxes.sum(axis=2) / count, mask.any(axis=2), self.kind)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Condition:
    """What a generator is told, on the device.

    A missing condition is a mask of False with zeroed features, so that guidance, text only,
    image only, both and neither are one code path. Build one with `Condition.of`, which is the one
    place that zeroes masked features. `layout` is None where nobody is told one.
    """

    text: Float[Array, "B L D"]
    text_mask: Bool[Array, "B L"]
    context: Float[Array, "B K H W C"]
    context_mask: Bool[Array, "B K"]
    layout: Layout | None = None

    @classmethod
    def of(
        cls,
        text: Any,
        text_mask: Any,
        context: Any,
        context_mask: Any,
        layout: Layout | None = None,
    ) -> Condition:
        """A condition whose masked features are zero. Shapes as in the attributes."""
        text, context = jnp.asarray(text), jnp.asarray(context)
        text_mask, context_mask = jnp.asarray(text_mask, bool), jnp.asarray(context_mask, bool)
        return cls(
            text=jnp.where(text_mask[..., None], text, 0.0),
            text_mask=text_mask,
            context=jnp.where(context_mask[..., None, None, None], context, 0.0),
            context_mask=context_mask,
            layout=layout and Layout.of(layout.boxes, layout.mask, layout.kind),
        )

    @property
    def batch_size(self) -> int:
        """B."""
        return self.text.shape[0]

    def beside(self, other: Condition) -> Condition:
        """The rows of both, one after another."""
        return jax.tree.map(lambda *rows: jnp.concatenate(rows), self, other)

    def keep(
        self,
        *,
        text: Bool[Array, "B"] | bool = True,
        context: Bool[Array, "B"] | bool = True,
        layout: Bool[Array, "B"] | bool = True,
    ) -> Condition:
        """The condition with the text, context or layout of some clips masked away.

        Args:
            text: True where a clip keeps its text; a bool speaks for all.
            context: True where a clip keeps its context; a bool speaks for all.
            layout: True where a clip keeps its layout; a bool speaks for all.
        """

        def rows(keep: Bool[Array, "B"] | bool) -> Bool[Array, "B 1"]:
            return jnp.broadcast_to(jnp.asarray(keep), (self.batch_size,))[:, None]

        return Condition.of(
            self.text,
            self.text_mask & rows(text),
            self.context,
            self.context_mask & rows(context),
            self.layout and self.layout.keep(layout),
        )

    def drop(self, key: Any, *, text: float = 0.0, both: float = 0.0) -> Condition:
        """Drop conditions at random, a clip at a time, as classifier-free guidance needs.

        Args:
            key: a PRNG key.
            text: probability of losing the text alone.
            both: probability of losing text, context and layout.

        References: Ho & Salimans, "Classifier-free diffusion guidance" (2022).
        """
        lot = jax.random.uniform(key, (self.batch_size,))
        return self.keep(text=lot >= text + both, context=lot >= both, layout=lot >= both)

    def unconditional(self) -> Condition:
        """The same clips asked for nothing at all."""
        return self.keep(text=False, context=False, layout=False)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Images:
    """Single frames of other clips beside each clip of a batch, each with its own caption.

    A generator that trains on them as on clips of one frame sees many more scenes a step, which
    lowers the variance of its gradient; one that ignores them is not disturbed.

    Attributes:
        pixels: [B k H W C], uint8 on the host and float32 in [-1, 1] on the device.
        text: float32 [B k L D], zero where the mask is False.
        text_mask: bool [B k L].

    References: Ho et al., "Video diffusion models" (2022), section 3 and table 4.
    """

    pixels: Any
    text: Any
    text_mask: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Batch:
    """What a training step eats.

    Attributes:
        video: float32 [B T H W C] in [-1, 1].
        condition: what is told of each clip.
        images: single frames beside each clip where the task asks for them, otherwise None.
    """

    video: Video
    condition: Condition
    images: Images | None = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class HostBatch:
    """A batch as it leaves the pipeline: numpy, uint8 pixels, a quarter of the bytes to move.

    Attributes:
        video: uint8 [B T H W C].
        text: float32 [B L D].
        text_mask: bool [B L].
        context_mask: bool [B K]; the context itself is the first K frames of `video`.
        images: single frames beside each clip where the task asks for them, otherwise None.
        layout: where the task has layouts, otherwise None.
    """

    video: Any
    text: Any
    text_mask: Any
    context_mask: Any
    images: Images | None = None
    layout: Layout | None = None

    def to_batch(self) -> Batch:
        """The batch as generators see it. Traceable: the harness calls it inside jit."""
        video = to_float(jnp.asarray(self.video))
        context = video[:, : self.context_mask.shape[1]]
        images = self.images
        if images is not None:
            pixels = to_float(jnp.asarray(images.pixels))
            images = dataclasses.replace(images, pixels=pixels)
        return Batch(
            video=video,
            condition=Condition.of(
                self.text, self.text_mask, context, self.context_mask, self.layout
            ),
            images=images,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """A number with its interval, or the reason why there is none.

    A number that could not be computed has ``value`` None and says why in ``note``; it is never 0
    and never a stand-in under the same name.

    Attributes:
        value: the estimate.
        low: lower end of the 95% interval.
        high: upper end of the 95% interval.
        n: how many clips (or replicates) it rests on.
        better: which way is good.
        per_clip: float [N], where the metric is a mean over clips.
        note: method of the interval, or why there is no value.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    better: Better = "higher"
    per_clip: np.ndarray | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.value is None and not self.note:
            raise ValueError("a Score without a value must say why in its note")
        if self.value is not None and not np.isfinite(self.value):
            raise ValueError(f"a Score must be finite or None, got {self.value}")

    def interval(self, digits: int) -> list[float]:
        """The estimate, then the ends of its interval, rounded.

        Raises:
            ValueError: where one of them is missing.
        """
        ends = (self.value, self.low, self.high)
        if any(end is None for end in ends):
            raise ValueError(f"a Score without an interval: {ends}, {self.note}")
        return [round(end, digits) for end in ends if end is not None]

    def to_json(self) -> dict[str, Any]:
        """The estimate, its interval and what they rest on; without what is known of each clip."""
        return {name: getattr(self, name) for name in ("value", "low", "high", "n", "note")}

    @classmethod
    def missing(cls, why: str, *, better: Better = "higher") -> Score:
        """A score that could not be computed, and why."""
        return cls(value=None, better=better, note=why)


def to_float(video: UInt8[Array, "..."]) -> Float[Array, "..."]:
    """uint8 pixels to float32 in [-1, 1]."""
    return video.astype(jnp.float32) / 127.5 - 1.0


def to_pixels(video: Any) -> np.ndarray:
    """Floats in [-1, 1] (values outside are clipped) to uint8 pixels on the host.

    Raises:
        ValueError: if any value is not finite, since a NaN would become an honest-looking pixel.
    """
    video = np.asarray(video, np.float32)
    if not np.isfinite(video).all():
        raise ValueError("a video with NaN or Inf cannot be turned into pixels")
    return np.rint((np.clip(video, -1.0, 1.0) + 1.0) * 127.5).astype(np.uint8)


Metrics = Mapping[str, Any]
"""Scalars that a training step reports, by name. ``loss`` is always among them."""

Captions = Sequence[str]
