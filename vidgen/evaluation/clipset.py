"""ClipSet: clips on disk together with the prompts, keys and truth they answer.

Every metric eats ClipSets, so every table can be recomputed from a run folder with no model in
sight. A file is a plain ``npz`` that holds no pickles: arrays, and one JSON header with the schema
version, the strings and a digest of everything else.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any

import numpy as np
from etils import epath

from vidgen import bucket
from vidgen.evaluation.arrays import arrays_digest, parse_arrays, pixel_digest, write_arrays
from vidgen.types import SCHEMA_VERSION, Clip, Episode, Truth

_ARRAYS = ("video", "context_mask", "keys", "failed", "index")
_TRUTH_ARRAYS = ("boxes", "masks", "object_masks", "camera")
_EPISODE_ARRAYS = ("seed", "grid", "agent", "actions", "fulfilled")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TruthSet:
    """What a simulated source knows about N clips.

    Attributes:
        identity: N tuples, what each object of a clip is.
        motion: N tuples, how each object of a clip moves.
        boxes: float32 [N T O 4], (top, left, bottom, right) in pixels; NaN where a clip has fewer
            than O objects.
        masks: bool [N T H W], where any object is; None where nobody kept them.
        object_masks: bool [N T O H W], where each object is, see `vidgen.types.Truth`; False where
            a clip has fewer than O objects. None where nobody kept them, and where each clip has
            one object, whose mask `masks` is.
        camera: float64 [N T 2 3], see `vidgen.types.Truth`; None for a camera that stands.
        episodes: N of them, in a grid world; None elsewhere.
    """

    identity: tuple[tuple[str, ...], ...]
    motion: tuple[tuple[str, ...], ...]
    boxes: np.ndarray
    masks: np.ndarray | None = None
    object_masks: np.ndarray | None = None
    camera: np.ndarray | None = None
    episodes: tuple[Episode, ...] | None = None

    def __post_init__(self) -> None:
        n = len(self.identity)
        if len(self.motion) != n:
            raise ValueError(f"TruthSet has {n} identities, but {len(self.motion)} motions")
        _expect("boxes", self.boxes, np.float32, (n, None, None, 4))
        if self.masks is not None:
            _expect("masks", self.masks, np.bool_, (n, self.boxes.shape[1], None, None))
        if self.object_masks is not None:
            objects = self.boxes.shape[1:3]
            _expect("object_masks", self.object_masks, np.bool_, (n, *objects, None, None))
        if self.camera is not None:
            _expect("camera", self.camera, np.float64, (n, self.boxes.shape[1], 2, 3))
        if self.episodes is not None and len(self.episodes) != n:
            raise ValueError(f"TruthSet has {n} identities, but {len(self.episodes)} episodes")

    @classmethod
    def of(cls, truths: list[Truth]) -> TruthSet:
        """The truths of N clips of one shape; what only some of them know is left out."""
        most = max(t.boxes.shape[1] for t in truths)
        boxes = [
            np.pad(
                np.asarray(t.boxes, np.float32),
                ((0, 0), (0, most - t.boxes.shape[1]), (0, 0)),
                constant_values=np.nan,
            )
            for t in truths
        ]
        objects = [t.object_masks for t in truths if t.object_masks is not None]
        cameras = [t.camera for t in truths if t.camera is not None]
        episodes = [t.episode for t in truths if t.episode is not None]
        return cls(
            identity=tuple(t.identity for t in truths),
            motion=tuple(t.motion for t in truths),
            boxes=np.stack(boxes),
            masks=np.stack([t.masks for t in truths]),
            # Of one object they would say again what `masks` says, which old digests rest on.
            object_masks=np.stack([_padded(masks, most) for masks in objects])
            if most > 1 and len(objects) == len(truths)
            else None,
            camera=np.stack(cameras) if len(cameras) == len(truths) else None,
            episodes=tuple(episodes) if len(episodes) == len(truths) else None,
        )

    def take(self, rows: np.ndarray) -> TruthSet:
        """The truth of some clips, in the order of `rows` (int [M])."""
        return TruthSet(
            identity=tuple(self.identity[i] for i in rows),
            motion=tuple(self.motion[i] for i in rows),
            boxes=self.boxes[rows],
            masks=None if self.masks is None else self.masks[rows],
            object_masks=None if self.object_masks is None else self.object_masks[rows],
            camera=None if self.camera is None else self.camera[rows],
            episodes=None if self.episodes is None else tuple(self.episodes[i] for i in rows),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipSet:
    """N clips of one shape, and what they answer.

    A set of *real* clips doubles as the list of prompts: its captions, its first frames (where
    `context_mask` says that they are given) and its keys are what a generator is asked, and its
    truth is what the answer is judged against. An answer carries the same prompts and truth with
    other pixels.

    Attributes:
        video: uint8 [N T H W C].
        captions: N sentences.
        context_frames: K, how many first frames are given where any are.
        context_mask: bool [N], whether the first K frames of a clip are given.
        keys: uint32 [N], a seed a clip, so that a clip does not depend on its batch-mates.
        truth: what a simulated source knows, or None.
        failed: bool [N], clips that a generator could not draw (a NaN among its pixels). Their
            pixels are mid-grey, every oracle counts them as wrong, and notes name their number.
        index: int64 [N], where the prompt's real clip stands in its source; -1 where it has none.
        source: name and split of the source, e.g. ``"digits/test"``.
        fps: frames a second, for playing only.

    Raises:
        ValueError: if a shape or dtype is not the one above.
    """

    video: np.ndarray
    captions: tuple[str, ...]
    context_frames: int
    context_mask: np.ndarray
    keys: np.ndarray
    truth: TruthSet | None = None
    failed: np.ndarray = dataclasses.field(default=None)  # type: ignore[assignment]
    index: np.ndarray = dataclasses.field(default=None)  # type: ignore[assignment]
    source: str = ""
    fps: int = 8

    def __post_init__(self) -> None:
        n = len(self.captions)
        if self.failed is None:
            object.__setattr__(self, "failed", np.zeros(n, np.bool_))
        if self.index is None:
            object.__setattr__(self, "index", np.full(n, -1, np.int64))
        _expect("video", self.video, np.uint8, (n, None, None, None, None))
        _expect("context_mask", self.context_mask, np.bool_, (n,))
        _expect("keys", self.keys, np.uint32, (n,))
        _expect("failed", self.failed, np.bool_, (n,))
        _expect("index", self.index, np.int64, (n,))
        frames, height, width = self.video.shape[1:4]
        if not 0 <= self.context_frames < frames:
            raise ValueError(
                f"ClipSet.context_frames must lie in [0, {frames}), got {self.context_frames}"
            )
        if self.context_frames == 0 and self.context_mask.any():
            raise ValueError("ClipSet.context_mask gives first frames, but context_frames is 0")
        if self.truth is not None:
            _expect("truth.boxes", self.truth.boxes, np.float32, (n, frames, None, 4))
            if self.truth.masks is not None:
                _expect("truth.masks", self.truth.masks, np.bool_, (n, frames, height, width))
            if self.truth.object_masks is not None:
                shape = (n, frames, None, height, width)
                _expect("truth.object_masks", self.truth.object_masks, np.bool_, shape)

    @classmethod
    def of(
        cls,
        clips: list[Clip],
        *,
        context_frames: int,
        context_mask: np.ndarray,
        keys: np.ndarray,
        **rest: Any,
    ) -> ClipSet:
        """Real clips with the prompts that are made of them.

        Args:
            clips: N clips of one shape; if all of them know their truth, so does the set.
            context_frames: K.
            context_mask: bool [N].
            keys: uint32 [N].
            **rest: further fields.
        """
        truths = [clip.truth for clip in clips if clip.truth is not None]
        truth = TruthSet.of(truths) if truths and len(truths) == len(clips) else None
        return cls(
            video=np.stack([clip.video for clip in clips]),
            captions=tuple(clip.caption for clip in clips),
            context_frames=context_frames,
            context_mask=context_mask,
            keys=keys,
            truth=truth,
            **rest,
        )

    def __len__(self) -> int:
        return len(self.captions)

    def __getitem__(self, rows: slice | np.ndarray) -> ClipSet:
        """Some of the clips: by slice, by bool [N] or by int [M]."""
        chosen = np.arange(len(self))[rows]
        if chosen.ndim != 1:
            raise TypeError("a ClipSet takes a slice or an array of rows; set[i : i + 1] is a clip")
        return self.replace(
            captions=tuple(self.captions[i] for i in chosen),
            truth=None if self.truth is None else self.truth.take(chosen),
            **{name: getattr(self, name)[chosen] for name in _ARRAYS},
        )

    def replace(self, **changes: Any) -> ClipSet:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    @property
    def given(self) -> np.ndarray:
        """bool [N T], the frames that the prompts give."""
        early = np.arange(self.video.shape[1]) < self.context_frames
        return self.context_mask[:, None] & early[None, :]

    @property
    def digest(self) -> str:
        """A hash of all that the set holds, to tell sets apart."""
        return _digest(_header(self), _arrays(self))

    @functools.cached_property
    def pixel_digest(self) -> str:
        """A hash of the pixels alone, to cache features by; taken once."""
        return pixel_digest(self.video)

    def save(self, path: epath.PathLike) -> None:
        """Write the set as ``npz``, whole or not at all.

        Args:
            path: a file, local or in a bucket. Its folder is made.
        """
        header = _header(self) | {"digest": self.digest}
        write_arrays(path, _arrays(self), header=header, compressed=True)

    @classmethod
    def load(cls, path: epath.PathLike) -> ClipSet:
        """Read a set that `save` wrote.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is damaged, holds pickles, or is of a newer schema; the message
                names the file.
        """
        content = bucket.anywhere(path).read_bytes()
        try:
            header, arrays = parse_arrays(content)
            if header["schema"] > SCHEMA_VERSION:
                raise ValueError(
                    f"schema {header['schema']} is newer than this vidgen reads "
                    f"({SCHEMA_VERSION}): update vidgen"
                )
            if header.pop("digest") != _digest(header, arrays):
                raise ValueError("its digest does not match what it holds")
            return _assemble(header, arrays)
        except Exception as error:  # zip, zlib, npy and JSON each fail in ways of their own
            raise ValueError(f"{path} is no readable ClipSet: {error}") from error


def _padded(masks: np.ndarray, objects: int) -> np.ndarray:
    """bool [T O H W] with as many objects as asked for."""
    return np.pad(masks, ((0, 0), (0, objects - masks.shape[1]), (0, 0), (0, 0)))


def _header(clips: ClipSet) -> dict[str, Any]:
    truth = clips.truth
    episodes = None if truth is None else truth.episodes
    # Only where there are some: the digests of sets without episodes stay what they were.
    levels = {} if episodes is None else {"levels": [episode.level for episode in episodes]}
    return levels | {
        "schema": SCHEMA_VERSION,
        "captions": list(clips.captions),
        "context_frames": clips.context_frames,
        "source": clips.source,
        "fps": clips.fps,
        "identity": None if truth is None else [list(words) for words in truth.identity],
        "motion": None if truth is None else [list(words) for words in truth.motion],
    }


def _arrays(clips: ClipSet) -> dict[str, np.ndarray]:
    arrays = {name: getattr(clips, name) for name in _ARRAYS}
    if clips.truth is not None:
        found = {name: getattr(clips.truth, name) for name in _TRUTH_ARRAYS}
        arrays |= {name: array for name, array in found.items() if array is not None}
        if clips.truth.episodes is not None:
            arrays |= {
                f"episode_{name}": np.stack([getattr(e, name) for e in clips.truth.episodes])
                for name in _EPISODE_ARRAYS
            }
    return arrays


def _assemble(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> ClipSet:
    truth = None
    if header["identity"] is not None:
        truth = TruthSet(
            identity=tuple(tuple(words) for words in header["identity"]),
            motion=tuple(tuple(words) for words in header["motion"]),
            episodes=_episodes(header["levels"], arrays) if "levels" in header else None,
            boxes=arrays["boxes"],
            masks=arrays.get("masks"),
            object_masks=arrays.get("object_masks"),
            camera=arrays.get("camera"),
        )
    return ClipSet(
        captions=tuple(header["captions"]),
        context_frames=header["context_frames"],
        source=header["source"],
        fps=header["fps"],
        truth=truth,
        **{name: arrays[name] for name in _ARRAYS},
    )


def _episodes(levels: list[str], arrays: dict[str, np.ndarray]) -> tuple[Episode, ...]:
    seeds, grids, agents, actions, fulfilled = (
        arrays[f"episode_{name}"] for name in _EPISODE_ARRAYS
    )
    return tuple(
        Episode(
            level=level,
            seed=int(seeds[i]),
            grid=grids[i],
            agent=agents[i],
            actions=actions[i],
            fulfilled=bool(fulfilled[i]),
        )
        for i, level in enumerate(levels)
    )


def _digest(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> str:
    return arrays_digest(arrays, header=json.dumps(header, sort_keys=True).encode())


def _expect(name: str, array: Any, dtype: Any, shape: tuple[int | None, ...]) -> None:
    fits = (
        isinstance(array, np.ndarray)
        and array.dtype == dtype
        and array.ndim == len(shape)
        and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    )
    if not fits:
        have = getattr(array, "dtype", type(array).__name__), getattr(array, "shape", None)
        want = "[" + " ".join("*" if side is None else str(side) for side in shape) + "]"
        raise ValueError(
            f"{name} must be a numpy array {np.dtype(dtype).name} {want}, got {have[0]} {have[1]}"
        )
