"""Changes to an experiment by dotted path, as ``--set diffusion.optimizer.learning_rate=1e-3``."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from vidgen.comparison.experiment import Experiment
from vidgen.comparison.sampler import sampler_class, turned
from vidgen.registry import entry, suggest

SAMPLER = "sampler"
"""``<generator>.sampler.<field>`` reaches a generator's sampler settings."""

_OPTIONS = ("options", "train_options")


class OverrideError(ValueError):
    """An override that cannot be applied; the message says why."""


def parse(assignments: Sequence[str]) -> dict[str, str]:
    """``["a.b=1", "c=2"]`` as ``{"a.b": "1", "c": "2"}``.

    Raises:
        OverrideError: for one without an equals sign, or said twice.
    """
    found: dict[str, str] = {}
    for assignment in assignments:
        path, equals, value = assignment.partition("=")
        if not equals or not path.strip():
            raise OverrideError(f"{assignment!r} is no override; write diffusion.width=64")
        if path.strip() in found:
            raise OverrideError(f"{path.strip()!r} is set twice")
        found[path.strip()] = value.strip()
    return found


def apply(experiment: Experiment, changes: Mapping[str, Any]) -> Experiment:
    """The experiment with values changed.

    Args:
        experiment: where to start from.
        changes: by dotted path, whose first word is a generator of the experiment
            (``diffusion.width``, ``diffusion.sampler.steps``), ``options`` or ``train_options`` (of
            the source) or a field of the experiment (``prompts``, ``task.frames``,
            ``training.log_every``). A string is read as the field's type; other values are taken as
            they are.

    Raises:
        OverrideError: if a value does not fit its field.
        vidgen.registry.UnknownNameError: for a word of the path that is not known; near misses are
            suggested.
    """
    for path, value in changes.items():
        head, *rest = path.split(".")
        if rest and head in experiment.generators:
            experiment = _set_generator(experiment, head, rest, value, path)
        elif rest and head in _OPTIONS:
            if rest == ["split"]:
                raise OverrideError(f"{path}: set train_split, validation_split or test_split")
            options = {**(getattr(experiment, head) or {}), ".".join(rest): _guess(value)}
            experiment = dataclasses.replace(experiment, **{head: options})
        else:
            known = [f.name for f in dataclasses.fields(Experiment)] + list(experiment.generators)
            if head not in known:
                raise suggest(head, known, "setting or generator of this experiment")
            experiment = _set(experiment, [head, *rest], value, path)
    return experiment


def sampler_changes(generator: Any, changes: Mapping[str, str]) -> dict[str, Any]:
    """``{"steps": "40"}`` read as the fields of a generator's sampler settings.

    Raises:
        OverrideError: if the generator has none, or a value does not fit.
        vidgen.registry.UnknownNameError: for a field that they do not have.
    """
    kind = sampler_class(type(generator))
    if changes and kind is None:
        raise OverrideError(f"the generator {generator.card.name!r} has no sampler settings")
    settings = kind() if kind else None
    for name, value in changes.items():
        settings = _set(settings, [name], value, name)
    return {name: getattr(settings, name) for name in changes}


def _set_generator(
    experiment: Experiment, name: str, rest: list[str], value: Any, path: str
) -> Experiment:
    registered = entry(name)
    if rest[0] == SAMPLER:
        kind = sampler_class(registered.generator)
        now = experiment.samplers.get(name)
        start = turned(name, kind, now, {}) or (kind() if kind else None)
        if start is None or len(rest) < 2:
            raise OverrideError(f"{path}: {name} has no such sampler setting")
        samplers = {**experiment.samplers, name: _set(start, rest[1:], value, path)}
        return dataclasses.replace(experiment, samplers=samplers)
    config = experiment.generators[name]
    config = _set(registered.config() if config is None else config, rest, value, path)
    return dataclasses.replace(experiment, generators={**experiment.generators, name: config})


def _set(config: Any, path: list[str], value: Any, whole: str) -> Any:
    head, *rest = path
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        raise OverrideError(f"{whole}: a {type(config).__name__} has no field {head!r}")
    fields = [field.name for field in dataclasses.fields(config)]
    if head not in fields:
        raise suggest(head, fields, f"field of {type(config).__name__}")
    if rest:
        new = _set(getattr(config, head), rest, value, whole)
    else:
        hint = typing.get_type_hints(type(config), include_extras=True)[head]
        new = _read(hint, getattr(config, head), value, whole)
    try:
        return dataclasses.replace(config, **{head: new})
    except ValueError as error:
        raise OverrideError(f"{whole}={value}: {error}") from error


def _read(hint: Any, now: Any, value: Any, path: str) -> Any:
    if not isinstance(value, str):
        return value
    if hasattr(type(now), "parse"):
        return type(now).parse(value)
    if dataclasses.is_dataclass(now):
        inner = ", ".join(f"{path}.{field.name}" for field in dataclasses.fields(now))
        raise OverrideError(f"{path} has parts of its own: {inner}")
    if hint is Any:
        return _guess(value)
    if typing.get_origin(hint) is not None and issubclass(
        typing.get_origin(hint) if isinstance(typing.get_origin(hint), type) else object, Mapping
    ):
        raise OverrideError(f"{path} is a mapping; set one entry, as {path}.name=value")
    import jax
    import tyro

    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        # What is traced may also be an array, which nobody types.
        hint = typing.Union[tuple(k for k in typing.get_args(hint) if k is not jax.Array)]  # noqa: UP007
    try:
        arguments = [value] if hint is str else value.replace(",", " ").split()
        if value.lower() in ("true", "false", "none") and hint is not str:
            arguments = [value.capitalize()]  # as Python writes it, and as a shell's user does
        positional: Any = tyro.conf.Positional[hint]
        # Told not to print, tyro prints its errors all the same.
        with contextlib.redirect_stderr(io.StringIO()):
            return tyro.cli(positional, args=arguments, console_outputs=False)
    except SystemExit as error:
        wanted = getattr(hint, "__name__", str(hint))
        raise OverrideError(f"{path}={value}: cannot be read as {wanted}") from error


def _guess(value: Any) -> Any:
    """The plainest reading of a string whose type nobody declares."""
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(value.lower(), value)
