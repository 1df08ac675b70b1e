"""What a search tries: where it starts, and what Optuna proposes after what was tried before."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from vidgen.registry import suggest
from vidgen.space import Choice, Dimension, Range, Searchable, Space, fields_of

Point = Mapping[str, Any]
"""A value for each dimension of a space."""

STARTUP = 5
"""Trials, the start among them, before proposals learn from the others; until then they are drawn
at random."""


def declared(name: str, config: Any) -> Space:
    """The search space of a config, which must lie in it.

    Args:
        name: of the generator, for messages.
        config: where the search starts.

    Raises:
        ValueError: if the config declares no space, or one that it does not fit.
        vidgen.registry.UnknownNameError: for a field that it does not have.
    """
    if not isinstance(config, Searchable):
        raise ValueError(
            f"the generator {name!r} declares no search space: give {type(config).__name__} a "
            "class method search_space() that maps fields to Range or Choice, see vidgen/space.py"
        )
    space = config.search_space()
    if not space:
        raise ValueError(f"the search space of {name!r} is empty")
    turned = [field for path in space for field in fields_of(space, path)]
    for field in turned:
        if turned.count(field) > 1:
            raise ValueError(f"the search space of {name!r} turns {field} by two dimensions")
    for path, dimension in space.items():
        value = _value(config, path)
        if value not in dimension:
            raise ValueError(
                f"the search of {name!r} starts at {path}={value!r}, which is not in {dimension}"
            )
        for other in dimension.also:
            held = _value(config, other)
            if type(held) is not type(value) or held != value:
                raise ValueError(
                    f"the search of {name!r} gives {path} and {other} one value, but would start "
                    f"at {value!r} and {held!r}: set both alike"
                )
        ends = (dimension.low, dimension.high) if isinstance(dimension, Range) else ()
        if isinstance(value, int) and not all(isinstance(end, int) for end in ends):
            raise ValueError(f"{name}.{path} is a whole number, so its range needs whole ends")
    return space


def start(space: Space, config: Any) -> dict[str, Any]:
    """The point of a space where a config lies."""
    return {path: _value(config, path) for path in space}


def propose(
    space: Space, begin: Point, past: Iterable[tuple[Point, float | None]], *, seed: int
) -> dict[str, Any]:
    """The next point: the start first, then random ones, then those of a Parzen estimator.

    A function of its arguments alone: the optimiser is seeded anew for every trial, so that a
    search which was stopped goes on as an undisturbed one does.

    Args:
        space: what may be turned.
        begin: the start.
        past: every point that was tried, in order, and how good it is (higher is better), None
            where the trial failed, which counts as much as the worst of the others: Optuna forgets
            what failed, and would go there again.
        seed: of the whole search.

    Raises:
        ImportError: if Optuna is not installed, with what to install.

    References: Bergstra et al., "Algorithms for hyper-parameter optimization" (2011); the estimator
    is Optuna's, of all dimensions jointly.
    """
    optuna = load_optuna()
    past = list(past)
    if not past:
        return dict(begin)
    distributions = {path: _distribution(space[path], begin[path]) for path in space}
    (lot,) = np.random.SeedSequence([seed, len(past)]).generate_state(1)
    sampler = optuna.samplers.TPESampler(seed=int(lot), n_startup_trials=STARTUP)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    worst = min((merit for _, merit in past if merit is not None), default=0.0)
    for point, merit in past:
        study.add_trial(
            optuna.create_trial(
                value=worst if merit is None else merit,
                params=dict(point),
                distributions=distributions,
            )
        )
    return study.ask(distributions).params


def load_optuna() -> Any:
    """The package, which says nothing of its own accord.

    Raises:
        ImportError: if it is not installed, with what to install.
    """
    try:
        import optuna
    except ImportError as error:
        raise ImportError(
            "a search takes its proposals from Optuna, which is not installed: "
            "pip install 'vidgen[tune]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _distribution(dimension: Dimension, value: Any) -> Any:
    """Of Optuna, for a field that holds `value`."""
    of = load_optuna().distributions
    if isinstance(dimension, Choice):
        return of.CategoricalDistribution(dimension.values)
    kind = of.IntDistribution if isinstance(value, int) else of.FloatDistribution
    return kind(dimension.low, dimension.high, log=dimension.log)


def _value(config: Any, path: str) -> Any:
    for word in path.split("."):
        if not dataclasses.is_dataclass(config):
            raise ValueError(f"{path}: a {type(config).__name__} has no field {word!r}")
        fields = [field.name for field in dataclasses.fields(config)]
        if word not in fields:
            raise suggest(word, fields, f"field of {type(config).__name__}")
        config = getattr(config, word)
    return config
