"""Text encoders that read a word in its sentence, from ordinary Hugging Face folders."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import reprlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from vidgen import nn
from vidgen.pretrained import MissingWeightsError, read
from vidgen.pretrained.batches import Batched
from vidgen.pretrained.weights import digest
from vidgen.registry import suggest
from vidgen.text.networks import PORTS, Port, States
from vidgen.text.word_table import unit
from vidgen.types import Captions

WEIGHTS = "model.safetensors"

_ROWS = 16
"""Captions a device reads at a time."""

_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
_TOKENIZER += ("vocab.json", "merges.txt", "spiece.model", "added_tokens.json")
"""Files that decide how a text falls into tokens, where they are there."""

_VERSION = 1
"""Of what is computed here from the same files."""


class Contextual:
    """A network's last states as the features of a caption's tokens.

    The folder holds ``config.json``, whose ``model_type`` says which network it is,
    ``model.safetensors`` and the files of its tokenizer. Each feature vector is scaled to a root
    mean square of 1: networks differ a hundredfold in the size of their states, and a generator
    expects none. A caption's features do not depend on which others are read with it.

    Example:
        >>> encoder = Contextual(minilm_folder(), length=16)  # doctest: +SKIP
        >>> features, mask = encoder(["a red circle moves up"])  # doctest: +SKIP
        >>> features.shape  # doctest: +SKIP
        (1, 16, 384)

    Args:
        folder: of the files.
        length: L, tokens a caption is padded to, those that mark its ends included.
        kind: what the network must be, "bert", "clip", "gpt2" or "t5"; None for any of them.

    Attributes:
        sizes: of the network.

    Raises:
        MissingWeightsError: if a file, or the package transformers, is not here.
        WrongWeightsError: if the weights are not those of such a network, naming every key.
        UnknownNameError: for a network that is not ported.
        ValueError: for another kind than was asked, or more tokens than the network has places.
    """

    def __init__(self, folder: Path, *, length: int, kind: str | None = None) -> None:
        self.length = length
        config = configuration(folder)
        if config["model_type"] not in PORTS:
            raise suggest(config["model_type"], sorted(PORTS), "text network")
        self.sizes: Port = PORTS[config["model_type"]].of(config)
        if kind not in (None, self.sizes.kind):
            raise ValueError(f"{folder} holds a network of the kind {self.sizes.kind}, not {kind}")
        if length < 1 or (self.sizes.longest or length) < length:
            raise ValueError(
                f"{folder.name} has places for {self.sizes.longest} tokens, and {length} are asked "
                "for: change task.text_length"
            )
        weights = digest(folder / WEIGHTS)
        self.width = self.sizes.width
        self.name = f"{self.sizes.kind}-{self.width}x{self.sizes.depth}-{weights[:8]}"
        self.fingerprint = _fingerprint(folder, self.sizes, weights, length)
        self._lock = threading.Lock()
        self._tokenizer = _transformers().AutoTokenizer.from_pretrained(
            folder, local_files_only=True
        )
        network = nn.Network(self.sizes.build)

        def run(weights: Any, rows: Int[Array, "B L"], answer: Callable[..., Any]) -> Any:
            mask = rows >= 0
            tokens = jnp.maximum(rows, 0)
            bound: Any = network.bind(weights)
            return answer(bound, bound(tokens, mask), tokens, mask)

        self._programs = {
            name: Batched(functools.partial(run, answer=answer), rows=_ROWS)
            for name, answer in _ANSWERS.items()
        }
        self._weights = self._programs["last"].place(self.sizes.read(read(folder / WEIGHTS)))

    def tokens(self, caption: str) -> int:
        """How many of the L positions a caption takes."""
        return len(self._split([caption])[0])

    def pieces(self, caption: str) -> list[str]:
        """The parts of words, and the signs at their ends, as the tokenizer writes them."""
        return self._tokenizer.convert_ids_to_tokens(self._split([caption])[0])

    def __call__(
        self, captions: Captions
    ) -> tuple[Float[np.ndarray, "N L D"], Bool[np.ndarray, "N L"]]:
        """Features and mask of N captions; an empty caption has a mask of False.

        Returns:
            float32 [N L D], each vector of root mean square 1 and zero where the mask is False, and
            bool [N L].

        Raises:
            ValueError: for a caption of more than L tokens.
        """
        rows = self._rows(captions)
        mask = rows >= 0
        states = self._run("last", rows, (self.length, self.width))
        return np.where(mask[..., None], unit(states), np.float32(0)), mask

    def hidden_states(self, captions: Captions) -> Float[np.ndarray, "N K L D"]:
        """What the tokens are after the embedding and after each block, K in all, as the network
        has them; padding included.
        """
        shape = (self.sizes.depth + 1, self.length, self.width)
        return self._run("all", self._rows(captions), shape)

    def sentences(self, captions: Captions) -> Float[np.ndarray, "N E"]:
        """One vector of length 1 a caption, by whose products captions are compared, as those who
        published the network make it.
        """
        return self._run("sentence", self._rows(captions), (self.width,))

    def _run(self, what: str, rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        if not len(rows):
            return np.zeros((0, *shape), np.float32)
        return self._programs[what](self._weights, rows)

    def _rows(self, captions: Captions) -> Int[np.ndarray, "N L"]:
        """The tokens of each caption, -1 behind its end."""
        if isinstance(captions, str):
            raise ValueError("pass a list of captions, not a single string")
        rows = np.full((len(captions), self.length), -1, np.int32)
        for row, caption, tokens in zip(rows, captions, self._split(captions), strict=True):
            if len(tokens) > self.length:
                raise ValueError(
                    f"a caption has {len(tokens)} tokens and the encoder takes {self.length} (set "
                    f"task.text_length={len(tokens)}): {reprlib.repr(caption)}"
                )
            row[: len(tokens)] = tokens
        return rows

    def _split(self, captions: Captions) -> list[list[int]]:
        """The tokens of captions; none of one that says nothing."""
        spoken = [caption for caption in captions if caption.strip()]
        with self._lock:  # Tokenizers change settings of their own while they work.
            found: Sequence[list[int]] = self._tokenizer(spoken)["input_ids"] if spoken else []
        tokens = iter(found)
        return [next(tokens) if caption.strip() else [] for caption in captions]


def configuration(folder: Path) -> dict[str, Any]:
    """What ``config.json`` says of a network, its defaults filled in.

    Raises:
        MissingWeightsError: if it is not there, or not with weights, or transformers is not.
    """
    for name in ("config.json", WEIGHTS):
        if not (folder / name).is_file():
            raise MissingWeightsError(
                f"{folder} holds no {name}; wanted is a Hugging Face folder, with config.json, "
                f"{WEIGHTS} in one piece and the files of a tokenizer"
            )
    return _transformers().AutoConfig.from_pretrained(folder, local_files_only=True).to_dict()


def _last(network: Any, states: States, tokens: Any, mask: Any) -> Any:
    return states[-1]


def _all(network: Any, states: States, tokens: Any, mask: Any) -> Any:
    return jnp.stack(list(states), axis=1)


def _sentence(network: Any, states: States, tokens: Any, mask: Any) -> Any:
    return network.sentence(states, tokens, mask)


_ANSWERS = {"last": _last, "all": _all, "sentence": _sentence}
"""What is kept of a network's states."""


def _fingerprint(folder: Path, sizes: Port, weights: str, length: int) -> str:
    """A hash of all that decides the features: not of where it lies, nor of what else a
    configuration says.
    """
    files = {name: digest(folder / name) for name in _TOKENIZER if (folder / name).is_file()}
    identity = [_VERSION, weights, length, files, repr(sizes)]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _transformers() -> Any:
    # Its advice to install PyTorch, which is not needed here.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    try:
        import transformers  # Seconds, which only those who read by a network should pay.
    except ImportError as error:
        raise MissingWeightsError(
            "networks that read text want the package transformers: pip install 'vidgen[text]'"
        ) from error
    return transformers
