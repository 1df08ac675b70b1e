"""An NNX module seen as a pure function of a flat dictionary of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import jax
from flax import nnx

from vidgen.contract import Key

M = TypeVar("M", bound=nnx.Module)

Weights = dict[str, jax.Array]
"""Parameters by their path, ``"blocks.0.attention.query.kernel"``: one level, so that checkpoints,
optimiser labels and weight ports all speak of the same names."""


RUN_ONCE: dict[str, Any] = {"xla_backend_optimization_level": 0}
"""Options of the compiler for a program that runs once, as the one that draws first weights does:
random numbers for many arrays take it longer to compile at its best
(``benchmarks/optimisations.py``)."""


class _Stream(nnx.RngStream):
    """The keys of its base class, counted by a number of Python's instead of an array.

    Flax asks the array for its sharding at every key. A traced one has none, and to word that
    answer takes most of the time in which a network is traced (``benchmarks/optimisations.py``).
    """

    def __init__(self, key: Key) -> None:
        super().__init__(key, tag="default")
        self._drawn = 0

    def __call__(self) -> jax.Array:
        key = jax.random.fold_in(self.key[...], self._drawn)
        self._drawn += 1
        return key


class _Rngs(nnx.Rngs):
    """One such stream for everything."""

    default: _Stream

    def __init__(self, key: Key) -> None:
        super().__init__()
        self.default = _Stream(key)


class Network(Generic[M]):
    """A module's structure, kept apart from its weights.

    Example:
        >>> network = Network(lambda rngs: nnx.Linear(2, 3, rngs=rngs))
        >>> weights = network.init(jax.random.key(0))
        >>> sorted(weights)
        ['bias', 'kernel']
        >>> network.bind(weights)(jax.numpy.ones((1, 2))).shape
        (1, 3)

    Args:
        build: makes the module from `nnx.Rngs`; called once without computing anything, and again
            by `init`. The module may hold parameters only: statistics and codebooks are explicit
            arrays in `TrainState.rest`, and keys are arguments of the call.

    Raises:
        TypeError: if the module holds variables that are no `nnx.Param`.
    """

    def __init__(self, build: Callable[[nnx.Rngs], M]) -> None:
        self._build = build
        graphdef, state = nnx.split(nnx.eval_shape(lambda: build(_Rngs(jax.random.key(0)))))
        self._graphdef: nnx.GraphDef[M] = graphdef
        self._paths: dict[str, tuple[Any, ...]] = {}
        self._variables = {}
        for path, variable in nnx.to_flat_state(state):
            name = ".".join(map(str, path))
            if not issubclass(variable.type, nnx.Param):
                raise TypeError(f"{name} is a {variable.type.__name__}, not a parameter")
            self._paths[name] = path
            self._variables[name] = variable

    def init(self, key: Key) -> Weights:
        """Fresh weights. Pure and traceable."""
        state = nnx.state(self._build(_Rngs(key)))
        return {".".join(map(str, p)): v.get_value() for p, v in nnx.to_flat_state(state)}

    def bind(self, weights: Weights) -> M:
        """The module with these weights; call it or any of its methods.

        Raises:
            KeyError: naming every weight that is missing or not known.
        """
        if weights.keys() != self._paths.keys():
            missing = sorted(self._paths.keys() - weights.keys())
            unknown = sorted(weights.keys() - self._paths.keys())
            raise KeyError(f"weights do not fit the network: missing {missing}, unknown {unknown}")
        flat = [
            (path, self._variables[name].replace(weights[name]))
            for name, path in self._paths.items()
        ]
        return nnx.merge(self._graphdef, nnx.from_flat_state(flat), copy=True)
