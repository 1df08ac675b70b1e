"""Differentiable augmentation of what the discriminators see: one draw a clip, for all its frames.

Few clips are soon known by heart, and a discriminator that knows them teaches nothing. Both players
see real and generated clips only after the same kind of change, so that the generator is not drawn
to making it. No change here makes a caption untrue: places move together, and nothing is mirrored.

References: Zhao et al., "Differentiable augmentation for data-efficient GAN training" (2020), whose
three changes these are, in its order and of its strengths.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vidgen.types import Layout

AugmentKind = Literal["colour", "translation", "cutout"]

AUGMENTS: tuple[AugmentKind, ...] = get_args(AugmentKind)
"""Every kind of change, in the order in which they are made."""

_SHIFT = 1 / 8
"""Furthest that pictures are moved, as a share of each side."""

_HOLE = 1 / 2
"""Sides of what is cut out, as a share of each side."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What is done to each of B clips, to every frame of it alike; None for what is not done.

    A clip, a frame of it and the frame that it was given go through the same rows, or what is seen
    would contradict what was told.

    Attributes:
        colour: what is added to a value, uniform in [-0.5, 0.5]; the factor on saturation, uniform
            in [0, 2]; the factor on contrast, uniform in [0.5, 1.5].
        shift: pixels that a picture is moved down and to the right, zeros coming in.
        hole: middle (row, column) of a rectangle of zeros.

    Zero is the grey in the middle of [-1, 1]. Contrast is about this grey, where the paper takes
    the mean of each picture, which is another one in every frame.
    """

    colour: Float[Array, "B 3"] | None
    shift: Int[Array, "B 2"] | None
    hole: Int[Array, "B 2"] | None

    @classmethod
    def draw(
        cls, kinds: tuple[AugmentKind, ...], key: jax.Array, count: int, height: int, width: int
    ) -> Augmentation:
        """Draws for `count` clips; kinds that are not named are not done.

        Args:
            kinds: some of `AUGMENTS`, or none.
            key: of all draws.
            count: B.
            height: of a frame, px.
            width: of a frame, px.
        """
        colour = shift = hole = None
        for_colour, for_shift, for_hole = jax.random.split(key, 3)
        sides = (height, width)
        if "colour" in kinds:
            least, most = jnp.asarray([[-0.5, 0.0, 0.5]]), jnp.asarray([[0.5, 2.0, 1.5]])
            colour = jax.random.uniform(for_colour, (count, 3), minval=least, maxval=most)
        if "translation" in kinds:
            reach = jnp.asarray([[round(side * _SHIFT) for side in sides]])
            shift = jax.random.randint(for_shift, (count, 2), -reach, reach + 1)
        if "cutout" in kinds:
            # An even hole has no middle pixel, and may then begin one place further on.
            most = jnp.asarray([[side - round(side * _HOLE) % 2 for side in sides]])
            hole = jax.random.randint(for_hole, (count, 2), 0, most + 1)
        return cls(colour=colour, shift=shift, hole=hole)

    def rows(self, index: Int[Array, "N"]) -> Augmentation:
        """The draws of some clips, of one more than once if its index is."""
        return jax.tree.map(lambda draws: draws[index], self)

    def __call__(self, pictures: Float[Array, "B *axes"]) -> Float[Array, "B *axes"]:
        """Change clips [B T H W C] or single frames [B H W C], a row by its own draws."""
        video = pictures if pictures.ndim == 5 else pictures[:, None]
        height, width = video.shape[2:4]
        if self.colour is not None:
            plus, saturation, contrast = jnp.split(
                self.colour[:, :, None, None, None, None], 3, axis=1
            )
            video = video + plus[:, 0]
            grey = video.mean(axis=-1, keepdims=True)
            video = (grey + (video - grey) * saturation[:, 0]) * contrast[:, 0]
        if self.shift is not None:
            video = jax.vmap(_moved)(video, self.shift)
        if self.hole is not None:
            tall = _within(height, self.hole[:, 0])[:, :, None]
            wide = _within(width, self.hole[:, 1])[:, None, :]
            video = jnp.where((tall & wide)[:, None, :, :, None], 0.0, video)
        return video.reshape(pictures.shape)

    def places(self, layout: Layout | None, height: int, width: int) -> Layout | None:
        """A layout moved as pictures of `height` x `width` pixels are."""
        if layout is None or self.shift is None:
            return layout
        moved = self.shift / jnp.asarray([[height, width]])
        boxes = layout.boxes + jnp.tile(moved, (1, 2))[:, None, None]
        return Layout.of(boxes, layout.mask, layout.kind)


def _moved(clip: Float[Array, "T H W C"], shift: Int[Array, "2"]) -> Float[Array, "T H W C"]:
    """A clip moved down and to the right, zeros coming in."""
    for axis, by in ((1, shift[0]), (2, shift[1])):
        size = clip.shape[axis]
        place = jnp.arange(size) - by
        # Places before the first would be counted from the last.
        place = jnp.where(place < 0, size, place)
        clip = jnp.take(clip, place, axis=axis, mode="fill", fill_value=0.0)
    return clip


def _within(size: int, middle: Int[Array, "B"]) -> Array:
    """bool [B S], which places of an axis lie in the hole; it may hang over the edge."""
    side = round(size * _HOLE)
    begin = middle - side // 2
    place = jnp.arange(size)[None]
    return (place >= begin[:, None]) & (place < begin[:, None] + side)
