"""CLIPSIM: how well every frame fits the caption, by CLIP, whose weights users bring.

A Hugging Face folder of a whole CLIP, ViT-B/32 by custom, at ``clip`` in the directory of weights
(`brought.directory`): ``config.json``, ``model.safetensors`` and the files of its tokenizer. Frames
are resized so that the shorter side fits (bicubic) and cut to a square around the middle, as its
own processor does; a caption of more tokens than it has places is refused.

References: Wu et al., "GODIVA: generating open-domain videos from natural descriptions" (2021), for
the mean over frames; Radford et al. (2021), for CLIP.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from vidgen import nn
from vidgen.evaluation.features.brought import DIRECTORY_VARIABLE, directory
from vidgen.evaluation.features.feature import UnsuitableClipsError, check_pictures
from vidgen.pretrained import MissingWeightsError, read
from vidgen.pretrained.batches import Batched
from vidgen.text import Contextual
from vidgen.text.contextual import WEIGHTS, configuration
from vidgen.vision.clip import ClipImage, ClipVision

_MEAN = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of the pictures that CLIP learned from, in [0, 1]."""

_FRAMES_AT_ONCE = 8
_CLIPS_AT_ONCE = 16


class ClipFrames:
    """Clips and captions into one space; as a `FeatureNetwork` it makes of a clip the mean of the
    vectors of its frames, each of length 1, so that its product with a caption's is CLIPSIM.

    Args:
        folder: of a whole CLIP.

    Attributes:
        name: with a hash of the weights.
        width: of the vectors.

    Raises:
        MissingWeightsError: if a file is absent, or the package transformers.
        WrongWeightsError: if they are of another network.
    """

    def __init__(self, folder: Path) -> None:
        config = configuration(folder)
        sizes = ClipVision.of(config)
        longest = config["text_config"]["max_position_embeddings"]
        self._text = Contextual(folder, length=longest, kind="clip")
        self._side, self.width = sizes.side, sizes.projected
        self.name = f"clip-{sizes.width}x{sizes.depth}-{self._text.name[-8:]}"
        network = nn.Network(lambda rngs: ClipImage(sizes, rngs=rngs))
        self._run = Batched(
            lambda weights, pictures: network.bind(weights)(pictures), rows=_FRAMES_AT_ONCE
        )
        self._weights = self._run.place(sizes.read(read(folder / WEIGHTS)))

    def __call__(self, video: UInt8[np.ndarray, "N T H W C"]) -> Float[np.ndarray, "N D"]:
        """The mean vector of each clip's frames.

        Raises:
            UnsuitableClipsError: for channels other than 1 or 3.
        """
        check_pictures("CLIP", video)
        found = np.zeros((len(video), self.width), np.float32)
        for start in range(0, len(video), _CLIPS_AT_ONCE):
            some = video[start : start + _CLIPS_AT_ONCE]
            pictures = prepared(some.reshape(-1, *some.shape[2:]), self._side)
            vectors = self._run(self._weights, pictures)
            found[start : start + len(some)] = vectors.reshape(*some.shape[:2], -1).mean(axis=1)
        return found

    def text(self, captions: Sequence[str]) -> Float[np.ndarray, "N D"]:
        """Vectors of captions, of length 1.

        Raises:
            UnsuitableClipsError: for a caption of too many tokens.
        """
        try:
            return self._text.sentences(list(captions))
        except ValueError as reason:
            raise UnsuitableClipsError(f"CLIP cannot read a caption: {reason}") from reason


def prepared(frames: UInt8[np.ndarray, "M H W C"], side: int) -> Float[np.ndarray, "M S S 3"]:
    """Frames as CLIP looks at them: squares of `side` pixels, standardised."""
    made = np.empty((len(frames), side, side, 3), np.float32)
    for n, frame in enumerate(frames):
        rgb = Image.fromarray(np.broadcast_to(frame, (*frame.shape[:2], 3)).copy())
        scale = side / min(rgb.size)
        width, height = (int(scale * size) for size in rgb.size)
        large = np.asarray(
            rgb.resize((max(width, side), max(height, side)), Image.Resampling.BICUBIC)
        )
        top, left = ((size - side) // 2 for size in large.shape[:2])
        made[n] = large[top : top + side, left : left + side]
    return (made / 255 - np.array(_MEAN, np.float32)) / np.array(_DEVIATION, np.float32)


def find_clip() -> Path:
    """The folder where it belongs.

    Raises:
        MissingWeightsError: if there is none; the message is fit for a score's note.
    """
    folder = directory() / "clip"
    if not (folder / "config.json").is_file():
        raise MissingWeightsError(
            "not computed: CLIPSIM needs CLIP (ViT-B/32 by custom); put its Hugging Face folder, "
            f"config.json, {WEIGHTS} and tokenizer, at {folder} ({DIRECTORY_VARIABLE} names "
            "another directory)"
        )
    return folder


def load_clip() -> ClipFrames:
    """The network of the folder where it belongs, read once a process. Raises as `ClipFrames`."""
    return _loaded(find_clip())


@functools.cache
def _loaded(folder: Path) -> ClipFrames:
    return ClipFrames(folder)
