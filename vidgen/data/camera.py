"""Real photographs brought to move: a camera pans, tilts, zooms and rolls before them."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import operator
import os

import numpy as np
from jaxtyping import Float

from vidgen.data import camera_photographs
from vidgen.data.camera_motion import JITTER, RATES, SPEEDS, Script, camera_path, scripts, words_of
from vidgen.data.camera_photographs import Photograph
from vidgen.data.camera_render import picture, render
from vidgen.data.camera_texture import Texture
from vidgen.data.source import check_size
from vidgen.data.splits import LENGTHS, part_named
from vidgen.text import words
from vidgen.types import Clip, Truth

_RENDERING = 1
"""Part of the fingerprint: to be raised whenever the same options give other clips."""

_SHARES = {"hold": 0.1, "two-part": 0.3}
"""Of the clips; the rest are single moves."""

_WIDEST_TO_CLOSEST = 1.5
"""How much closer than the photograph allows a clip may begin."""

_PLACES = 16
"""Draws of a place, of which the first with texture enough is taken."""


def camera(
    split: str = "train",
    *,
    photographs: str | os.PathLike[str] = camera_photographs.SHIPPED,
    size: int | tuple[int, int] = 64,
    frames: int = 16,
    channels: int = 3,
    two_part: bool = True,
    clips: int | None = None,
    fps: int = 8,
    seed: int = 0,
) -> CameraMoves:
    """Clips such as "slowly zoom in", "pan to the left, fast" or "zoom in, then pan right".

    Args:
        split: "train", "validation" or "test"; no two share a photograph.
        photographs: "shipped", those of `vidgen.data.camera_photographs`, or a folder of pictures.
            A photograph too small for every move is left out.
        size: of a frame in pixels, a side or (height, width).
        frames: T.
        channels: 3, or 1 for grey.
        two_part: whether three clips of ten show two moves, one after the other.
        clips: length of the source; by default 65,536 for training and 4,096 for the rest.
        fps: frames a second; the words of speed mean the same a second, see
            `vidgen.data.camera_motion.RATES`.
        seed: of the sequence of clips; the parts of the photographs do not depend on it.

    Raises:
        ImportError: if scikit-image is not installed and its photographs are wanted.
        FileNotFoundError, CorruptFileError: if a photograph cannot be read.
        ValueError: for a compositional split, or if every photograph of the part is too small,
            with what to change.
    """
    part = part_named(split, "camera")
    height, width = (size, size) if isinstance(size, int) else size
    clips = LENGTHS[part] if clips is None else clips
    for name, value, least in (
        ("size", min(height, width), 8),
        ("frames", frames, 3),
        ("clips", clips, 1),
        ("fps", fps, 1),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    check_size(frames, height, width, 3)
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (RGB), got {channels}")
    return CameraMoves(
        split,
        camera_photographs.photographs(os.fspath(photographs))[part],
        shape=(frames, height, width, channels),
        two_part=two_part,
        clips=clips,
        fps=fps,
        seed=seed,
    )


class CameraMoves:
    """A virtual source: clip `i` is drawn from a hash of the source and `i`, and never stored.

    A clip has a photograph, a script and one of its sentences, a rate within the script's class of
    speed, and a first view: uniform in its place, and in the logarithm of its scale between the
    widest that keeps every view inside the photograph and two thirds of that. A view never shows
    less than one pixel of the photograph a pixel, so that nothing is invented. Of up to 16 first
    views the first is taken in which a move could be seen: see `camera_texture`.

    ``truth.identity`` is the photograph, ``truth.motion`` the name of the script, ``truth.camera``
    the map from every view to the photograph; there are no objects, so no boxes and empty masks.

    Args:
        split: its name.
        photographs: of its part.
        shape: (T, H, W, C).
        two_part: whether some clips show two moves.
        clips: the length of the source.
        fps: frames a second.
        seed: another seed is another sequence of clips of the same photographs.

    Raises:
        ValueError: if every photograph is too small.
    """

    name = "camera"
    physics = None

    def __init__(
        self,
        split: str,
        photographs: tuple[Photograph, ...],
        *,
        shape: tuple[int, int, int, int],
        two_part: bool,
        clips: int,
        fps: int,
        seed: int,
    ) -> None:
        self.split, self.fps = split, fps
        self.frames, self.height, self.width, self.channels = shape
        self._clips, self._seed = clips, seed
        self._scripts = scripts(two_part=two_part)
        self._kinds: dict[str, list[Script]] = {"hold": [], "single": [], "two-part": []}
        for script in self._scripts.values():
            self._kinds[("hold", "single", "two-part")[len(script.moves)]].append(script)
        least = self._least()
        self._photographs = tuple(
            photograph
            for photograph in photographs
            if all(
                have >= need
                for have, need in zip(picture(photograph, self.channels).shape, least, strict=False)
            )
        )
        if not self._photographs:
            raise ValueError(
                f"no photograph of the split {split!r} has the {least[0]}x{least[1]} pixels "
                f"that the moves of {self.frames} frames of {self.height}x{self.width} need: "
                "choose a smaller size, fewer frames or more frames a second"
            )
        self._textures = {
            photograph: Texture(picture(photograph, self.channels))
            for photograph in self._photographs
        }
        salt = hashlib.sha256(f"{self.name}/{split}/{seed}".encode()).digest()
        self._salt = int.from_bytes(salt[:8], "little")

    @functools.cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """Every word of the sentences and the full stop, sorted."""
        spoken = words_of(list(self._scripts.values()))
        return tuple(sorted({word for caption in spoken for word in words(caption)} | {"."}))

    @functools.cached_property
    def max_words(self) -> int:
        """The most words of a caption, a full stop included."""
        return 1 + max(len(words(caption)) for caption in words_of(list(self._scripts.values())))

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of options, sentences, speeds, and the files of the photographs."""
        options = [
            _RENDERING,
            self.name,
            self.split,
            [self.frames, self.height, self.width, self.channels],
            [self._clips, self.fps, self._seed],
            [dict(RATES), dict(SPEEDS), JITTER],
            {name: script.captions() for name, script in self._scripts.items()},
            [(photograph.name, photograph.digest) for photograph in self._photographs],
        ]
        return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()

    @property
    def photographs(self) -> tuple[str, ...]:
        """The names of the photographs that clips of this split show."""
        return tuple(photograph.name for photograph in self._photographs)

    def exemplars(self) -> None:
        """There are no objects."""
        return

    def __len__(self) -> int:
        return self._clips

    def __getitem__(self, index: int) -> Clip:
        """Clip number `index`.

        Raises:
            IndexError: outside [0, len).
        """
        index = operator.index(index)
        if not 0 <= index < self._clips:
            raise IndexError(f"clip {index} of {self._clips}")
        draws = _Draws(self._salt, index)
        script = self._script(draws)
        captions = script.captions()
        caption = captions[draws.below(len(captions))]
        photograph = self._photographs[draws.below(len(self._photographs))]
        steps = script.steps(
            frames=self.frames, fps=self.fps, jitter=JITTER * (2.0 * draws.uniform() - 1.0)
        )
        path = camera_path(steps, self.height, self.width)
        maps = self._placed(path, photograph, draws)
        video = render(
            photograph, maps, height=self.height, width=self.width, channels=self.channels
        )
        truth = Truth(
            identity=(photograph.name,),
            motion=(script.name,),
            boxes=np.zeros((self.frames, 0, 4), np.float32),
            masks=np.zeros(video.shape[:3], np.bool_),
            camera=maps,
        )
        return Clip(video=video, caption=caption, truth=truth)

    def _script(self, draws: _Draws) -> Script:
        lot, kind = draws.uniform(), "single"
        if lot < _SHARES["hold"]:
            kind = "hold"
        elif lot >= 1.0 - _SHARES["two-part"] and self._kinds["two-part"]:
            kind = "two-part"
        return self._kinds[kind][draws.below(len(self._kinds[kind]))]

    def _placed(
        self, path: Float[np.ndarray, "T 2 3"], photograph: Photograph, draws: _Draws
    ) -> Float[np.ndarray, "T 2 3"]:
        """The path before a photograph, from a first view with texture enough."""
        texture = self._textures[photograph]
        height, width = picture(photograph, self.channels).shape[:2]
        low, high = _bounds(path, self.height, self.width)
        widest = float(min(np.array([width, height]) / (high - low)))
        closest = max(1.0 / float(np.hypot(path[:, 0, 0], path[:, 1, 0]).min()), 1.0)
        closest = min(max(closest, widest / _WIDEST_TO_CLOSEST), widest)
        best, most = None, -1.0
        for _ in range(_PLACES):
            scale = closest * (widest / closest) ** draws.uniform()
            room = np.array([width, height]) - scale * (high - low)
            place = room.clip(min=0.0) * [draws.uniform(), draws.uniform()] - scale * low
            maps = scale * path
            maps[:, :, 2] += place
            seen = texture.least(maps[[0, len(maps) // 2, -1]], self.height, self.width)
            if seen > most:
                best, most = maps, seen
            if seen >= texture.ENOUGH:
                break
        assert best is not None
        return best

    def _least(self) -> tuple[int, int]:
        """Height and width in pixels of the smallest photograph that has room for every script."""
        needs = []
        for script in self._scripts.values():
            steps = script.steps(frames=self.frames, fps=self.fps, jitter=JITTER)
            path = camera_path(steps, self.height, self.width)
            low, high = _bounds(path, self.height, self.width)
            scale = 1.0 / min(1.0, float(np.hypot(path[:, 0, 0], path[:, 1, 0]).min()))
            needs.append(scale * (high - low))
        width, height = np.max(needs, axis=0).tolist()
        return math.ceil(height), math.ceil(width)


class _Draws:
    """Random numbers of one clip, from a bit stream that numpy promises never to change."""

    def __init__(self, salt: int, index: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([salt, index]))

    def uniform(self) -> float:
        """In [0, 1)."""
        return int(self._bits.random_raw() >> 11) * 2.0**-53

    def below(self, count: int) -> int:
        """A uniform integer in [0, count)."""
        return int(self._bits.random_raw()) * count >> 64


def _bounds(
    path: Float[np.ndarray, "T 2 3"], height: int, width: int
) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]]:
    """The least and the greatest (x, y) that any view of a path shows."""
    corners = np.array([[0.0, 0.0, 1.0], [width, 0, 1], [0, height, 1], [width, height, 1]])
    seen = path @ corners.T
    return seen.min(axis=(0, 2)), seen.max(axis=(0, 2))
