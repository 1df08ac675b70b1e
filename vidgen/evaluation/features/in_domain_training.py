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
from jaxtyping import UInt8

from vidgen import bucket, nn
from vidgen.contract import stream
from vidgen.data import Source
from vidgen.evaluation.features.feature import UnsuitableClipsError
from vidgen.evaluation.features.in_domain import (
    InDomainCard,
    InDomainConfig,
    InDomainNetwork,
    Kind,
    architecture,
    in_domain_modules,
)
from vidgen.evaluation.features.learning import RUN_OFTEN, Progress, learn
from vidgen.evaluation.features.targets import Said, Targets, of_clips, right
from vidgen.optim import Optimizer
from vidgen.types import to_float
from vidgen.vision import Architecture

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
    path: epath.PathLike | None = None,
    progress: Progress | None = None,
) -> InDomainNetwork:
    """Train one in-domain network on real clips, and freeze it; see `InDomainTraining`."""
    training = InDomainTraining(train, config=config, validation=validation, seed=seed)
    return training(kind, path=path, progress=progress)


class InDomainTraining:
    """Trains in-domain networks of all kinds on the same real clips, which are read once.

    Args:
        train: what they learn from.
        config: how.
        validation: what their accuracy is measured on; None measures none.
        seed: of the initial weights and of the order of clips; the same network for the same
            source, kind, config and seed on one kind of device.
    """

    def __init__(
        self,
        train: Source,
        *,
        config: InDomainConfig | None = None,
        validation: Source | None = None,
        seed: int = 0,
    ) -> None:
        self.source, self.validation, self.seed = train, validation, seed
        self._config = config or InDomainConfig()

    @functools.cached_property
    def clips(self) -> Drawn:
        """What they learn from."""
        return Drawn.of(self.source, self._config.clips, self.seed)

    def __call__(
        self,
        kind: Kind = "resnet3d",
        *,
        path: epath.PathLike | None = None,
        progress: Progress | None = None,
    ) -> InDomainNetwork:
        """A network: from its file if it lies there, else trained now and saved.

        Args:
            kind: see `KINDS`.
            path: the file; None neither reads nor saves one.
            progress: told of steps done and of all steps, after each.

        Raises:
            UnsuitableClipsError: if nothing tells the clips apart that it could learn from.
            ValueError: if the file is damaged, or holds a network that was trained otherwise.
        """
        path = None if path is None else bucket.anywhere(path)
        if path is not None and path.exists():
            return self._read(path, kind)
        network = self._trained(kind, progress)
        if path is not None:
            network.save(path)
        return network

    def _read(self, path: epath.Path, kind: Kind) -> InDomainNetwork:
        network = InDomainNetwork.load(path)
        card = network.card
        found = (card.kind, card.config, card.seed, card.fingerprint)
        if found != (kind, self._config, self.seed, self.source.fingerprint):
            raise ValueError(
                f"{path} holds a network that was trained otherwise (another source, configuration "
                "or seed): remove that file, and judge again what was judged by it"
            )
        return network

    def _trained(self, kind: Kind, progress: Progress | None) -> InDomainNetwork:
        train, config, seed = self.source, self._config, self.seed
        try:
            targets = Targets.of(self.clips.said)
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
        video = self.clips.video
        init, step = _programs(
            architecture(kind), card.shape, config.width, config.optimizer, targets
        )
        weights = init(stream(seed, "in-domain", "init"))
        if kind != "random":
            weights = learn(
                step,
                weights,
                config.optimizer.init(weights),
                (video, targets(self.clips.said)),
                steps=config.steps,
                batch_size=config.batch_size,
                seed=seed,
                progress=progress,
            )
        host = {name: np.asarray(value) for name, value in weights.items()}
        plain = {"mean": np.zeros(config.width, np.float32)}
        plain["deviation"] = plain["mean"] + 1
        features = InDomainNetwork(card, host | plain)(video[:_STANDARD_CLIPS])
        host["mean"] = features.mean(0)
        host["deviation"] = np.maximum(features.std(0), _LEAST_DEVIATION)
        network = InDomainNetwork(card, host)
        if self._examination is None:
            return network
        accuracy = _accuracy(network, self._examination)
        return InDomainNetwork(dataclasses.replace(card, accuracy=accuracy), host)

    @functools.cached_property
    def _examination(self) -> Drawn | None:
        """What their accuracy is measured on."""
        if self.validation is None:
            return None
        return Drawn.of(self.validation, _VALIDATION_CLIPS, self.seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Drawn:
    """Real clips, drawn from a source.

    Attributes:
        video: uint8 [N T H W C].
        said: what is known of each.
        captions: of each.
    """

    video: UInt8[np.ndarray, "N T H W C"]
    said: list[Said]
    captions: list[str]

    @classmethod
    def of(cls, source: Source, most: int, seed: int) -> Drawn:
        """At most so many clips, without replacement, and no more than memory should hold."""
        size = source.frames * source.height * source.width * source.channels
        count = max(1, min(len(source), most, _MOST_BYTES // size))
        rows = np.random.default_rng([seed, 4]).permutation(len(source))[:count]
        clips = [source[int(row)] for row in rows]
        return cls(
            video=np.stack([clip.video for clip in clips]),
            said=of_clips(clips),
            captions=[clip.caption for clip in clips],
        )


@functools.cache
def _programs(
    built: Architecture,
    shape: tuple[int, int, int],
    width: int,
    optimizer: Optimizer,
    targets: Targets,
) -> tuple[Callable[..., nn.Weights], Callable[..., tuple[nn.Weights, Any]]]:
    """From a key to fresh weights; and from weights, optimiser state, clips, targets and progress
    to the first two after one step. Compiled once for networks that differ by their seed alone.
    """
    network, parts = in_domain_modules(built, shape, width, targets.width), targets.parts

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

    return (
        jax.jit(network.init, compiler_options=nn.RUN_ONCE),
        jax.jit(step, donate_argnums=(0, 1), compiler_options=RUN_OFTEN),
    )


def _accuracy(network: InDomainNetwork, clips: Drawn) -> dict[str, float]:
    said = network.probabilities(network(clips.video))
    targets = network.card.targets
    wanted = targets(clips.said)
    return {
        name: float(np.nanmean(right(said[:, part], wanted[:, part])))
        for name, part in zip(targets.names, targets.parts, strict=True)
        if wanted[:, part].any()
    }
