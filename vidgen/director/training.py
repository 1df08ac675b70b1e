"""How a director learns: teacher forcing on descriptions whose scripts are known."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from vidgen import bucket, nn
from vidgen.contract import stream
from vidgen.data.stories import Stories
from vidgen.director import tokens
from vidgen.director.direction import Director, DirectorCard, Reader, network_of
from vidgen.director.network import DirectorConfig
from vidgen.evaluation.features.learning import RUN_OFTEN, Progress, learn
from vidgen.text import words

_HELD_OUT = 256


def train_director(
    train: Sequence[Stories],
    *,
    validation: Mapping[str, Stories] | None = None,
    config: DirectorConfig | None = None,
    seed: int = 0,
    path: epath.PathLike | None = None,
    progress: Progress | None = None,
) -> Director:
    """A director that has learned from descriptions of the training split.

    Args:
        train: whose scripts and descriptions it learns from, equally many of each; their pixels are
            not made. Those with one object and with two make a director that reads both.
        validation: held-out descriptions by how they are told, for the card.
        config: sizes and steps.
        seed: of the initial weights and of the order.
        path: of a file in which it is kept; if it is there, it is read.
        progress: told of each step.

    Raises:
        ValueError: if the file holds a director that was trained otherwise.
    """
    config = config or DirectorConfig()
    path = None if path is None else bucket.anywhere(path)
    joined = "".join(source.fingerprint for source in train)
    fingerprint = hashlib.sha256(joined.encode()).hexdigest()
    if path is not None and path.exists():
        director = Director.load(path)
        card = director.card
        if (card.config, card.seed, card.fingerprint) != (config, seed, fingerprint):
            raise ValueError(
                f"{path} holds a director that was trained otherwise (another source, "
                "configuration or seed): remove that file, or name another one"
            )
        return director
    rng, share = np.random.default_rng([seed, 1]), config.clips // len(train)
    told = [
        source.told(int(row)) for source in train for row in rng.permutation(len(source))[:share]
    ]
    known = tuple(sorted({word for _, description in told for word in words(description)}))
    card = DirectorCard(
        config=config,
        seed=seed,
        source=f"{train[0].name}/{train[0].split}",
        fingerprint=fingerprint,
        vocabulary=tuple(sorted({word for source in train for word in source.vocabulary})),
        known=known,
        length=max(source.max_words for source in train),
        exact={},
    )
    reader = Reader(config, card.vocabulary, known, card.length)
    init, step = _programs(config, card.length, reader.width)
    weights = init(stream(seed, "director", "init"))
    text, mask = reader([description for _, description in told])
    script = np.stack([tokens.encode(script) for script, _ in told])
    order = np.arange(len(told), dtype=np.int32)  # decides which words of a row are not heard
    weights = learn(
        step,
        weights,
        config.optimizer.init(weights),
        (text, mask, script, order),
        steps=config.steps,
        batch_size=config.batch_size,
        seed=seed,
        progress=progress,
    )
    director = Director(card, {name: np.asarray(value) for name, value in weights.items()})
    if validation is not None:
        exact = {
            how: float(np.mean(right(director, source, _HELD_OUT)))
            for how, source in validation.items()
        }
        card = DirectorCard(**{**vars(card), "exact": exact})
        director = Director(card, director.weights)
    if path is not None:
        director.save(path)
    return director


def right(director: Director, source: Stories, count: int) -> np.ndarray:
    """bool [count], of which of the first descriptions it makes exactly their script."""
    told = [source.told(n) for n in range(count)]
    found = director([description for _, description in told])
    return np.array([one.script == script for one, (script, _) in zip(found, told, strict=True)])


@functools.cache
def _programs(
    config: DirectorConfig, length: int, width: int
) -> tuple[Callable[..., nn.Weights], Callable[..., tuple[nn.Weights, Any]]]:
    network = network_of(config, length, width)

    def loss_of(weights: nn.Weights, text: Any, mask: Any, script: Any) -> Any:
        shares = network.bind(weights)(text, mask, script)
        picked = jnp.take_along_axis(shares, script[..., None], axis=-1)
        return -picked.mean()

    def step(
        weights: nn.Weights,
        state: Any,
        text: Any,
        mask: Any,
        script: Any,
        order: Any,
        spent: Any,
    ) -> tuple[nn.Weights, Any]:
        # Another draw each step, though a row comes again: progress is another each time.
        key = jax.random.fold_in(jax.random.key(0), jax.lax.bitcast_convert_type(spent, jnp.uint32))
        heard = jax.vmap(
            lambda row: jax.random.bernoulli(
                jax.random.fold_in(key, row), 1.0 - config.word_dropout, mask.shape[1:]
            )
        )(order)
        text = jnp.where(heard[..., None], text, 0.0)
        grads = jax.grad(loss_of)(weights, text, mask, script)
        weights, state, _ = config.optimizer.update(grads, state, weights, spent)
        return weights, state

    return (
        jax.jit(network.init, compiler_options=nn.RUN_ONCE),
        jax.jit(step, donate_argnums=(0, 1), compiler_options=RUN_OFTEN),
    )
