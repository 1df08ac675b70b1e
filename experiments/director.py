"""Does a director understand long descriptions, and does it help to have one?

    python experiments/director.py                       # what it understands
    python experiments/director.py --generators gan autoregressive masked diffusion meanflow

The director learns the scripts of `stories` ("the red square begins at the top and first goes
left , then ...") from their usual tellings. First line by line: of descriptions of the test split,
told as in training, told in combinations of parts that were held out, and paraphrased in words that
were never heard, the share that it turns into exactly their script, the share that it refuses, the
share that it takes for another story, and the overlap of the script's boxes with the true ones,
where it has one. With `--generators` each named family learns stories too, half of them with their
layout, and answers the same prompts twice from the sentence alone, with the same keys: as they are,
and with the layout of the director's script; how far off their objects are is told of the clips in
which they were seen both times. Intervals are 95%: Wilson's of shares, t of means, over prompts; a
prompt that several directors read counts once, as their mean.

Expected: what three directors understood of 512 descriptions a line::

    told, objects   exact                 refused               another story         overlap
    usual, 1        1.000 [0.993, 1.000]  0.000 [0.000, 0.007]  0.000 [0.000, 0.007]  0.827
    usual, 2        1.000 [0.993, 1.000]  0.000 [0.000, 0.007]  0.000 [0.000, 0.007]  0.829
    held-out, 1     1.000 [0.993, 1.000]  0.000 [0.000, 0.007]  0.000 [0.000, 0.007]  0.827
    held-out, 2     1.000 [0.993, 1.000]  0.000 [0.000, 0.007]  0.000 [0.000, 0.007]  0.829
    paraphrased, 1  0.023 [0.013, 0.041]  0.965 [0.946, 0.978]  0.011 [0.005, 0.024]  0.641
    paraphrased, 2  0.000 [0.000, 0.007]  0.999 [0.991, 1.000]  0.001 [0.000, 0.009]  -

New combinations of known parts are understood to the last word; words that it never heard are gaps
to it, and it refuses nearly all of such paraphrases rather than guess. The overlap is what is left
open by a description, which does not say how large a shape is; it is of scripts with the right
objects. Of a fourth leg, of which it never heard, it says nothing.

What five families made of 256 prompts without a first frame, on 2.4e13 FLOPs each, seed 0::

                    success without       success with          px off without     px off with
    gan             0.000 [0.000, 0.015]  0.000 [0.000, 0.015]  11.5 [10.9, 12.1]  10.6 [10.1, 11.1]
    autoregressive  0.000 [0.000, 0.015]  0.062 [0.039, 0.099]  12.3 [11.6, 12.9]  0.6 [0.6, 0.6]
    masked          0.000 [0.000, 0.015]  0.020 [0.008, 0.045]  11.5 [11.0, 12.1]  0.5 [0.5, 0.6]
    diffusion       0.000 [0.000, 0.015]  0.383 [0.325, 0.444]  12.2 [11.7, 12.6]  0.2 [0.2, 0.2]
    meanflow        0.000 [0.000, 0.015]  0.113 [0.080, 0.158]  12.5 [12.1, 12.9]  0.3 [0.3, 0.3]

From the long sentence alone nobody puts even one clip of 256 right: the right shapes in the wrong
places, or theirs and their colours exchanged. Directed, four families put both shapes within half a
pixel or so of their paths, and what is left to fail is their form (codes smear the two where they
pass each other); the gan, which carries one painted canvas along one flow, draws streaks either
way.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from vidgen.atomic import replacing
from vidgen.comparison import Budget, Experiment, compare
from vidgen.comparison.folder import ComparisonFolder
from vidgen.comparison.jobs import Job, let_go, restored
from vidgen.comparison.question import setting_of
from vidgen.data.stories import TELLINGS, Stories, stories
from vidgen.director import Director, DirectorConfig, train_director
from vidgen.evaluation import answer, oracle_for
from vidgen.evaluation.detection import box_overlaps
from vidgen.evaluation.statistics import average, proportion, repeated
from vidgen.types import Plan, Score, Task

SCHEMA_VERSION = 1

OBJECTS = (1, 2)
"""Of the stories that the director reads."""

experiment = Experiment(
    name="director",
    task=Task(
        frames=16,
        height=32,
        width=32,
        channels=3,
        context_frames=1,
        text_length=56,
        objects=2,
    ),
    source="stories",
    generators={"diffusion": None},
    budget=Budget(2.4e13, "flops"),
    prompts=512,
    metrics=("oracle", "pixel"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Who learns for how long.

    Attributes:
        seeds: of the director's trainings; the first one directs.
        config: of the director.
        descriptions: of the test split, a way of telling.
        generators: who is directed; nobody by default.
        budget: of each generator's training.
        prompts: half of them without a first frame; those are asked.
        folder: of the director and the comparison.
        out: where the JSON goes.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    config: DirectorConfig = dataclasses.field(default_factory=DirectorConfig)
    descriptions: int = 512
    generators: tuple[str, ...] = ()
    budget: str = "2.4e13flops"
    prompts: int = 512
    folder: Path = Path("runs/director")
    out: Path = Path("director.json")


def main(settings: Settings) -> int:
    """Train, ask, print and write."""
    directors = [
        train_director(
            [stories(objects=objects) for objects in OBJECTS],
            config=settings.config,
            seed=seed,
            path=settings.folder / f"director-{seed}.npz",
        )
        for seed in settings.seeds
    ]
    understood = {
        f"{told}, {objects}": _understood(
            stories("test", told=told, objects=objects), directors, settings
        )
        for told in TELLINGS
        for objects in OBJECTS
    }
    print(HEAD)
    for told, row in understood.items():
        print(line(told, row))
    size = sum(value.size for value in directors[0].weights.values())
    print(f"{size:,} parameters; {_speed(directors[0]):.0f} scripts a second, 64 at once")
    directed = _directed(directors[0], settings) if settings.generators else {}
    report = {
        "schema_version": SCHEMA_VERSION,
        "settings": dataclasses.asdict(settings)
        | {"folder": str(settings.folder), "out": str(settings.out)},
        "parameters": size,
        "understood": understood,
        "directed": directed,
    }
    with replacing(settings.out) as partial:
        partial.write_text(json.dumps(report, indent=2) + "\n")
    print(f"written to {settings.out}")
    return 0


_FEW = 10
"""Scripts below which a mean overlap says nothing."""

_COLUMNS = ("exact", "refused", "another story", "overlap")
_DIRECTED = ("success without", "success with", "gain", "px off without", "px off with")

HEAD = f"{'told, objects':<16}" + "".join(f"{name:<22}" for name in _COLUMNS)


def line(name: str, row: dict[str, Any]) -> str:
    """A line of either table."""
    cells = (_cell(score, 1 if column.startswith("px") else 3) for column, score in row.items())
    return (f"{name:<16}" + "".join(f"{cell:<22}" for cell in cells)).rstrip()


def _cell(score: dict[str, Any], digits: int) -> str:
    if score["value"] is None:
        return "-"
    value, low, high = (f"{score[name]:.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _understood(source: Stories, directors: list[Director], settings: Settings) -> dict[str, Any]:
    pairs = [source.told(n) for n in range(settings.descriptions)]
    exact, refused, laid = [], [], []
    for director in directors:
        answers = [found.script for found in director([description for _, description in pairs])]
        exact.append([found == script for found, (script, _) in zip(answers, pairs, strict=True)])
        refused.append([found is None for found in answers])
        overlaps = np.full(len(pairs), np.nan)
        for n, (found, (script, _)) in enumerate(zip(answers, pairs, strict=True)):
            if found is not None and found.identity == script.identity:
                overlaps[n] = _overlap(source, found, n)
        laid.append(overlaps)
    wrong = ~np.array(exact) & ~np.array(refused)
    # A mean a description, of those that anybody had an overlap for.
    known = np.array(laid)[:, np.isfinite(laid).any(axis=0)]
    scores = (
        repeated(np.array(exact)),
        repeated(np.array(refused), better="lower"),
        repeated(wrong, better="lower"),
        average(np.nanmean(known, axis=0))
        if known.shape[1] >= _FEW
        else Score.missing("hardly a script of these objects"),
    )
    return {name: score.to_json() for name, score in zip(_COLUMNS, scores, strict=True)}


def _overlap(source: Stories, script: Any, index: int) -> float:
    truth = source[index].truth
    assert truth is not None  # of a simulated clip
    return float(box_overlaps(source.cells(script)[None], truth.boxes[None]).mean())


def _speed(director: Director) -> float:
    """Scripts a second, after a warm-up."""
    source = stories("test")
    told = [source.told(n)[1] for n in range(256)]
    director(told[:64])
    began = time.perf_counter()
    director(told)
    return len(told) / (time.perf_counter() - began)


def _directed(director: Director, settings: Settings) -> dict[str, Any]:
    compare(
        experiment,
        out=settings.folder / "comparison",
        budget=settings.budget,
        generators=settings.generators,
        changes={"prompts": settings.prompts},
    )
    setting = setting_of(ComparisonFolder.at(settings.folder / "comparison"))
    asked = setting.experiment
    prompts = setting.prompts[~setting.prompts.context_mask]
    train, judge = stories(), oracle_for(setting.train, seed=asked.judge_seed)
    scripts = [found.script for found in director(prompts.captions)]
    # What is not understood is not directed.
    plans = [s and Plan(identity=s.identity, boxes=train.cells(s)) for s in scripts]
    print(f"{'':<16}" + "".join(f"{name:<22}" for name in _DIRECTED))
    found = {}
    for name in settings.generators:
        generator, params, sampler = restored(Job(generator=name, seed=asked.seeds[0]), setting)
        sample = setting.compiled(functools.partial(generator.sample, sampler=sampler))
        seen = []
        for given in ([None] * len(prompts), plans):
            clips = answer(
                prompts,
                setting.encoder,
                asked.task,
                functools.partial(sample, params),
                batch_size=asked.answer_batch,
                plans=given,
            )
            how = "undirected" if given is not plans else "directed"
            clips.save(settings.folder / f"{name}-{how}.npz")
            seen.append(judge.examine(clips, prompts).measures())
        without, with_ = (np.asarray(one["oracle_success"].values) for one in seen)
        off = [np.ma.masked_invalid(one["trajectory_error_px"].values).mean(axis=1) for one in seen]
        # Of clips whose objects were seen both times, or two sets of clips would be compared.
        both = ~np.ma.getmaskarray(off[0]) & ~np.ma.getmaskarray(off[1])
        scores = (
            proportion(without),
            proportion(with_),
            average(with_.astype(float) - without),
            *(average(np.where(both, values.filled(0), np.nan), better="lower") for values in off),
        )
        found[name] = {key: score.to_json() for key, score in zip(_DIRECTED, scores, strict=True)}
        print(line(name, found[name]))
        let_go()
    return found


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
