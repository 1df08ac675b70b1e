"""How a detector learns a source's objects from its training clips; see `network`."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jaxtyping import Bool, Float, Int, UInt8

from vidgen import bucket, nn
from vidgen.contract import stream
from vidgen.data import Source
from vidgen.evaluation.detection.augmentation import augmented
from vidgen.evaluation.detection.network import (
    DetectorCard,
    DetectorConfig,
    DetectorNetwork,
    detector_modules,
)
from vidgen.evaluation.detection.precision import average_precision, best_level
from vidgen.evaluation.features.feature import UnsuitableClipsError
from vidgen.evaluation.features.learning import RUN_OFTEN, Progress, learn
from vidgen.types import Clip, to_float
from vidgen.vision.detection import Objects

_FRAMES_OF_A_CLIP = 2
"""That are learned from: the next frame is nearly the same."""

_HELD_OUT = 256
_LEVEL_FRAMES = 512
_MOST_BYTES = 2**28


@dataclasses.dataclass(frozen=True, kw_only=True)
class KnownFrames:
    """Frames of real clips, and what is in them.

    Attributes:
        video: uint8 [N T H W C].
        boxes: float32 [N T O 4], zeros where there is no object.
        classes: int32 [N T O].
        masks: bool [N T O H W].
        there: bool [N T O].
        names: of the classes.
    """

    video: UInt8[np.ndarray, "N T H W C"]
    boxes: Float[np.ndarray, "N T O 4"]
    classes: Int[np.ndarray, "N T O"]
    masks: Bool[np.ndarray, "N T O H W"]
    there: Bool[np.ndarray, "N T O"]
    names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        source: Source,
        most: int,
        seed: int,
        *,
        frames: int | None = None,
        names: tuple[str, ...] | None = None,
    ) -> KnownFrames:
        """Clips of a source with their truth, without replacement, and no more than memory should
        hold.

        Args:
            source: of the clips.
            most: clips at the most.
            seed: of the draw.
            frames: of each clip, drawn as well; None for all.
            names: of the classes; by default what is met and of what there are exemplars, sorted.

        Raises:
            UnsuitableClipsError: if clips have no truth of boxes and masks, or another class.
        """
        size = source.frames * source.height * source.width * (source.channels + 1)
        count = max(1, min(len(source), most, _MOST_BYTES // size))
        rng = np.random.default_rng([seed, 5])
        clips = [source[int(row)] for row in rng.permutation(len(source))[:count]]
        known = [_known(clip, source) for clip in clips]
        met = {name for clip in clips for name in _identity(clip)}
        if names is None:
            exemplars = source.exemplars()
            names = tuple(sorted(met if exemplars is None else met | set(exemplars[1])))
        if strange := sorted(met - set(names)):
            raise UnsuitableClipsError(
                f"{source.name}/{source.split} shows {', '.join(strange)}, which training did not"
            )
        objects = max(boxes.shape[1] for boxes, _ in known)
        length = source.frames
        moments = np.broadcast_to(np.arange(length), (count, length))
        if frames is not None and frames < length:
            moments = np.stack([rng.permutation(length)[:frames] for _ in clips])
        shape = (count, moments.shape[1], objects)
        video = np.stack([clip.video[at] for clip, at in zip(clips, moments, strict=True)])
        boxes, masks = (
            np.zeros((*shape, 4), np.float32),
            np.zeros((*shape, *video.shape[2:4]), bool),
        )
        classes, there = np.zeros(shape, np.int32), np.zeros(shape, bool)
        for row, (clip, at, (box, mask)) in enumerate(zip(clips, moments, known, strict=True)):
            of = slice(box.shape[1])
            boxes[row, :, of], masks[row, :, of] = box[at], mask[at]
            there[row, :, of] = True
            classes[row, :, of] = [names.index(name) for name in _identity(clip)]
        return cls(video=video, boxes=boxes, classes=classes, masks=masks, there=there, names=names)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """A row a frame: video, boxes, classes, masks, there; with one place for an object more."""
        more = ((0, 0), (0, 0), (0, 1))
        parts = (
            self.video,
            np.pad(self.boxes, (*more, (0, 0))),
            np.pad(self.classes, more),
            np.pad(self.masks, (*more, (0, 0), (0, 0))),
            np.pad(self.there, more),
        )
        return tuple(part.reshape(-1, *part.shape[2:]) for part in parts)


def train_detector(
    train: Source,
    *,
    config: DetectorConfig | None = None,
    validation: Source | None = None,
    seed: int = 0,
    path: epath.PathLike | None = None,
    progress: Progress | None = None,
) -> DetectorNetwork:
    """A detector: from its file if it lies there, else trained now and saved.

    Args:
        train: what it learns from: a source whose truth has boxes and masks.
        config: how.
        validation: what its level is chosen and its average precision is measured on; None measures
            none, and chooses it on the training split.
        seed: see `DetectorCard`; the same detector for the same source, config and seed on one kind
            of device.
        path: the file; None neither reads nor saves one.
        progress: told of steps done and of all steps, after each.

    Raises:
        UnsuitableClipsError: if the clips have no truth of boxes and masks.
        ValueError: if the file is damaged, or holds a detector that was trained otherwise.
    """
    config = config or DetectorConfig()
    path = None if path is None else bucket.anywhere(path)
    if path is not None and path.exists():
        network = DetectorNetwork.load(path)
        card = network.card
        if (card.config, card.seed, card.fingerprint) != (config, seed, train.fingerprint):
            raise ValueError(
                f"{path} holds a detector that was trained otherwise (another source, "
                "configuration or seed): remove that file, and judge again what was judged by it"
            )
        return network
    network = _trained(train, validation, config, seed, progress)
    if validation is not None:
        # Nobody needs it to judge.
        with contextlib.suppress(ImportError):
            known = KnownFrames.of(
                validation, min(_HELD_OUT, config.clips), seed, names=network.card.classes
            )
            found = average_precision(network(known.video), known)
            card = dataclasses.replace(network.card, precision=found)
            network = DetectorNetwork(card, network.weights)
    if path is not None:
        network.save(path)
    return network


def _trained(
    train: Source,
    validation: Source | None,
    config: DetectorConfig,
    seed: int,
    progress: Progress | None,
) -> DetectorNetwork:
    known = KnownFrames.of(train, config.clips, seed, frames=_FRAMES_OF_A_CLIP)
    card = DetectorCard(
        shape=(train.height, train.width, train.channels),
        config=config,
        seed=seed,
        source=f"{train.name}/{train.split}",
        fingerprint=train.fingerprint,
        classes=known.names,
        level=0.5,
        precision={},
    )
    init, step, spoil = _programs(config, card.shape, len(card.classes))
    weights = init(stream(seed, "detection", "init"))
    state = config.optimizer.init(weights), stream(seed, "detection", "augmentation")
    arrays = known.arrays
    weights = learn(
        step,
        weights,
        state,
        arrays,
        steps=config.steps,
        batch_size=config.batch_size,
        seed=seed,
        progress=progress,
    )
    host = {name: np.asarray(value) for name, value in weights.items()}
    # Spoiled as those that were learned from, since on clean frames nearly every level does.
    of = train if validation is None else validation
    some = KnownFrames.of(of, min(_LEVEL_FRAMES, config.clips), seed, frames=1, names=card.classes)
    frames, spoiled = spoil(stream(seed, "detection", "level"), *some.arrays)
    seen = DetectorNetwork(card, host)(np.asarray(frames)[:, None])
    level = best_level(
        seen, np.asarray(spoiled.boxes), np.asarray(spoiled.classes), np.asarray(spoiled.there)
    )
    return DetectorNetwork(dataclasses.replace(card, level=level), host)


@functools.cache
def _programs(
    config: DetectorConfig, shape: tuple[int, int, int], classes: int
) -> tuple[Callable[..., nn.Weights], Callable[..., tuple[nn.Weights, Any]], Callable[..., Any]]:
    """From a key to fresh weights; one step; and frames spoiled as a step does, in uint8 again."""
    network = detector_modules(config.kind, shape, classes, config.width, config.most)

    def step(
        weights: nn.Weights,
        state: Any,
        video: Any,
        boxes: Any,
        classes: Any,
        masks: Any,
        there: Any,
        spent: Any,
    ) -> tuple[nn.Weights, Any]:
        opt_state, key = state
        key, now = jax.random.split(key)
        known = Objects(boxes=boxes, classes=classes, masks=masks, there=there)
        frames, known = augmented(to_float(video), known, now)

        def loss_of(weights: nn.Weights) -> Any:
            return sum(network.bind(weights).loss(frames, known).values())

        grads = jax.grad(loss_of)(weights)
        weights, opt_state, _ = config.optimizer.update(grads, opt_state, weights, spent)
        return weights, (opt_state, key)

    def spoil(
        key: Any, video: Any, boxes: Any, classes: Any, masks: Any, there: Any
    ) -> tuple[Any, Objects]:
        known = Objects(boxes=boxes, classes=classes, masks=masks, there=there)
        frames, known = augmented(to_float(video), known, key)
        return jnp.rint((frames + 1.0) * 127.5).astype(jnp.uint8), known

    return (
        jax.jit(network.init, compiler_options=nn.RUN_ONCE),
        jax.jit(step, donate_argnums=(0, 1), compiler_options=RUN_OFTEN),
        jax.jit(spoil, compiler_options=nn.RUN_ONCE),
    )


def _identity(clip: Clip) -> tuple[str, ...]:
    return () if clip.truth is None else clip.truth.identity


def _known(clip: Clip, source: Source) -> tuple[np.ndarray, np.ndarray]:
    """float32 [T O 4] boxes and bool [T O H W] masks of a clip."""
    truth = clip.truth
    where = f"{source.name}/{source.split}"
    if truth is None:
        raise UnsuitableClipsError(f"{where}: clips without truth teach no detector")
    masks = truth.object_masks
    if masks is None and truth.boxes.shape[1] == 1:
        masks = truth.masks[:, None]
    fits = masks is not None and truth.boxes.shape[1] == len(truth.identity) > 0
    if masks is None or not fits or not np.isfinite(truth.boxes).all():
        raise UnsuitableClipsError(f"{where}: a detector needs the boxes and masks of its objects")
    return np.asarray(truth.boxes, np.float32), masks
