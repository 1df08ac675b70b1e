"""In-domain features: a small network that learns the clips' own world, then is frozen.

It learns from real clips of the training split alone, before any generator is judged, to say who
moves how (or, where no truth is known, in which words). Its vector before that answer tells clips
of this world apart where a network of photographs would see ten look-alikes, and it takes clips of
any length. Two architectures and one that has learned nothing show how far a ranking depends on the
network.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Literal

import numpy as np
from etils import epath
from jaxtyping import Float, UInt8

from vidgen import nn
from vidgen.evaluation.arrays import arrays_digest
from vidgen.evaluation.features.feature import UnsuitableClipsError
from vidgen.evaluation.features.learning import LearningConfig, read_network, write_network
from vidgen.evaluation.features.targets import Targets
from vidgen.optim import Optimizer
from vidgen.pretrained.batches import Batched
from vidgen.types import to_float
from vidgen.vision import Architecture, FrameByFrame, ResNet, recogniser

Kind = Architecture | Literal["random"]
"""An architecture, or "random": the first one as it was before it learned anything."""

KINDS: tuple[Kind, ...] = ("resnet3d", "resnet2plus1d", "random")
"""Those that judge, the primary one first. `experiments/judges.py` holds all architectures against
one another."""

_CLIPS_AT_ONCE = 64
"""On each device."""

_STATISTICS = ("mean", "deviation")
"""Of each feature over the training clips; stored beside the weights."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class InDomainConfig(LearningConfig):
    """How an in-domain network is built and trained."""

    @classmethod
    def tiny(cls) -> InDomainConfig:
        """The same in a second, for tests: it learns next to nothing."""
        return cls(width=8, steps=2, batch_size=8, clips=64, optimizer=Optimizer())


@dataclasses.dataclass(frozen=True, kw_only=True)
class InDomainCard:
    """Where an in-domain network comes from.

    Attributes:
        kind: what it is.
        shape: [H W C] of the frames that it can judge.
        config: how it was trained.
        seed: of its initial weights and of the order of clips.
        source: name and split that it learned from, and the fingerprint of that.
        fingerprint: of the source.
        targets: what it can say.
        accuracy: share of validation clips of which it says the right thing, by question; empty
            where no validation split was given.
    """

    kind: Kind
    shape: tuple[int, int, int]
    config: InDomainConfig
    seed: int
    source: str
    fingerprint: str
    targets: Targets
    accuracy: dict[str, float]


class InDomainNetwork:
    """A `FeatureNetwork` that learned from real clips of the training split, frozen.

    Attributes:
        name: its kind and a hash of its weights.
        width: D.
        card: where it comes from.
    """

    def __init__(self, card: InDomainCard, weights: dict[str, np.ndarray]) -> None:
        self.card, self.weights = card, weights
        self.width = card.config.width
        self.name = f"{card.kind}-{arrays_digest(weights)[:8]}"

    def __call__(self, video: UInt8[np.ndarray, "N T H W C"]) -> Float[np.ndarray, "N D"]:
        """Standardised features: over the training clips each number has mean 0 and deviation 1.

        Raises:
            UnsuitableClipsError: for frames of another size, or other channels.
        """
        if video.shape[2:] != self.card.shape:
            raise UnsuitableClipsError(
                f"{self.name} learned from frames of {_by(self.card.shape)} (height, width, "
                f"channels) and cannot judge frames of {_by(video.shape[2:])}"
            )
        if not len(video):
            return np.zeros((0, self.width), np.float32)
        features = self._run(video)
        return (features - self.weights["mean"][None, :]) / self.weights["deviation"][None, :]

    def probabilities(self, features: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N K"]:
        """What it says of clips: for each question of the card's targets a distribution."""
        raw = features * self.weights["deviation"][None, :] + self.weights["mean"][None, :]
        logits = raw @ self.weights["head.kernel"] + self.weights["head.bias"][None, :]
        parts = [_softmax(logits[:, part]) for part in self.card.targets.parts]
        return np.concatenate(parts, axis=1)

    def save(self, path: epath.PathLike) -> None:
        """Write card and weights as ``npz``, whole or not at all."""
        write_network(path, self.name, self.card, self.weights)

    @classmethod
    def load(cls, path: epath.PathLike) -> InDomainNetwork:
        """Read a network that `save` wrote; raises as `learning.read_network`."""
        return read_network(
            path,
            "in-domain network",
            lambda card, weights: cls(_decoded(card), weights),
            lambda network: network.name,
        )

    @functools.cached_property
    def _run(self) -> functools.partial[np.ndarray]:
        """Clips to raw features."""
        card = self.card
        run = _batched(architecture(card.kind), card.shape, self.width, card.targets.width)
        learned = {name: w for name, w in self.weights.items() if name not in _STATISTICS}
        return functools.partial(run, run.place(learned))


def architecture(kind: Kind) -> Architecture:
    """What a network of a kind is built as."""
    return "resnet3d" if kind == "random" else kind


def in_domain_modules(
    built: Architecture, shape: tuple[int, ...], width: int, classes: int
) -> nn.Network[ResNet | FrameByFrame]:
    """The structure of a network, without its weights."""
    return nn.Network(lambda rngs: recogniser(built, shape, width, classes, rngs=rngs))


@functools.cache
def _batched(built: Architecture, shape: tuple[int, ...], width: int, classes: int) -> Batched:
    """From learned weights and clips to raw features, compiled once for all networks so built."""
    network = in_domain_modules(built, shape, width, classes)
    return Batched(
        lambda weights, video: network.bind(weights).features(to_float(video)),
        rows=_CLIPS_AT_ONCE,
    )


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _decoded(card: dict[str, Any]) -> InDomainCard:
    targets = card["targets"]
    return InDomainCard(
        **{
            **card,
            "shape": tuple(card["shape"]),
            "config": InDomainConfig.of(card["config"]),
            "targets": Targets(
                names=tuple(targets["names"]), classes=tuple(map(tuple, targets["classes"]))
            ),
        }
    )
