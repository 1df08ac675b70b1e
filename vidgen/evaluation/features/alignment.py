"""Alignment: how well a clip fits a sentence, by two towers that learned it from real clips.

One tower makes a vector of a clip, the other one of a caption, and clips lie near their own
captions; both learn from real clips of the training split alone, and are frozen before any
generator is judged. It needs no truth, only captions.

Captions come again and again in worlds of few sentences, so that a batch holds several clips of
one: all of them are right answers, and none is held against the others.

References:
    Radford et al., "Learning transferable visual models from natural language supervision" (2021):
    two towers, and the softmax loss.
    Zhai et al., "Sigmoid loss for language image pre-training" (2023): each pair by itself.
    Khosla et al., "Supervised contrastive learning" (2020), equation 2: several right answers.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from flax import nnx
from jaxtyping import Array, Bool, Float, Int, UInt8

from vidgen import bucket, nn
from vidgen.contract import stream
from vidgen.data import Source
from vidgen.evaluation.arrays import arrays_digest
from vidgen.evaluation.features.feature import UnsuitableClipsError
from vidgen.evaluation.features.in_domain_training import Drawn
from vidgen.evaluation.features.learning import (
    RUN_OFTEN,
    LearningConfig,
    Progress,
    learn,
    read_network,
    write_network,
)
from vidgen.optim import Optimizer
from vidgen.pretrained.batches import Batched
from vidgen.text import WordVectors, words
from vidgen.types import to_float
from vidgen.vision import Architecture, recogniser

Loss = Literal["softmax", "sigmoid"]

_CLIPS_AT_ONCE = 64
_HELD_OUT = 256
_WORD_WIDTH = 32

_FIRST_SCALE, _FIRST_OFFSET = 10.0, -10.0
"""Of the products of vectors before they are logits, as the sigmoid loss starts; the softmax loss
cancels the offset."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlignmentConfig(LearningConfig):
    """How the two towers are built and trained.

    With these defaults, on `digits` (seed 0, 256 clips of the validation split), R@1 is 0.98 by the
    softmax loss and 0.57 by the sigmoid loss, R@5 1.00 and 0.97: `train_alignment(source("digits"),
    validation=source("digits", split="validation")).card.recall`.

    Attributes:
        loss: ``softmax`` over the batch, in both directions, or ``sigmoid`` of each pair.
        architecture: of the tower that looks at clips.
    """

    loss: Loss = "softmax"
    architecture: Architecture = "resnet3d"
    steps: int = 320
    batch_size: int = 64
    clips: int = 8192

    @classmethod
    def tiny(cls) -> AlignmentConfig:
        """The same in a second, for tests: it learns next to nothing."""
        return cls(width=16, steps=2, batch_size=8, clips=64, optimizer=Optimizer())


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlignmentCard:
    """Where the two towers come from.

    Attributes:
        shape: [H W C] of the frames that can be judged.
        config: how they were trained.
        seed: of the initial weights and of the order of clips.
        source: name and split that they learned from.
        fingerprint: of the source.
        vocabulary: words that a caption may have.
        length: words of the longest caption.
        recall: on clips of the validation split, by "R@1" and so on, see `recall`; empty where none
            was given.
    """

    shape: tuple[int, int, int]
    config: AlignmentConfig
    seed: int
    source: str
    fingerprint: str
    vocabulary: tuple[str, ...]
    length: int
    recall: dict[str, float]


class Towers(nnx.Module):
    """A clip, or a caption, into a vector of length 1.

    Args:
        config: sizes.
        shape: [H W C] of a frame.
        length: words of a caption.
        rngs: source of the initial weights.
    """

    def __init__(
        self, config: AlignmentConfig, shape: tuple[int, ...], length: int, *, rngs: nnx.Rngs
    ) -> None:
        D = config.width
        self.clip = recogniser(config.architecture, shape, D, D, rngs=rngs)
        self.caption = nn.Caption(length, _WORD_WIDTH, D, rngs=rngs)
        self.out = nnx.Linear(D, D, rngs=rngs)
        self.log_scale = nnx.Param(jnp.log(jnp.full((), _FIRST_SCALE)))
        self.offset = nnx.Param(jnp.full((), _FIRST_OFFSET))

    def clips(self, video: Float[Array, "B T H W C"]) -> Float[Array, "B D"]:
        """Vectors of clips, pixels in [-1, 1]."""
        return _unit(self.clip(video))

    def captions(
        self, text: Float[Array, "B L E"], mask: Bool[Array, "B L"]
    ) -> Float[Array, "B D"]:
        """Vectors of captions."""
        return _unit(self.out(self.caption(text, mask)))

    def logits(
        self,
        video: Float[Array, "B T H W C"],
        text: Float[Array, "B L E"],
        mask: Bool[Array, "B L"],
    ) -> Float[Array, "B B"]:
        """Of each clip (row) with each caption (column): the products, scaled and moved."""
        products = self.clips(video) @ self.captions(text, mask).T
        return jnp.exp(self.log_scale.get_value()) * products + self.offset.get_value()


def contrast(kind: Loss, logits: Float[Array, "B B"], label: Int[Array, "B"]) -> Float[Array, ""]:
    """The loss of a batch, in which clips of one `label` have one caption.

    With z the logits and P(i) the columns that are right for row i::

        softmax:  -mean_i mean_{j in P(i)} log softmax(z_i)_j, and the same of columns, halved
        sigmoid:  -mean_i sum_j log sigmoid(+-z_ij), + where j is in P(i)
    """
    same = label[:, None] == label[None, :]
    if kind == "sigmoid":
        signed = jnp.where(same, logits, -logits)
        return -jnp.mean(jnp.sum(jax.nn.log_sigmoid(signed), axis=1))
    share = same / jnp.sum(same, axis=1, keepdims=True)

    def one_way(logits: Float[Array, "B B"]) -> Float[Array, ""]:
        return -jnp.mean(jnp.sum(share * jax.nn.log_softmax(logits, axis=1), axis=1))

    return (one_way(logits) + one_way(logits.T)) / 2


class AlignmentNetwork:
    """The two towers, trained and frozen. As a `FeatureNetwork` it is the tower of clips.

    Attributes:
        name: with a hash of the weights.
        width: D.
        card: where they come from.
    """

    def __init__(self, card: AlignmentCard, weights: dict[str, np.ndarray]) -> None:
        self.card, self.weights = card, weights
        self.width = card.config.width
        self.name = f"alignment-{arrays_digest(weights)[:8]}"
        self._encoder = WordVectors(card.vocabulary, length=card.length, width=_WORD_WIDTH)

    def __call__(self, video: UInt8[np.ndarray, "N T H W C"]) -> Float[np.ndarray, "N D"]:
        """Vectors of clips, of length 1.

        Raises:
            UnsuitableClipsError: for frames of another size, or other channels.
        """
        if video.shape[2:] != self.card.shape:
            raise UnsuitableClipsError(
                f"{self.name} learned from frames of {self.card.shape} (height, width, channels) "
                f"and cannot judge frames of {video.shape[2:]}"
            )
        if not len(video):
            return np.zeros((0, self.width), np.float32)
        clips, _ = _looking(self.card.config, self.card.shape, self.card.length)
        return clips(clips.place(self.weights), video)

    def text(self, captions: Sequence[str]) -> Float[np.ndarray, "N D"]:
        """Vectors of captions, of length 1.

        Raises:
            UnsuitableClipsError: for a caption with other words than training's, or more of them.
        """
        try:
            features, mask = self._encoder(captions)
        except ValueError as reason:
            raise UnsuitableClipsError(f"{self.name} cannot read a caption: {reason}") from reason
        if not len(captions):
            return np.zeros((0, self.width), np.float32)
        _, read = _looking(self.card.config, self.card.shape, self.card.length)
        # One array of rows: the mask as one more feature.
        rows = np.concatenate([features, mask[..., None].astype(np.float32)], axis=-1)
        return read(read.place(self.weights), rows)

    def save(self, path: epath.PathLike) -> None:
        """Write card and weights as ``npz``, whole or not at all."""
        write_network(path, self.name, self.card, self.weights)

    @classmethod
    def load(cls, path: epath.PathLike) -> AlignmentNetwork:
        """Read what `save` wrote; raises as `learning.read_network`."""
        return read_network(
            path,
            "alignment network",
            lambda card, weights: cls(_decoded(card), weights),
            lambda network: network.name,
        )


def train_alignment(
    train: Source,
    *,
    config: AlignmentConfig | None = None,
    validation: Source | None = None,
    seed: int = 0,
    path: epath.PathLike | None = None,
    progress: Progress | None = None,
) -> AlignmentNetwork:
    """The two towers: from their file if it lies there, else trained now and saved.

    Args:
        train: what they learn from.
        config: how.
        validation: what their recall is measured on; None measures none.
        seed: of the initial weights and of the order of clips; the same towers for the same source,
            config and seed on one kind of device.
        path: the file; None neither reads nor saves one.
        progress: told of steps done and of all steps, after each.

    Raises:
        UnsuitableClipsError: if the clips have no captions that differ.
        ValueError: if the file is damaged, or holds towers that were trained otherwise.
    """
    config = config or AlignmentConfig()
    path = None if path is None else bucket.anywhere(path)
    if path is not None and path.exists():
        network = AlignmentNetwork.load(path)
        card = network.card
        if (card.config, card.seed, card.fingerprint) != (config, seed, train.fingerprint):
            raise ValueError(
                f"{path} holds towers that were trained otherwise (another source, configuration "
                "or seed): remove that file, and judge again what was judged by it"
            )
        return network
    network = _trained(train, config, seed, progress)
    if validation is not None:
        drawn = Drawn.of(validation, _HELD_OUT, seed)
        found = recall(network(drawn.video), network.text(drawn.captions), drawn.captions)
        card = dataclasses.replace(network.card, recall=found)
        network = AlignmentNetwork(card, network.weights)
    if path is not None:
        network.save(path)
    return network


def recall(
    clips: Float[np.ndarray, "N D"], texts: Float[np.ndarray, "N D"], captions: Sequence[str]
) -> dict[str, float]:
    """Shares of clips whose own caption is the nearest, or among the five nearest, of all different
    captions; and of different captions that have a clip of their own so near among all clips.

    Returns:
        By ``"R@1"`` and ``"R@5"`` from clips to captions, ``"R@1, clips"`` and ``"R@5, clips"``
        from captions to clips.
    """
    ranks = ranks_of_own(clips, texts, captions)
    _, first, label = np.unique(list(captions), return_index=True, return_inverse=True)
    nearest = np.argsort(-(texts[first] @ clips.T), axis=1, kind="stable")
    own = label[nearest] == np.arange(len(first))[:, None]
    return {
        **{f"R@{k}": float(np.mean(ranks < k)) for k in (1, 5)},
        **{f"R@{k}, clips": float(np.mean(own[:, :k].any(axis=1))) for k in (1, 5)},
    }


def ranks_of_own(
    clips: Float[np.ndarray, "N D"], texts: Float[np.ndarray, "N D"], captions: Sequence[str]
) -> Int[np.ndarray, "N"]:
    """How many of the other different captions are nearer to a clip than its own. Of captions that
    are as near, those come first that do in the alphabet.
    """
    _, first, label = np.unique(list(captions), return_index=True, return_inverse=True)
    likeness = clips @ texts[first].T
    order = np.argsort(-likeness, axis=1, kind="stable")
    return np.argmax(order == label[:, None], axis=1)


def _trained(
    train: Source, config: AlignmentConfig, seed: int, progress: Progress | None
) -> AlignmentNetwork:
    drawn = Drawn.of(train, config.clips, seed)
    if len(set(drawn.captions)) < 2:
        raise UnsuitableClipsError(
            f"{train.name}/{train.split}: clips without captions that differ align with nothing"
        )
    card = AlignmentCard(
        shape=(train.height, train.width, train.channels),
        config=config,
        seed=seed,
        source=f"{train.name}/{train.split}",
        fingerprint=train.fingerprint,
        vocabulary=tuple(train.vocabulary),
        length=max(train.max_words, max(len(words(c)) for c in drawn.captions)),
        recall={},
    )
    encoder = WordVectors(card.vocabulary, length=card.length, width=_WORD_WIDTH)
    text, mask = encoder(drawn.captions)
    _, label = np.unique(drawn.captions, return_inverse=True)
    init, step = _programs(config, card.shape, card.length)
    weights = init(stream(seed, "alignment", "init"))
    weights = learn(
        step,
        weights,
        config.optimizer.init(weights),
        (drawn.video, text, mask, label.astype(np.int32)),
        steps=config.steps,
        batch_size=config.batch_size,
        seed=seed,
        progress=progress,
    )
    return AlignmentNetwork(card, {name: np.asarray(value) for name, value in weights.items()})


def _towers(config: AlignmentConfig, shape: tuple[int, ...], length: int) -> nn.Network[Towers]:
    return nn.Network(lambda rngs: Towers(config, shape, length, rngs=rngs))


@functools.cache
def _programs(
    config: AlignmentConfig, shape: tuple[int, int, int], length: int
) -> tuple[Callable[..., nn.Weights], Callable[..., tuple[nn.Weights, Any]]]:
    """From a key to fresh weights, and one step; compiled once for towers that differ by seed."""
    network = _towers(config, shape, length)

    def loss_of(weights: nn.Weights, video: Any, text: Any, mask: Any, label: Any) -> Any:
        logits = network.bind(weights).logits(to_float(video), text, mask)
        return contrast(config.loss, logits, label)

    def step(
        weights: nn.Weights, state: Any, video: Any, text: Any, mask: Any, label: Any, spent: Any
    ) -> tuple[nn.Weights, Any]:
        grads = jax.grad(loss_of)(weights, video, text, mask, label)
        weights, state, _ = config.optimizer.update(grads, state, weights, spent)
        return weights, state

    return (
        jax.jit(network.init, compiler_options=nn.RUN_ONCE),
        jax.jit(step, donate_argnums=(0, 1), compiler_options=RUN_OFTEN),
    )


@functools.cache
def _looking(
    config: AlignmentConfig, shape: tuple[int, int, int], length: int
) -> tuple[Batched, Batched]:
    """Clips to vectors, and captions (with their mask as one more feature) to vectors."""
    network = _towers(config, shape, length)
    return (
        Batched(
            lambda weights, video: network.bind(weights).clips(to_float(video)),
            rows=_CLIPS_AT_ONCE,
        ),
        Batched(
            lambda weights, rows: network.bind(weights).captions(rows[..., :-1], rows[..., -1] > 0),
            rows=_CLIPS_AT_ONCE,
        ),
    )


def _unit(x: Float[Array, "B D"]) -> Float[Array, "B D"]:
    return x * jax.lax.rsqrt(jnp.sum(x * x, axis=-1, keepdims=True) + 1e-12)


def _decoded(card: dict[str, Any]) -> AlignmentCard:
    return AlignmentCard(
        **{
            **card,
            "shape": tuple(card["shape"]),
            "vocabulary": tuple(card["vocabulary"]),
            "config": AlignmentConfig.of(card["config"]),
        }
    )
