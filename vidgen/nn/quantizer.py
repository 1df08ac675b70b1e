"""From continuous vectors to codes and back: finite scalar, lookup-free and vector quantisation.

A quantizer is a frozen config with pure functions. What it must remember between two steps (a
codebook learned by moving averages) is an explicit dictionary of arrays, so that it can live in
`TrainState.rest`; the others remember nothing and their dictionary is empty.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from vidgen.contract import Key

Codebook = dict[str, jax.Array]
"""What a quantizer remembers; empty where nothing is learned."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Quantized:
    """Vectors after quantisation.

    Attributes:
        values: float [... D], the quantised vectors, with a straight-through gradient.
        codes: int32 [...], in [0, size).
        loss: what the encoder is charged for straying from where codes are.
    """

    values: Float[Array, "*axes D"]
    codes: Int[Array, "*axes"]
    loss: Float[Array, ""]


class Quantizer(Protocol):
    """What a tokenizer asks of a quantizer."""

    @property
    def size(self) -> int:
        """How many codes there are."""
        ...

    @property
    def width(self) -> int:
        """D, features of a vector."""
        ...

    @property
    def levels(self) -> tuple[int, ...]:
        """How many values each digit of a code takes; see `digits_of`."""
        ...

    def init(self, key: Key) -> Codebook:
        """What it remembers, at step 0."""
        ...

    def quantize(self, codebook: Codebook, z: Float[Array, "*axes D"]) -> Quantized:
        """The nearest values, their codes and the encoder's charge."""
        ...

    def values(self, codebook: Codebook, codes: Int[Array, "*axes"]) -> Float[Array, "*axes D"]:
        """The vectors that codes stand for."""
        ...

    def update(
        self, codebook: Codebook, z: Float[Array, "*axes D"], codes: Int[Array, "*axes"], key: Key
    ) -> Codebook:
        """What it remembers after a step that gave `z` these `codes`."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class FSQ:
    """Finite scalar quantisation: each of a few bounded features is rounded to its own levels.

    The codebook is the fixed product of the levels, so nothing can collapse. Values lie in
    [-1, 1]; the code is the mixed-radix number of the levels, the first feature fastest.

    Attributes:
        levels: how many values each feature takes, at least 3 each: bounded as they are, two would
            be one that all but takes all. Codes of bits are `LFQ`.
        spread: weight of a charge that keeps each feature's mean at 0 and its deviation at 1 over a
            batch, before the tanh. Without it, the first steps of training, in which every code
            is asked for the mean picture, drive all vectors into the same saturated corner, from
            which no gradient leads back.

    References: Mentzer et al., "Finite scalar quantization: VQ-VAE made simple" (2023).

    Raises:
        ValueError: if there are no levels, one below 3, or more codes than an int32 can number.
    """

    levels: tuple[int, ...] = (8, 5, 5, 5)
    spread: float = 0.05

    def __post_init__(self) -> None:
        if not self.levels or min(self.levels) < 3:
            raise ValueError(
                f"FSQ needs levels of at least 3 each, got {self.levels}; LFQ has codes of bits"
            )
        if self.size >= 2**31:
            raise ValueError(f"{self.size} codes do not fit an int32; take fewer levels")

    @property
    def size(self) -> int:
        """How many codes there are."""
        return math.prod(self.levels)

    @property
    def width(self) -> int:
        """Features of a vector."""
        return len(self.levels)

    def init(self, key: Key) -> Codebook:
        """Nothing."""
        del key
        return {}

    def quantize(self, codebook: Codebook, z: Float[Array, "*axes D"]) -> Quantized:
        """Bound each feature by a tanh and round it; the gradient passes the rounding."""
        del codebook
        z = z.astype(jnp.float32)
        axes = tuple(range(z.ndim - 1))
        mean, deviation = jnp.mean(z, axes), jnp.sqrt(jnp.var(z, axes) + 1e-6)
        levels = self._row(self.levels, z.ndim)
        # A hair more than the outermost level is in reach, so that its own half-open cell is too.
        half = (levels - 1.0) * (1.0 + 1e-3) / 2.0
        # With an even number of levels the cells lie between the integers.
        offset = jnp.where(levels % 2 == 0, 0.5, 0.0)
        bounded = jnp.tanh(z + jnp.arctanh(offset / half)) * half - offset
        rounded = bounded + jax.lax.stop_gradient(jnp.round(bounded) - bounded)
        digits = jnp.round(bounded) + levels // 2
        codes = codes_of(jax.lax.stop_gradient(digits).astype(jnp.int32), self.levels)
        return Quantized(
            values=rounded / (levels // 2),
            codes=codes,
            loss=self.spread * jnp.mean(mean**2 + (deviation - 1.0) ** 2),
        )

    def values(self, codebook: Codebook, codes: Int[Array, "*axes"]) -> Float[Array, "*axes D"]:
        """The vectors that codes stand for, as `quantize` gives them."""
        del codebook
        half = self._row(self.levels, codes.ndim + 1) // 2
        return (digits_of(codes, self.levels) - half) / half

    def update(
        self, codebook: Codebook, z: Float[Array, "*axes D"], codes: Int[Array, "*axes"], key: Key
    ) -> Codebook:
        """Nothing changes."""
        del z, codes, key
        return codebook

    @staticmethod
    def _row(numbers: tuple[int, ...], ndim: int) -> Array:
        return jnp.expand_dims(jnp.asarray(numbers, jnp.float32), tuple(range(ndim - 1)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LFQ:
    """Lookup-free quantisation: each feature becomes its sign, and a code is a number of bits.

    The codebook is fixed, but nothing in the rounding keeps all of it in use: the entropy charge
    does, which asks every vector to be sure of its bits and the batch to have as many ones as minus
    ones of each. Bits are taken as independent of each other in it, so the batch's part is an upper
    bound of the entropy of whole codes.

    Attributes:
        bits: features of a vector, so that there are 2 ** bits codes.
        commitment: weight of the encoder's charge for straying from its signs.
        entropy: weight of the entropy charge.
        temperature: of the soft signs that the entropies are of; a bit is 1 with probability
            ``sigmoid(4 z / temperature)``, the softmax of the squared distances to 1 and -1.

    References: Yu et al., "Language model beats diffusion: tokenizer is key to visual generation"
    (2024), section 3.1, equation 5; the independent bits as in Zhao et al., "Image and video
    tokenization with binary spherical quantization" (2024), section 3.2.

    Raises:
        ValueError: if there are no bits, more than an int32 holds, or the temperature is not
            positive.
    """

    bits: int = 12
    commitment: float = 0.25
    entropy: float = 0.1
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.bits <= 30:
            raise ValueError(f"LFQ.bits must lie in [1, 30], got {self.bits}")
        if self.temperature <= 0:
            raise ValueError(f"LFQ.temperature must be positive, got {self.temperature}")

    @property
    def size(self) -> int:
        """How many codes there are."""
        return 2**self.bits

    @property
    def width(self) -> int:
        """Features of a vector."""
        return self.bits

    @property
    def levels(self) -> tuple[int, ...]:
        """Two for each bit."""
        return (2,) * self.bits

    def init(self, key: Key) -> Codebook:
        """Nothing."""
        del key
        return {}

    def quantize(self, codebook: Codebook, z: Float[Array, "*axes D"]) -> Quantized:
        """The sign of each feature, 0 counting as -1; the gradient passes straight through."""
        del codebook
        z = z.astype(jnp.float32)
        signs = jnp.where(z > 0, 1.0, -1.0)
        codes = codes_of((z > 0).astype(jnp.int32), self.levels)
        logits = 4.0 * z / self.temperature
        # A bit's entropy by its logit, since that by its probability has no slope where it is sure.
        each = jax.nn.softplus(-logits) + logits * jax.nn.sigmoid(-logits)
        ones = jnp.mean(jax.nn.sigmoid(logits), axis=tuple(range(z.ndim - 1)))
        ones = 1e-6 + (1.0 - 2e-6) * ones
        diverse = jnp.sum(jax.scipy.special.entr(ones) + jax.scipy.special.entr(1.0 - ones))
        charge = jnp.mean(jnp.sum(each, axis=-1)) - diverse
        return Quantized(
            values=z + jax.lax.stop_gradient(signs - z),
            codes=codes,
            loss=self.commitment * jnp.mean((z - signs) ** 2) + self.entropy * charge,
        )

    def values(self, codebook: Codebook, codes: Int[Array, "*axes"]) -> Float[Array, "*axes D"]:
        """The vectors that codes stand for."""
        del codebook
        return 2.0 * digits_of(codes, self.levels) - 1.0

    def update(
        self, codebook: Codebook, z: Float[Array, "*axes D"], codes: Int[Array, "*axes"], key: Key
    ) -> Codebook:
        """Nothing changes."""
        del z, codes, key
        return codebook


@dataclasses.dataclass(frozen=True, kw_only=True)
class VQ:
    """Vector quantisation with a codebook that follows its vectors by moving averages.

    Attributes:
        size: how many codes there are.
        width: D, features of a vector.
        decay: of the moving averages of each code's count and sum.
        commitment: weight of the encoder's charge for straying from its code.
        revive_below: a code whose average count a step falls below this takes the place of a random
            vector of the batch, because a code that nothing chooses never moves again. It is given
            four times this count to find vectors of its own.

    References: van den Oord et al., "Neural discrete representation learning" (2017), appendix A.1;
    Razavi et al., "Generating diverse high-fidelity images with VQ-VAE-2" (2019); revival as in
    Dhariwal et al., "Jukebox" (2020), section 3.1.

    Raises:
        ValueError: if the size or width is below 1 the decay lies outside [0, 1) or
            `revive_below` is not positive.
    """

    size: int = 512
    width: int = 16
    decay: float = 0.99
    commitment: float = 0.25
    revive_below: float = 0.05

    def __post_init__(self) -> None:
        if self.size < 1 or self.width < 1:
            raise ValueError(f"VQ needs a size and a width of at least 1, got {self}")
        if not 0 <= self.decay < 1:
            raise ValueError(f"VQ.decay must lie in [0, 1), got {self.decay}")
        if self.revive_below <= 0:
            raise ValueError(f"VQ.revive_below must be positive, got {self.revive_below}")

    @property
    def levels(self) -> tuple[int, ...]:
        """One digit, which is the code itself."""
        return (self.size,)

    def init(self, key: Key) -> Codebook:
        """Random vectors [size D] that nothing has chosen, so that the first update revives all but
        those that its batch chooses often enough."""
        vectors = jax.random.normal(key, (self.size, self.width))
        return {
            "vectors": vectors,
            "counts": jnp.zeros(self.size),
            "sums": jnp.zeros_like(vectors),
        }

    def quantize(self, codebook: Codebook, z: Float[Array, "*axes D"]) -> Quantized:
        """The nearest code in Euclidean distance; the gradient passes straight through."""
        z = z.astype(jnp.float32)
        vectors = codebook["vectors"]
        flat = z.reshape(-1, self.width)
        # |z|^2 is the same for every code and is left out.
        distances = jnp.sum(vectors**2, axis=-1)[None, :] - 2.0 * jnp.matmul(
            flat, vectors.T, precision=jax.lax.Precision.HIGHEST
        )
        codes = jnp.argmin(distances, axis=-1).astype(jnp.int32).reshape(z.shape[:-1])
        nearest = jax.lax.stop_gradient(vectors[codes])
        return Quantized(
            values=z + jax.lax.stop_gradient(nearest - z),
            codes=codes,
            loss=self.commitment * jnp.mean((z - nearest) ** 2),
        )

    def values(self, codebook: Codebook, codes: Int[Array, "*axes"]) -> Float[Array, "*axes D"]:
        """The vectors that codes stand for."""
        return codebook["vectors"][codes]

    def update(
        self, codebook: Codebook, z: Float[Array, "*axes D"], codes: Int[Array, "*axes"], key: Key
    ) -> Codebook:
        """Move each code towards the mean of its vectors, and revive the dead ones."""
        flat = z.reshape(-1, self.width).astype(jnp.float32)
        chosen = jax.nn.one_hot(codes.reshape(-1), self.size)
        blend = lambda old, new: self.decay * old + (1.0 - self.decay) * new  # noqa: E731
        counts = blend(codebook["counts"], jnp.sum(chosen, axis=0))
        sums = blend(
            codebook["sums"], jnp.matmul(chosen.T, flat, precision=jax.lax.Precision.HIGHEST)
        )

        dead = counts < self.revive_below
        # Each its own vector, as far as they go: of two alike the second would stay dead.
        order = jax.random.permutation(key, len(flat))
        picks = order[(jnp.cumsum(dead) - 1) % len(flat)]
        alive = 4.0 * self.revive_below
        counts = jnp.where(dead, alive, counts)
        sums = jnp.where(dead[:, None], alive * flat[picks], sums)
        return {"vectors": sums / counts[:, None], "counts": counts, "sums": sums}


def digits_of(codes: Int[Array, "*axes"], levels: tuple[int, ...]) -> Int[Array, "*axes G"]:
    """A code as a mixed-radix number, the first digit fastest: digit g lies in [0, levels[g])."""
    ones = tuple(range(codes.ndim))
    radices = jnp.expand_dims(_radices(levels), ones)
    bases = jnp.expand_dims(np.asarray(levels, np.int32), ones)
    return codes[..., None] // radices % bases


def codes_of(digits: Int[Array, "*axes G"], levels: tuple[int, ...]) -> Int[Array, "*axes"]:
    """The inverse of `digits_of`."""
    ones = tuple(range(digits.ndim - 1))
    return jnp.sum(digits * jnp.expand_dims(_radices(levels), ones), axis=-1, dtype=jnp.int32)


def _radices(levels: tuple[int, ...]) -> np.ndarray:
    return np.cumprod((1, *levels[:-1])).astype(np.int32)


def histogram(codes: Int[Array, "*axes"], size: int) -> Float[Array, "{size}"]:
    """The share of each code."""
    return jnp.bincount(codes.reshape(-1), length=size) / codes.size


def perplexity(shares: Float[Array, "V"]) -> Float[Array, ""]:
    """exp of the entropy of code shares: how many codes are in even use; V at most."""
    return jnp.exp(jnp.sum(jax.scipy.special.entr(shares / jnp.sum(shares))))


def usage(shares: Float[Array, "V"]) -> Float[Array, ""]:
    """The fraction of codes whose share is at least a tenth of an even one."""
    return jnp.mean(shares / jnp.sum(shares) >= 0.1 / shares.shape[0])
