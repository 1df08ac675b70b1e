"""How a name finds a class: built-in generators by folder, plug-ins by entry point.

Nothing is imported before its name is asked for. A plug-in that fails to import is shown as broken
by `listing` and disturbs nobody else.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any

from vidgen.contract import Card, Generator
from vidgen.types import Task

GROUP = "vidgen.generators"
"""Package of the built-in generators, and entry-point group of the others."""


class UnknownNameError(LookupError):
    """A name that nothing answers to; the message names the near misses."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A registered generator: its class and its frozen config dataclass."""

    name: str
    generator: type[Any]
    config: type[Any]

    def build(self, task: Task, config: Any = None) -> Generator:
        """The generator for a task; the config's defaults if none is given.

        Generators hold no state, so that equal questions are answered with the same one: what a
        forecast has traced of phases that a generator keeps, seconds of work each, the training
        that comes next in this process need not trace again.

        Raises:
            TypeError: if `config` is of another class than the one registered.
        """
        config = self.config() if config is None else config
        if not isinstance(config, self.config):
            raise TypeError(
                f"generator {self.name!r} takes a {self.config.__name__}, "
                f"got a {type(config).__name__}"
            )
        try:
            hash(config)
        except TypeError:  # a plug-in's, with a list in it
            return self.generator(config, task)
        # 1, 1.0 and True are equal and not traced alike.
        return _built(self.generator, config, repr(config), task)


@dataclasses.dataclass(frozen=True)
class Listed:
    """A name as `vidgen list` shows it: with its card, or with why it cannot be loaded."""

    name: str
    card: Card | None
    error: str = ""


@functools.lru_cache(maxsize=16)
def _built(generator: type[Any], config: Any, _: str, task: Task) -> Generator:
    return generator(config, task)


_entries: dict[str, Entry] = {}


def register(name: str, config: type[Any]) -> Callable[[type[Any]], type[Any]]:
    """Class decorator that registers a generator under `name` with its config dataclass.

    Example:
        >>> @register("mine", MyConfig)          # doctest: +SKIP
        ... class Mine: ...

    Raises:
        ValueError: if the name is taken by another class, the config is no frozen dataclass or has
            no ``tiny()`` preset, or the card bears another name.
    """

    def add(generator: type[Any]) -> type[Any]:
        taken = _entries.get(name)
        if taken is not None and _origin(taken.generator) != _origin(generator):
            raise ValueError(
                f"the name {name!r} is taken by {_origin(taken.generator)}; "
                f"{_origin(generator)} must choose another"
            )
        if not dataclasses.is_dataclass(config) or not config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            raise ValueError(f"the config of {name!r} must be a frozen dataclass")
        if not callable(getattr(config, "tiny", None)):
            raise ValueError(f"the config of {name!r} needs a tiny() preset for tests")
        if generator.card.name != name:
            raise ValueError(f"registered as {name!r}, but the card says {generator.card.name!r}")
        _entries[name] = Entry(name, generator, config)
        return generator

    return add


def names() -> list[str]:
    """All names that can be asked for, sorted, without importing any of them."""
    return sorted({*_built_in(), *_plugins(), *_entries})


def entry(name: str) -> Entry:
    """The entry of a name, importing the one module that registers it.

    Raises:
        UnknownNameError: if nothing answers to the name; near misses are suggested.
        ImportError: if the module that should register it cannot be imported or does not.
        ValueError: if two distributions claim the name.
    """
    if name not in _entries:
        _load(name)
    return _entries[name]


def listing() -> list[Listed]:
    """Every name with its card, or with the reason why it cannot be loaded."""
    listed = []
    for name in names():
        try:
            listed.append(Listed(name, entry(name).generator.card))
        except Exception as error:  # a broken plug-in may raise anything, and must not spread
            listed.append(Listed(name, None, f"{type(error).__name__}: {error}"))
    return listed


def suggest(name: str, known: Iterable[str], what: str) -> UnknownNameError:
    """The error for a name that is not known, with the near misses."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    if not near:
        by_lower = {other.lower(): other for other in known}
        near = [
            by_lower[other]
            for other in difflib.get_close_matches(name.lower(), by_lower, n=2, cutoff=0.5)
        ]
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "known: " + ", ".join(known)
    return UnknownNameError(f"no {what} is called {name!r}; {hint}")


def _load(name: str) -> None:
    plugins = _plugins()
    claims = plugins.get(name, [])
    if name in _built_in():
        if claims:
            raise ValueError(f"{claims[0].value} claims {name!r}, which is built in")
        importlib.import_module(_built_in()[name])
    elif len(claims) > 1:
        raise ValueError(f"{name!r} is claimed by " + " and ".join(c.value for c in claims))
    elif claims:
        try:
            claims[0].load()
        except Exception as error:
            raise ImportError(
                f"the plug-in {name!r} ({claims[0].value}) cannot be imported: {error}"
            ) from error
    else:
        raise suggest(name, names(), "generator")
    if name not in _entries:
        raise ImportError(f"importing {name!r} registered no generator of that name")


def _built_in() -> dict[str, str]:
    """Name to module: a folder bears the generator's name, and `baselines` holds several."""
    package = importlib.import_module(GROUP)
    found = {}
    for module in pkgutil.iter_modules(package.__path__):
        if not module.ispkg:
            continue
        path = f"{GROUP}.{module.name}"
        if module.name == "baselines":
            inner = importlib.import_module(path)
            modules = [f"{path}.{m.name}" for m in pkgutil.iter_modules(inner.__path__)]
        else:
            modules = [path]
        found |= {m.rpartition(".")[2].replace("_", "-"): m for m in modules}
    return found


def _plugins() -> dict[str, list[metadata.EntryPoint]]:
    found: dict[str, list[metadata.EntryPoint]] = {}
    for point in metadata.entry_points(group=GROUP):
        # One distribution seen through two paths (a clone and its install) is no conflict.
        if point.value not in [p.value for p in found.setdefault(point.name, [])]:
            found[point.name].append(point)
    return found


def _origin(cls: type[Any]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
