"""How an in-domain network learns; see `in_domain`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from vidgen import nn
from vidgen.contract import stream
from vidgen.data import Source
from vidgen.evaluation.features.feature import UnsuitableClipsError
from vidgen.evaluation.features.in_domain import (
    InDomainCard,
    InDomainConfig,
    InDomainNetwork,
    Kind,
    in_domain_modules,
)
from vidgen.evaluation.features.targets import Targets, of_clips, right
from vidgen.optim import Optimizer
from vidgen.types import Clip, to_float

_VALIDATION_CLIPS = 512
_STANDARD_CLIPS = 1024
_MOST_BYTES = 2**28
_LEAST_DEVIATION = 1e-3


def train_in_domain(
    train: Source,
    kind: Kind = "resnet3d",
    *,
    config: InDomainConfig | None = None,
    validation: Source | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> InDomainNetwork:
    """Train an in-domain network on real clips, and freeze it.

    Args:
        train: what it learns from.
        kind: see `KINDS`.
        config: how.
        validation: what its accuracy is measured on; None measures none.
        seed: of the initial weights and of the order of clips; the same network for the same
            source, kind, config and seed on one kind of device.
        progress: told of steps done and of all steps, after each.

    Raises:
        UnsuitableClipsError: if nothing tells the clips apart that it could learn from.
    """
    config = config or InDomainConfig()
    clips = _drawn(train, config.clips, seed)
    try:
        targets = Targets.of(of_clips(clips))
    except ValueError as reason:
        raise UnsuitableClipsError(f"{train.name}/{train.split}: {reason}") from reason
    card = InDomainCard(
        kind=kind,
        shape=(train.height, train.width, train.channels),
        config=config,
        seed=seed,
        source=f"{train.name}/{train.split}",
        fingerprint=train.fingerprint,
        targets=targets,
        accuracy={},
    )
    video = np.stack([clip.video for clip in clips])
    init, step = _programs(kind, card.shape, config.width, config.optimizer, targets)
    weights = init(stream(seed, "in-domain", "init"))
    if kind != "random":
        weights = _learned(card, step, weights, video, targets(of_clips(clips)), progress)
    host = {name: np.asarray(value) for name, value in weights.items()}
    plain = {"mean": np.zeros(config.width, np.float32)}
    plain["deviation"] = plain["mean"] + 1
    features = InDomainNetwork(card, host | plain)(video[:_STANDARD_CLIPS])
    host["mean"] = features.mean(0)
    host["deviation"] = np.maximum(features.std(0), _LEAST_DEVIATION)
    network = InDomainNetwork(card, host)
    if validation is None:
        return network
    accuracy = _accuracy(network, _drawn(validation, _VALIDATION_CLIPS, seed))
    return InDomainNetwork(dataclasses.replace(card, accuracy=accuracy), host)


def _learned(
    card: InDomainCard,
    step: Callable[..., tuple[nn.Weights, Any]],
    weights: nn.Weights,
    video: np.ndarray,
    wanted: np.ndarray,
    progress: Callable[[int, int], None] | None,
) -> nn.Weights:
    config = card.config
    state = config.optimizer.init(weights)
    rng = np.random.default_rng([card.seed, 3])
    order = np.zeros(0, np.int64)
    for done in range(config.steps):
        while len(order) < config.batch_size:
            order = np.concatenate([order, rng.permutation(len(video))])
        rows, order = order[: config.batch_size], order[config.batch_size :]
        spent = jnp.float32(done / config.steps)
        weights, state = step(weights, state, video[rows], wanted[rows], spent)
        if progress is not None:
            progress(done + 1, config.steps)
    return weights


@functools.cache
def _programs(
    kind: Kind, shape: tuple[int, int, int], width: int, optimizer: Optimizer, targets: Targets
) -> tuple[Callable[..., nn.Weights], Callable[..., tuple[nn.Weights, Any]]]:
    """From a key to fresh weights; and from weights, optimiser state, clips, targets and progress
    to the first two after one step. Compiled once for networks that differ by their seed alone.
    """
    network, parts = in_domain_modules(kind, shape, width, targets.width), targets.parts

    def loss_of(weights: nn.Weights, video: Any, wanted: Any) -> Any:
        logits = network.bind(weights)(to_float(video))
        logs = [jax.nn.log_softmax(logits[:, part]) for part in parts]
        return -jnp.sum(jnp.concatenate(logs, axis=1) * wanted) / len(video)

    def step(
        weights: nn.Weights, state: Any, video: Any, wanted: Any, spent: Any
    ) -> tuple[nn.Weights, Any]:
        grads = jax.grad(loss_of)(weights, video, wanted)
        weights, state, _ = optimizer.update(grads, state, weights, spent)
        return weights, state

    return jax.jit(network.init), jax.jit(step, donate_argnums=(0, 1))


def trained_in_domain(
    path: epath.PathLike,
    train: Source,
    kind: Kind = "resnet3d",
    *,
    config: InDomainConfig | None = None,
    validation: Source | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> InDomainNetwork:
    """The network that lies in a file; where there is no such file, it is trained and saved there.

    Args:
        path: the file.
        train: and all the rest as in `train_in_domain`.

    Raises:
        ValueError: if the file is damaged, or holds a network that was trained otherwise.
    """
    path, config = epath.Path(path), config or InDomainConfig()
    if not path.exists():
        network = train_in_domain(
            train, kind, config=config, validation=validation, seed=seed, progress=progress
        )
        network.save(path)
        return network
    network = InDomainNetwork.load(path)
    card = network.card
    found = (card.kind, card.config, card.seed, card.fingerprint)
    if found != (kind, config, seed, train.fingerprint):
        raise ValueError(
            f"{path} holds a network that was trained otherwise (another source, configuration or "
            "seed): remove that file, and judge again what was judged by it"
        )
    return network


def _drawn(source: Source, most: int, seed: int) -> list[Clip]:
    """At most so many clips, without replacement, and no more than memory should hold."""
    size = source.frames * source.height * source.width * source.channels
    count = max(1, min(len(source), most, _MOST_BYTES // size))
    rows = np.random.default_rng([seed, 4]).permutation(len(source))[:count]
    return [source[int(row)] for row in rows]


def _accuracy(network: InDomainNetwork, clips: list[Clip]) -> dict[str, float]:
    said = network.probabilities(network(np.stack([clip.video for clip in clips])))
    targets = network.card.targets
    wanted = targets(of_clips(clips))
    return {
        name: float(np.nanmean(right(said[:, part], wanted[:, part])))
        for name, part in zip(targets.names, targets.parts, strict=True)
        if wanted[:, part].any()
    }
