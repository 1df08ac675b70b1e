"""Changes of a clip that leave its sentence true: the same for all of its frames."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, UInt8

from vidgen.text import words

SIDED = frozenset(
    {
        *("left", "leftmost", "leftward", "leftwards"),
        *("right", "rightmost", "rightward", "rightwards"),
        *("clockwise", "counterclockwise", "anticlockwise"),
        *("lefthand", "righthand", "leftside", "rightside", "port", "starboard"),
        *("east", "west", "eastern", "western", "eastward", "westward", "eastbound", "westbound"),
        *("northeast", "northwest", "southeast", "southwest"),
    }
)
"""English words that a mirror makes untrue."""

LETTERED = frozenset(
    {
        *("digit", "digits", "number", "numbers", "numeral", "numerals"),
        *("letter", "letters", "word", "words", "text", "writing", "handwriting"),
        *("sign", "signs", "clock", "clocks"),
    }
)
"""English words for what is no longer itself in a mirror."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augment:
    """What is done to a training clip; by default nothing.

    Draws are made by the seed and the position of the clip in the stream, so that they depend
    neither on threads nor on shards and are afresh each epoch.

    Attributes:
        flip: mirror every second clip, left to right, unless its caption has a word of `SIDED` or
            `LETTERED`. Captions in another language than English, and letters in the pixels of
            which no caption speaks, are not seen: leave it off for such clips.
        crop: the smallest share of both sides that is kept. A window whose share is uniform in
            [crop, 1], anywhere in the frame, is enlarged to the frame; 1 changes nothing.

    Raises:
        ValueError: if `crop` lies outside (0, 1].
    """

    flip: bool = False
    crop: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.crop <= 1.0:
            raise ValueError(f"Augment.crop must lie in (0, 1], got {self.crop}")

    def __call__(
        self, video: UInt8[np.ndarray, "T H W C"], caption: str, rng: np.random.Generator
    ) -> UInt8[np.ndarray, "T H W C"]:
        """One clip changed; `rng` decides how."""
        return self.draw(caption, rng).video(video)

    def draw(self, caption: str, rng: np.random.Generator) -> Change:
        """What is done to one clip; `rng` decides."""
        flip = self.flip and rng.random() < 0.5
        flip = flip and (SIDED | LETTERED).isdisjoint(words(caption))
        if self.crop == 1.0:
            return Change(flip=flip)
        share = rng.uniform(self.crop, 1.0)
        top, left = rng.uniform(0.0, 1.0 - share, 2)
        return Change(flip=flip, window=(top, left, share))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """What is done to every frame of one clip.

    Attributes:
        flip: whether it is mirrored, before all else.
        window: (top, left, share) of the window that is enlarged to the frame, in shares of its
            sides; None for all of it.
    """

    flip: bool
    window: tuple[float, float, float] | None = None

    def video(self, video: UInt8[np.ndarray, "T H W C"]) -> UInt8[np.ndarray, "T H W C"]:
        """A clip changed so."""
        if self.flip:
            video = video[:, :, ::-1]
        if self.window is not None:
            video = _window(video, *self.window)
        return np.ascontiguousarray(video)

    def boxes(
        self, boxes: Float[np.ndarray, "T O 4"], height: int, width: int
    ) -> Float[np.ndarray, "T O 4"]:
        """Boxes of it, in pixels, changed likewise; NaN for those of which nothing is left."""
        top, left, bottom, right = np.moveaxis(boxes, -1, 0)
        if self.flip:
            left, right = width - right, width - left
        if self.window is not None:
            up, aside, share = self.window
            top, bottom = (y / share - up * height / share for y in (top, bottom))
            left, right = (x / share - aside * width / share for x in (left, right))
        inside = (bottom > 0) & (top < height) & (right > 0) & (left < width)
        changed = np.stack([top, left, bottom, right], axis=-1)
        return np.where(inside[..., None], changed, np.nan).astype(np.float32)


def _window(
    video: UInt8[np.ndarray, "T H W C"], top: float, left: float, share: float
) -> UInt8[np.ndarray, "T H W C"]:
    """A window of the frame, in shares of its sides, enlarged to the whole frame."""
    from PIL import Image

    height, width, channels = video.shape[1:]
    box = (left * width, top * height, (left + share) * width, (top + share) * height)

    def enlarged(frame: np.ndarray) -> np.ndarray:
        image = Image.fromarray(frame[..., 0] if channels == 1 else frame)
        return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box=box))

    frames = [enlarged(np.ascontiguousarray(frame)) for frame in video]
    return np.stack(frames).reshape(video.shape)
