"""Presets: the config that a search found, in a file that a comparison takes up.

On the command line ``--preset gan=FILE``; in an experiment's file
``generators={"gan": preset(FILE)}``. Beside the config stands which search it comes from, since a
comparison is a fair one where every family was searched alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etils import epath

from vidgen import bucket, registry
from vidgen.comparison import records
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import FolderError, read_json, write_json


@dataclasses.dataclass(frozen=True, kw_only=True)
class Effort:
    """How much a search was given.

    Attributes:
        trials: trainings, the failed ones and that of the start among them.
        budget: of each.
        dimensions: of the search space.
    """

    trials: int
    budget: str
    dimensions: int

    def __str__(self) -> str:
        return f"{self.trials} trials of {self.budget} over {self.dimensions} values"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """A config, and the search that found it.

    Attributes:
        generator: its name.
        config: of the class that is registered for it.
        effort: of the search.
    """

    generator: str
    config: Any
    effort: Effort


def write(path: epath.Path, found: Preset, origin: Mapping[str, Any]) -> None:
    """Write a preset, with where it comes from."""
    content = {
        "generator": found.generator,
        "config": records.encode(found.config),
        "effort": records.encode(found.effort),
        "origin": dict(origin),
    }
    write_json(path, content)


def read(path: epath.PathLike) -> Preset:
    """The preset in a file.

    Raises:
        FolderError: if the file is absent, damaged, of a newer schema or no preset.
        vidgen.registry.UnknownNameError: if its generator is not installed here.
    """
    data = read_json(bucket.anywhere(path))
    try:
        kind = registry.entry(data["generator"]).config
        return Preset(
            generator=data["generator"],
            config=records.decode(kind, data["config"]),
            effort=records.decode(Effort, data["effort"]),
        )
    except KeyError as error:
        raise FolderError(f"{path} is no preset: it has no {error}") from error
    except ValueError as error:
        raise FolderError(f"{path} is no preset of this version: {error}") from error


def preset(path: epath.PathLike) -> Any:
    """The config in a preset's file, for an experiment's `generators`.

    Raises:
        FolderError: as `read`.
    """
    return read(path).config


def named(assignments: Iterable[str]) -> dict[str, Preset]:
    """``["gan=FILE"]`` as presets by generator.

    Raises:
        ValueError: for one without an equals sign, said twice, or of another generator.
        FolderError: as `read`.
    """
    found: dict[str, Preset] = {}
    for assignment in assignments:
        name, equals, path = assignment.partition("=")
        if not equals or not path:
            raise ValueError(f"{assignment!r} names no preset; write gan=FILE")
        if name in found:
            raise ValueError(f"two presets for {name!r}")
        found[name] = read(path)
        if found[name].generator != name:
            raise ValueError(f"{path} is a preset of {found[name].generator!r}, not of {name!r}")
    return found


def apply(experiment: Experiment, presets: Mapping[str, Preset]) -> Experiment:
    """The experiment with the configs of presets.

    Raises:
        vidgen.registry.UnknownNameError: for a preset of a generator that does not take part.
    """
    for name in presets:
        if name not in experiment.generators:
            raise registry.suggest(name, experiment.generators, "generator of this experiment")
    configs = {name: found.config for name, found in presets.items()}
    return dataclasses.replace(experiment, generators={**experiment.generators, **configs})


def uneven(presets: Mapping[str, Preset], generators: Sequence[str]) -> str:
    """Why generators would not be compared fairly under presets; empty where they would.

    Baselines, which nobody searches, do not count.
    """
    learning = [n for n in generators if registry.entry(n).generator.card.family != "baseline"]
    untuned = [name for name in learning if name not in presets]
    efforts = {name: str(presets[name].effort) for name in learning if name in presets}
    if not efforts or len(learning) < 2:
        return ""
    if untuned or len(set(efforts.values())) > 1:
        given = [f"{name} {effort}" for name, effort in efforts.items()]
        given += [f"{name} none" for name in untuned]
        return "not an even comparison: the search for presets was given " + "; ".join(given)
    return ""
