"""Multi-head attention: self, masked, cached and cross."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.nn import initializers
from jaxtyping import Array, Bool, Float, Int

from vidgen.nn.positions import rotate

_watched: ContextVar[Mapping[int, list[Any]]] = ContextVar("_watched", default=MappingProxyType({}))
"""Where attentions that are observed leave their weights, by their identity. Modules hold nothing
but weights (`nn.Network`), so that this cannot stand in them."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class KeyValues:
    """Projected keys and values, to be attended to any number of times.

    Attributes:
        keys: float [B M G F], G heads of F features.
        values: float [B M G F].
    """

    keys: Float[Array, "B M G F"]
    values: Float[Array, "B M G F"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Cache:
    """Keys and values as the products of a single query with them take them.

    As `KeyValues` lays them out they would be transposed in each step, for longer than the
    products take.

    Attributes:
        keys: float [B G F M], G heads of F features.
        values: float [B G M F].
    """

    keys: Float[Array, "B G F M"]
    values: Float[Array, "B G M F"]


class Attention(nnx.Module):
    """Scaled dot-product attention with normalised queries and keys.

    Args:
        width: features of a token.
        heads: number of heads; must divide the width.
        source_width: features of the tokens attended to, if they are others (cross attention).
        null: adds one learned, always visible key and value. Every attention over a condition
            needs it: with an all-False mask softmax attends uniformly, and a masked caption would
            leak into the unconditional pass.
        zero: starts with an output of 0, for a residual; False where a gate does.
        rngs: source of the initial weights.

    References: Vaswani et al. (2017); query-key normalisation: Henry et al. (2020).

    Raises:
        ValueError: if the heads do not divide the width.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        source_width: int | None = None,
        null: bool = False,
        zero: bool = True,
        rngs: nnx.Rngs,
    ) -> None:
        if width % heads:
            raise ValueError(f"{heads} heads do not divide a width of {width}")
        self.heads = heads
        source_width = source_width or width
        self.query = nnx.Linear(width, width, use_bias=False, rngs=rngs)
        self.key = nnx.Linear(source_width, width, use_bias=False, rngs=rngs)
        self.value = nnx.Linear(source_width, width, use_bias=False, rngs=rngs)
        last = initializers.zeros if zero else initializers.lecun_normal()
        self.out = nnx.Linear(width, width, kernel_init=last, rngs=rngs)
        self.query_norm = nnx.RMSNorm(width // heads, rngs=rngs)
        self.key_norm = nnx.RMSNorm(width // heads, rngs=rngs)
        if null:
            draw = initializers.normal(0.02)
            self.null_key = nnx.Param(draw(rngs.params(), (heads, width // heads)))
            self.null_value = nnx.Param(draw(rngs.params(), (heads, width // heads)))
        self.null = null

    def project(
        self, source: Float[Array, "B M S"], *, angles: Float[Array, "M half"] | None = None
    ) -> KeyValues:
        """Keys and values of `source`, to be attended to any number of times."""
        keys, values = self._split(self.key(source)), self._split(self.value(source))
        keys = self.key_norm(keys)
        return KeyValues(keys=keys if angles is None else rotate(keys, angles), values=values)

    def __call__(
        self,
        x: Float[Array, "B N D"],
        source: Float[Array, "B M S"] | KeyValues | None = None,
        *,
        mask: Bool[Array, "..."] | None = None,
        angles: Float[Array, "N half"] | None = None,
        source_angles: Float[Array, "M half"] | None = None,
    ) -> Float[Array, "B N D"]:
        """Attend from `x` to `source`.

        Args:
            x: the tokens that ask.
            source: the tokens that answer, or their `KeyValues`; `x` itself if None.
            mask: True where a query may see a key: [B M] over keys, or [B N M]; B of 1 is of all.
                Never [N M], which could not be told from [B M] where there are as many queries as
                rows.
            angles: rotary angles of `x`; also of its keys in self attention.
            source_angles: rotary angles of another `source`.

        Raises:
            ValueError: if the mask has another shape.
        """
        if source is None:
            source, source_angles = x, angles
        memory = source
        if not isinstance(memory, KeyValues):
            memory = self.project(memory, angles=source_angles)
        query = self.query_norm(self._split(self.query(x)))
        if angles is not None:
            query = rotate(query, angles)
        keys, values = memory.keys, memory.values
        full = None if mask is None else _full(mask, x.shape[0], x.shape[1], keys.shape[1])
        if self.null:
            keys, values = self._with_null(keys, values)
            if full is not None:
                full = jnp.pad(full, [(0, 0), (0, 0), (0, 0), (1, 0)], constant_values=True)
        watched = _watched.get()
        if id(self) in watched:
            watched[id(self)].append(_weights(query, keys, full))
        y = jax.nn.dot_product_attention(query, keys, values, mask=full)
        return self.out(y.reshape(x.shape))

    def step(
        self,
        x: Float[Array, "B 1 D"],
        cache: Cache,
        index: Int[Array, ""],
        *,
        angles: Float[Array, "1 half"] | None = None,
    ) -> tuple[Float[Array, "B 1 D"], Cache]:
        """Causal self attention of one new token, at `index`, over a cache of earlier ones.

        Returns:
            The token's output, and the cache with the token written into it.
        """
        new = _cached(self.project(x, angles=angles))
        write = jax.lax.dynamic_update_slice_in_dim
        cache = Cache(
            keys=write(cache.keys, new.keys, index, axis=3),
            values=write(cache.values, new.values, index, axis=2),
        )
        seen = jnp.arange(cache.keys.shape[3]) <= index
        return self._look(x, cache, seen[None], angles), cache

    def look(
        self,
        x: Float[Array, "B 1 D"],
        cache: Cache,
        *,
        mask: Bool[Array, "B M"] | None = None,
    ) -> Float[Array, "B 1 D"]:
        """Attention of one token to what was remembered; gives what `__call__` gives."""
        if mask is None:
            return self._look(x, cache, None, None)
        if self.null:
            mask = jnp.pad(mask, [(0, 0), (1, 0)], constant_values=True)
        return self._look(x, cache, mask, None)

    def remember(self, source: Float[Array, "B M S"]) -> Cache:
        """Keys and values of `source` for `look`."""
        memory = self.project(source)
        if self.null:
            keys, values = self._with_null(memory.keys, memory.values)
            memory = KeyValues(keys=keys, values=values)
        return _cached(memory)

    def empty_cache(self, batch: int, length: int) -> Cache:
        """A cache for `length` tokens."""
        width = self.query.out_features // self.heads
        return Cache(
            keys=jnp.zeros((batch, self.heads, width, length)),
            values=jnp.zeros((batch, self.heads, length, width)),
        )

    def _look(
        self,
        x: Float[Array, "B 1 D"],
        cache: Cache,
        seen: Bool[Array, "#B M"] | None,
        angles: Float[Array, "1 half"] | None,
    ) -> Float[Array, "B 1 D"]:
        query = self.query_norm(self._split(self.query(x)))
        if angles is not None:
            query = rotate(query, angles)
        scores = jnp.einsum("bngf,bgfm->bgnm", query, cache.keys) / query.shape[-1] ** 0.5
        if seen is not None:
            scores = jnp.where(seen[:, None, None], scores, jnp.finfo(scores.dtype).min)
        shares = jax.nn.softmax(scores.astype(jnp.float32), axis=-1).astype(cache.values.dtype)
        y = jnp.einsum("bgnm,bgmf->bngf", shares, cache.values)
        return self.out(y.reshape(x.shape))

    def _split(self, x: Float[Array, "B M D"]) -> Float[Array, "B M G F"]:
        return x.reshape(*x.shape[:2], self.heads, -1)

    def _with_null(
        self, keys: Float[Array, "B M G F"], values: Float[Array, "B M G F"]
    ) -> tuple[Float[Array, "B M1 G F"], Float[Array, "B M1 G F"]]:
        def first(null: nnx.Param[Array], rows: Array) -> Array:
            one = jnp.broadcast_to(null.get_value()[None, None], (rows.shape[0], 1, *null.shape))
            return jnp.concatenate([one, rows], axis=1)

        return first(self.null_key, keys), first(self.null_value, values)


def observe(module: nnx.Module, name: str, run: Callable[[], Any]) -> list[Float[Array, "B G N M"]]:
    """What the attentions of a module look at while it runs.

    Args:
        module: bound to its weights; nothing of it is recomputed from here on.
        name: of the attentions that are observed, as attributes of whatever holds them.
        run: calls the module; traceable.

    Returns:
        The weights of each attention of that name, in the order of their paths: of G heads, from N
        queries to M keys, a null key first where there is one. They sum to 1 over the keys.
    """
    watched: dict[int, list[Array]] = {}
    for path, part in nnx.iter_modules(module):
        if isinstance(part, Attention) and path and path[-1] == name:
            watched[id(part)] = []
        if getattr(part, "remat", False):
            part.remat = False  # type: ignore[attr-defined] # what is recomputed cannot be kept
    before = _watched.set(watched)
    try:
        run()
    finally:
        _watched.reset(before)
    return [weights for kept in watched.values() for weights in kept]


def _weights(
    query: Float[Array, "B N G F"], keys: Float[Array, "B M G F"], mask: Array | None
) -> Float[Array, "B G N M"]:
    scores = jnp.einsum("bngf,bmgf->bgnm", query, keys).astype(jnp.float32)
    scores = scores / query.shape[-1] ** 0.5
    if mask is not None:
        scores = jnp.where(mask, scores, -jnp.inf)
    return jax.nn.softmax(scores, axis=-1)


def _cached(memory: KeyValues) -> Cache:
    return Cache(keys=memory.keys.transpose(0, 2, 3, 1), values=memory.values.transpose(0, 2, 1, 3))


def causal_mask(length: int) -> Bool[Array, "1 N N"]:
    """True where a query may see a key that is not later than itself."""
    return jnp.tril(jnp.ones((length, length), bool))[None]


def _full(mask: Array, batch: int, queries: int, keys: int) -> Bool[Array, "B 1 N M"]:
    if mask.shape in ((batch, queries, keys), (1, queries, keys)):
        full = mask[:, None]
    elif mask.shape in ((batch, keys), (1, keys)):
        full = mask[:, None, None]
    else:
        raise ValueError(
            f"a mask of {mask.shape} fits neither [B M] = {(batch, keys)} "
            f"nor [B N M] = {(batch, queries, keys)}, with B of 1 for all"
        )
    return jnp.broadcast_to(full, (batch, 1, queries, keys))
