"""Changes of a clip that leave its sentence true: the same for all of its frames."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import UInt8

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
        if self.flip and rng.random() < 0.5 and (SIDED | LETTERED).isdisjoint(words(caption)):
            video = video[:, :, ::-1]
        if self.crop < 1.0:
            share = rng.uniform(self.crop, 1.0)
            top, left = rng.uniform(0.0, 1.0 - share, 2)
            video = _window(video, top, left, share)
        return np.ascontiguousarray(video)


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
