"""The question of a comparison: put together, checked, and recorded in its folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from vidgen import registry, text
from vidgen.comparison import catalogue, overrides, records
from vidgen.comparison import experiment as experiments
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.folder import (
    ComparisonFolder,
    FolderError,
    read_json,
    surroundings,
    write_json,
)
from vidgen.comparison.further import further
from vidgen.comparison.rows import COMPOSITIONAL, EQUAL_PARAMETERS, EQUAL_PRICES, FURTHER
from vidgen.comparison.setting import Setting
from vidgen.training import Budget

_ONE_A_FOLDER = ("horizon", "answers", "equal_flops", "equal_parameters")
"""What may be added to a finished comparison, and then stays as it is."""

_PRESENT = ("horizon", "answers")
"""Those that are asked of a run itself, each time anew."""


def resolve(
    experiment: str | Experiment,
    seeds: Sequence[int] | None = None,
    budget: Budget | str | None = None,
    generators: Sequence[str] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Experiment:
    """The experiment with everything that was asked for applied and every default written out."""
    found = catalogue.find(experiment) if isinstance(experiment, str) else experiment
    found = found.select(generators=generators, seeds=seeds, budget=budget)
    return settle(found, changes or {})


def settle(experiment: Experiment, changes: Mapping[str, Any]) -> Experiment:
    """The experiment with changes applied and every default written out; its task has as many
    features a word as the text encoder makes, if that has a width of its own.

    Raises:
        vidgen.comparison.overrides.OverrideError: see `overrides.apply`.
        Exception: see `vidgen.text.own_width`, for an encoder that is not here.
    """
    experiment = overrides.apply(experiment, changes).resolve()
    task = experiment.task
    width = text.own_width(experiment.text_encoder, task.text_length)
    if width in (None, task.text_width):
        return experiment
    if "task.text_width" in changes:
        raise overrides.OverrideError(
            f"task.text_width={task.text_width}: the encoder {experiment.text_encoder!r} has a "
            f"width of its own, {width}; leave task.text_width away"
        )
    return dataclasses.replace(experiment, task=dataclasses.replace(task, text_width=width))


def prepare(experiment: Experiment, out: epath.PathLike | None = None) -> list[Setting]:
    """Check a comparison and record it in its folder; nothing is trained.

    Args:
        experiment: resolved.
        out: the run folder; ``runs/<experiment>`` by default.

    Returns:
        The setting of each of its questions: of the experiment's own, and of the further ones that
        it asks.

    Raises:
        FolderError: see `write_record`.
        ValueError: see `write_record`; nothing is written.
    """
    folder = ComparisonFolder.at(out or f"runs/{experiment.name}")
    asked = further(experiment, _sizes(experiment, folder))
    settings = {name: Setting(one, folder.further(name)) for name, one in asked.items()}
    for name, setting in settings.items():  # before anything is written for the first question
        setting.check() if name == COMPOSITIONAL else setting.check_training()
    found = [Setting(experiment, folder), *settings.values()]
    for setting in found:
        write_record(setting, sized_from=experiment)
    return found


def write_record(setting: Setting, *, sized_from: Experiment | None = None) -> None:
    """Check the setting of a comparison, and then record it in its folder.

    Seeds, generators and shares may be added to a folder; what all of its runs have in common may
    not change. An equal price at which nothing was trained yet binds nobody.

    Args:
        setting: of the comparison.
        sized_from: the experiment whose configs were sized where this is one at equal parameters.

    Raises:
        FolderError: if the folder holds a comparison with another question; the differences are
            named.
        ValueError: if the experiment does not fit together, see `Setting.check`; nothing is
            written, so that the corrected one finds no trace of it.
    """
    experiment, folder = setting.experiment, setting.folder
    now = experiments.to_json(experiment)
    names = list(experiment.generators)
    cards = {name: dataclasses.asdict(registry.entry(name).generator.card) for name in names}
    anchors: list[str] = []
    present = {key: now[key] for key in _PRESENT if key in now}
    start = {}
    if folder.path.name == EQUAL_PARAMETERS and sized_from is not None:
        start = experiments.to_json(sized_from)["generators"]
    if folder.experiment.exists() and (folder.holds_court or folder.runs()):
        before = read_json(folder.experiment)
        changes = records.difference(
            experiments.shared(before["experiment"]), experiments.shared(now)
        )
        bound = [key for key in _ONE_A_FOLDER if _binds(folder, key)]
        changes += _asked_otherwise(before["experiment"], now, bound)
        if changes:
            raise FolderError(
                f"{folder.path} holds a comparison with another question:\n  "
                + "\n  ".join(changes)
                + "\nChoose another --out, or remove that folder"
            )
        now = _joined(before["experiment"], now, bound)
        start = before.get("sized_from", {}) | start
        names = list(dict.fromkeys([*before["order"], *names]))
        cards = before["cards"] | cards
        anchors = [name for name in before["anchors"] if name not in names]
    setting.check()
    write_json(
        folder.experiment,
        {
            "hash": records.fingerprint(experiments.decisive(now)),
            "experiment": now,
            "present": present,
            "order": names,
            "cards": cards,
            "anchors": anchors,
            **({"sized_from": start} if start else {}),
            **surroundings(),
        },
    )
    setting.keep()


def setting_of(folder: ComparisonFolder) -> Setting:
    """The setting of a comparison as its folder records it.

    Raises:
        FolderError: if the folder holds no comparison.
    """
    return Setting(experiments.from_json(read_json(folder.experiment)["experiment"]), folder)


def setting_of_jobs(folder: ComparisonFolder) -> Setting:
    """The setting in which jobs of a comparison are done by a process that did not put it together.

    It asks of a run what was asked last, where `setting_of` knows all that was ever asked.

    Raises:
        FolderError: if the folder holds no comparison.
    """
    record = read_json(folder.experiment)
    asked = record["experiment"]
    if "present" in record:
        asked = {k: v for k, v in asked.items() if k not in _PRESENT} | record["present"]
    return Setting(experiments.from_json(asked), folder)


def settings_of_jobs(folder: ComparisonFolder) -> list[Setting]:
    """The settings of all questions that a comparison's folder records, see `setting_of_jobs`."""
    others = [folder.further(question) for question in FURTHER]
    return [
        setting_of_jobs(one)
        for one in (folder, *others)
        if one is folder or one.experiment.exists()
    ]


def _sizes(experiment: Experiment, folder: ComparisonFolder) -> dict[str, Any]:
    """Configs of equal parameters that the folder holds, of generators that are as they were."""
    path = folder.further(EQUAL_PARAMETERS).experiment
    if not path.exists():
        return {}
    record, now = read_json(path), experiments.to_json(experiment)["generators"]
    if read_json(folder.experiment)["experiment"].get("equal_parameters") != (
        experiment.equal_parameters
    ):
        return {}
    start = record.get("sized_from", {})
    return {
        name: records.decode(registry.entry(name).config, config)
        for name, config in record["experiment"]["generators"].items()
        if name in now and name in start and records.same(start[name], now[name])
    }


def _binds(folder: ComparisonFolder, key: str) -> bool:
    """Whether what was once asked in a folder stays: prices only where something was trained."""
    question = key.replace("_", "-")
    return question not in EQUAL_PRICES or bool(folder.further(question).runs())


def _asked_otherwise(before: records.Json, now: records.Json, bound: Sequence[str]) -> list[str]:
    """How two horizons, numbers of answers or equal prices differ where both times one was asked
    for: one folder has one.
    """
    both = [key for key in bound if key in before and key in now]
    return records.difference(*({key: data[key] for key in both} for data in (before, now)))


def _joined(before: records.Json, now: records.Json, bound: Sequence[str]) -> records.Json:
    """One record of all that was ever run in a folder."""
    joined = dict(now)
    for key in ("generators", "samplers"):
        joined[key] = {**before[key], **now[key]}
    if before.get("sweeps") or now.get("sweeps"):
        # As with configs, that of who takes part now is the one that was asked last, or none.
        swept = {**(before.get("sweeps") or {}), **(now.get("sweeps") or {})}
        asked_now = now.get("sweeps") or {}
        gone = now["generators"].keys() - asked_now.keys()
        joined["sweeps"] = {name: sweep for name, sweep in swept.items() if name not in gone}
    if before.get("compositional"):
        joined["compositional"] = True
    joined |= {key: before[key] for key in bound if key in before}
    for key in ("seeds", "curve"):
        joined[key] = sorted({*before[key], *now[key]})
    joined["name"] = before["name"]
    return joined
