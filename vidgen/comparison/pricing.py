"""What sampling costs, timed again: every run of a comparison, one after another, on one machine.

Jobs that ran side by side timed their clips beside each other's work, and those of several machines
on whatever these were. `vidgen price` asks all of them again where there is nothing else to do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console

from vidgen import registry
from vidgen.allocator import keep_freed_memory
from vidgen.comparison import records
from vidgen.comparison.folder import (
    ComparisonFolder,
    FolderError,
    RunFolder,
    of_run,
    read_json,
    write_json,
)
from vidgen.comparison.jobs import Job, let_go, restored
from vidgen.comparison.price import Stopwatch, latency, rate, watch_neighbours
from vidgen.comparison.question import setting_of
from vidgen.comparison.rows import FURTHER
from vidgen.comparison.sampler import sampler_class
from vidgen.comparison.setting import Setting
from vidgen.comparison.wording import seconds
from vidgen.training import CheckpointError, devices_here
from vidgen.types import Params


def price_again(folder: ComparisonFolder, console: Console) -> list[RunFolder]:
    """Time the sampling of every run that has answered, and of every setting that it tried.

    Answers and scores stay as they are; of ``price.json`` and ``selection.json`` only what sampling
    takes is written anew.

    Args:
        folder: of a comparison, whose further questions are asked, too.
        console: where each run is told.

    Returns:
        The runs that were not timed, whose prices stay: those without whole weights, and those that
        answered another question than their comparison asks now.

    Raises:
        FolderError: if no run has answered, or none has weights; nothing is written then.
    """
    parts = [folder, *(folder.further(question) for question in FURTHER)]
    parts = [part for part in parts if part.experiment.exists()]
    runs = [run for part in parts for run in part.runs() if run.price.exists()]
    if not runs:
        raise FolderError(f"{folder.path} holds no run that has answered; run `vidgen compare`")
    # Baselines have none, and would be timed here while all others were timed elsewhere.
    if not any((run.path / "checkpoints").exists() for run in runs):
        raise FolderError(
            f"{folder.path} holds no weights: prices are timed where its runs were trained"
        )
    keep_freed_memory()
    return [run for part in parts for run in _price_part(part, console)]


def _price_part(folder: ComparisonFolder, console: Console) -> Iterator[RunFolder]:
    """Time one part of a comparison; gives the runs that cannot be."""
    setting = setting_of(folder)
    for name in setting.experiment.generators:
        # One function for all seeds and shares, which then compile once.
        sample = None
        for run in folder.runs():
            _, generator_name, seed, share = of_run(run.path)
            if generator_name != name or not run.price.exists():
                continue
            job = Job(generator=name, seed=seed, share=share)
            before = read_json(run.price)
            try:
                if not records.same(before.get("asked"), setting.asked(name, seed, share)):
                    raise FolderError("it answered another question than is asked now")
                generator, params, sampler = restored(job, setting)
            except (CheckpointError, FolderError) as error:
                console.print(f"{job}: not timed, {error}", markup=False, soft_wrap=True)
                yield run
                continue
            sample = sample or setting.compiled(generator.sample)
            told = seconds(_price_run(run, setting, name, sample, params, sampler))
            then = before.get("sampling_p50")
            told += "" if then is None else f", {seconds(then)} before"
            console.print(f"{job}: {told} a clip", markup=False, highlight=False)
        let_go()


def _price_run(
    run: RunFolder,
    setting: Setting,
    name: str,
    sample: Any,
    params: Mapping[str, Params],
    sampler: Any,
) -> float:
    """Time what answered and whatever else was tried; returns seconds a clip."""
    experiment = setting.experiment
    rows = min(experiment.answer_batch, experiment.prompts)

    def timed(sampler: Any) -> dict[str, float | None]:
        watch = Stopwatch(sample, params, sampler)
        single = latency(watch, experiment.task, repeats=experiment.latency_repeats)
        return single | rate(watch, experiment.task, rows=rows)

    with watch_neighbours() as neighbours:
        price = timed(sampler)
    if run.selection.exists():
        kind = sampler_class(registry.entry(name).generator)
        selection = read_json(run.selection)
        found = {json.dumps(records.encode(sampler)): price}
        for tried in selection["tried"]:
            key = json.dumps(tried["sampler"])
            if key not in found:  # checkpoints with the same settings cost the same
                found[key] = timed(records.decode(kind or Any, tried["sampler"]))
            tried["price"] = found[key]
        write_json(run.selection, selection)
    told = {"device": devices_here(), "neighbours": neighbours.share, **price}
    write_json(run.price, read_json(run.price) | told)
    took = price["sampling_p50"]
    assert took is not None
    return took
