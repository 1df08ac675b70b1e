"""A detector that learned a source's objects from real clips, frozen."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jaxtyping import Bool, Float, Int, UInt8

from vidgen import nn
from vidgen.evaluation.arrays import arrays_digest
from vidgen.evaluation.features.feature import UnsuitableClipsError
from vidgen.evaluation.features.learning import LearningConfig, read_network, write_network
from vidgen.optim import Optimizer, Schedule
from vidgen.pretrained.batches import Batched
from vidgen.types import to_float
from vidgen.vision.detection import (
    MASK_SIZE,
    DetectorKind,
    SingleStage,
    TwoStage,
    build_detector,
    overlap,
    paste,
)

FRAMES_AT_ONCE = 64
"""On each device."""

_MASKS_AT_ONCE = 512

_SAME = 0.6
"""Overlap above which two detections, whatever their classes, are one object."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorConfig(LearningConfig):
    """How a detector is built and trained. A batch is of single frames.

    Attributes:
        kind: ``single-stage`` (FCOS-style) or ``two-stage`` (Mask R-CNN).
        most: detections a frame.
    """

    kind: DetectorKind = "two-stage"
    most: int = 6
    steps: int = 800
    batch_size: int = 32
    clips: int = 4096
    optimizer: Optimizer = Optimizer(
        kind="muon", learning_rate=1e-2, adam_learning_rate=2e-3, schedule=Schedule(warmup=0.05)
    )

    @classmethod
    def tiny(cls) -> DetectorConfig:
        """The same in seconds, for tests: it learns next to nothing."""
        return cls(width=16, most=3, steps=2, batch_size=4, clips=8, optimizer=Optimizer())


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorCard:
    """Where a detector comes from.

    Attributes:
        shape: [H W C] of the frames that it looks at.
        config: how it was trained.
        seed: of its initial weights, of the order of frames and of their augmentation.
        source: name and split that it learned from.
        fingerprint: of the source.
        classes: names of what it tells apart.
        level: score from which a detection counts as seen: the best (F1) on frames of the
            validation split, or of the training split where that was not given, spoiled as those of
            training.
        precision: average precisions on clips of the validation split, see `average_precision`;
            empty where that was not given, or pycocotools is absent.
    """

    shape: tuple[int, int, int]
    config: DetectorConfig
    seed: int
    source: str
    fingerprint: str
    classes: tuple[str, ...]
    level: float
    precision: dict[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """What a detector saw in N clips of T frames: K detections a frame, the best first.

    Attributes:
        boxes: float32 [N T K 4], (top, left, bottom, right) in pixels.
        scores: float32 [N T K], in [0, 1]; 0 for a place that is not filled.
        classes: int64 [N T K].
        masks: float32 [N T K S S], share of each bin of the box that is the object's.
        level: score from which a detection counts as seen.
    """

    boxes: Float[np.ndarray, "N T K 4"]
    scores: Float[np.ndarray, "N T K"]
    classes: Int[np.ndarray, "N T K"]
    masks: Float[np.ndarray, "N T K S S"]
    level: float

    @functools.cached_property
    def counted(self) -> Bool[np.ndarray, "N T K"]:
        """Detections that are objects: seen, and not at the place of a better one."""
        seen = self.scores >= self.level
        a, b = self.boxes[..., :, None, :], self.boxes[..., None, :, :]
        alike = np.asarray(overlap(jnp.asarray(a), jnp.asarray(b))) > _SAME
        kept = np.zeros_like(seen)
        for k in range(seen.shape[-1]):
            kept[..., k] = seen[..., k] & ~(kept[..., :k] & alike[..., k, :k]).any(-1)
        return kept

    def first_of(self, wanted: Int[np.ndarray, "N O"]) -> Int[np.ndarray, "N T O"]:
        """The best counted detection of each wanted class in each frame, -1 where there is none."""
        right = self.classes[:, :, None, :] == wanted[:, None, :, None]
        right &= self.counted[:, :, None, :]
        return np.where(right.any(-1), right.argmax(-1), -1)

    def boxes_at(self, rows: Int[np.ndarray, "N T O"]) -> Float[np.ndarray, "N T O 4"]:
        """The boxes of detections; NaN where the row is -1."""
        boxes = np.take_along_axis(self.boxes, np.maximum(rows, 0)[..., None], axis=2)
        return np.where((rows >= 0)[..., None], boxes, np.float32(np.nan))

    def masks_at(
        self, rows: Int[np.ndarray, "N T O"], height: int, width: int
    ) -> Bool[np.ndarray, "N T O H W"]:
        """The masks of detections in their frames; False where the row is -1."""
        index = np.maximum(rows, 0)[..., None]
        boxes = np.take_along_axis(self.boxes, index, axis=2).reshape(-1, 4)
        masks = np.take_along_axis(self.masks, index[..., None], axis=2)
        found = in_frame(masks.reshape(-1, *masks.shape[-2:]), boxes, height, width)
        return found.reshape(*rows.shape, height, width) & (rows >= 0)[..., None, None]


class DetectorNetwork:
    """A detector, trained and frozen.

    Attributes:
        name: its kind and a hash of its weights.
        card: where it comes from.
    """

    def __init__(self, card: DetectorCard, weights: dict[str, np.ndarray]) -> None:
        self.card, self.weights = card, weights
        self.name = f"{card.config.kind}-{arrays_digest(weights)[:8]}"

    def __call__(self, video: UInt8[np.ndarray, "N T H W C"]) -> Seen:
        """What is seen, frame by frame; no frame knows of another.

        Raises:
            UnsuitableClipsError: for frames of another size, or other channels, or no pixels.
        """
        if video.dtype != np.uint8:
            raise UnsuitableClipsError(f"{self.name} looks at uint8 pixels, not at {video.dtype}")
        if video.shape[2:] != self.card.shape:
            raise UnsuitableClipsError(
                f"{self.name} learned from frames of {self.card.shape} (height, width, channels) "
                f"and cannot judge frames of {video.shape[2:]}"
            )
        n, frames = video.shape[:2]
        K = self.card.config.most
        rows = np.zeros((0, K, 6 + MASK_SIZE**2), np.float32)
        if video.size:
            rows = self._run(video.reshape(-1, *video.shape[2:]))
        K = rows.shape[1]
        rows = rows.reshape(n, frames, K, rows.shape[2])
        return Seen(
            boxes=rows[..., :4],
            scores=rows[..., 4],
            classes=rows[..., 5].astype(np.int64),
            masks=rows[..., 6:].reshape(n, frames, K, MASK_SIZE, MASK_SIZE),
            level=self.card.level,
        )

    def classes_of(self, identities: tuple[tuple[str, ...], ...]) -> Int[np.ndarray, "N O"]:
        """The classes of the objects of N clips; -1 where a clip has fewer than others.

        Raises:
            UnsuitableClipsError: for an identity that it has not learned.
        """
        strange = sorted({name for names in identities for name in names} - set(self.card.classes))
        if strange:
            raise UnsuitableClipsError(f"{self.name} has not learned {', '.join(strange)}")
        most = max((len(names) for names in identities), default=0)
        found = np.full((len(identities), most), -1, np.int64)
        for row, names in zip(found, identities, strict=True):
            row[: len(names)] = [self.card.classes.index(name) for name in names]
        return found

    @property
    def parameters(self) -> int:
        """Numbers that it learned."""
        return sum(array.size for array in self.weights.values())

    def save(self, path: epath.PathLike) -> None:
        """Write card and weights as ``npz``, whole or not at all."""
        write_network(path, self.name, self.card, self.weights)

    @classmethod
    def load(cls, path: epath.PathLike) -> DetectorNetwork:
        """Read what `save` wrote; raises as `learning.read_network`."""
        return read_network(
            path,
            "detector",
            lambda card, weights: cls(_decoded(card), weights),
            lambda network: network.name,
        )

    @functools.cached_property
    def _run(self) -> functools.partial[np.ndarray]:
        """Frames to rows of numbers."""
        card = self.card
        run = _batched(
            card.config.kind, card.shape, len(card.classes), card.config.width, card.config.most
        )
        return functools.partial(run, run.place(self.weights))


def in_frame(
    masks: Float[np.ndarray, "M S S"], boxes: Float[np.ndarray, "M 4"], height: int, width: int
) -> Bool[np.ndarray, "M H W"]:
    """Masks of boxes as pixels of their frames, a few at a time."""
    found = np.zeros((len(masks), height, width), np.bool_)
    for start in range(0, len(masks), _MASKS_AT_ONCE):
        part = slice(start, start + _MASKS_AT_ONCE)
        n = len(masks[part])
        rest = _MASKS_AT_ONCE - n
        padded = np.pad(masks[part], ((0, rest), (0, 0), (0, 0)))
        shares = _pasted(padded, np.pad(boxes[part], ((0, rest), (0, 0))), height, width)
        found[part] = np.asarray(shares)[:n] > 0.5
    return found


@functools.partial(jax.jit, static_argnums=(2, 3))
def _pasted(masks: Any, boxes: Any, height: int, width: int) -> Any:
    return paste(masks, boxes, height=height, width=width)


def detector_modules(
    kind: DetectorKind, shape: tuple[int, ...], classes: int, width: int, most: int
) -> nn.Network[SingleStage | TwoStage]:
    """The structure of a detector, without its weights."""
    return nn.Network(
        lambda rngs: build_detector(kind, shape, classes, width=width, most=most, rngs=rngs)
    )


@functools.cache
def _batched(
    kind: DetectorKind, shape: tuple[int, ...], classes: int, width: int, most: int
) -> Batched:
    """From weights and frames to detections, a row of numbers each: box, score, class and mask."""
    network = detector_modules(kind, shape, classes, width, most)

    def look(weights: nn.Weights, frames: Any) -> Any:
        found = network.bind(weights).detect(to_float(frames))
        parts = [
            found.boxes,
            found.scores[..., None],
            found.classes[..., None].astype(jnp.float32),
            found.masks.reshape(*found.scores.shape, -1),
        ]
        return jnp.concatenate(parts, axis=-1)

    return Batched(look, rows=FRAMES_AT_ONCE)


def _decoded(card: dict[str, Any]) -> DetectorCard:
    return DetectorCard(
        **{
            **card,
            "shape": tuple(card["shape"]),
            "classes": tuple(card["classes"]),
            "config": DetectorConfig.of(card["config"]),
        }
    )
