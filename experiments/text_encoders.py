"""What is a text encoder worth to a generator of video: on wordings that training never heard, and
on combinations that it never saw?

    python experiments/text_encoders.py                 # words, word2vec and minilm
    python experiments/text_encoders.py --encoders words glove:glove.6B.100d.txt bert:FOLDER

One generator, one budget, and captions in five wordings ("watch the figure 7 drift left"); only the
encoder differs. Each trained generator answers the prompts of the test split as they are worded in
training, and the same prompts in paraphrases with words of their own ("leftwards goes the digit
7"); and a second one, trained without half of the combinations of digit and motion, answers those.
Printed is oracle success from the sentence alone, with Wilson's intervals over prompts (over seeds'
means, with a t interval, where there are several), beside what the encoder costs: its numbers, and
milliseconds a caption, one at a time.

Expected: what was measured with the defaults (seed 0, 1.2e13 FLOPs of diffusion, 256 prompts
without a first frame; milliseconds on two cores that were shared with other work)::

    encoder  wordings of training  paraphrases        unseen combinations  width  ms a caption
    words    0.65 [0.59, 0.71]     0.17 [0.13, 0.22]  0.74 [0.69, 0.79]    32     0.01
    word2vec 0.33 [0.27, 0.39]     0.00 [0.00, 0.01]  0.43 [0.37, 0.49]    32     0.01
    minilm   0.52 [0.46, 0.58]     0.32 [0.27, 0.38]  0.48 [0.42, 0.54]    384    178

In the wordings that it was trained in, and for combinations that it was not, random directions a
word serve this generator best and cost nothing: digits and directions stay as far apart as can be,
where word2vec, to which the digits are one another's synonyms, brings them together. For sentences
as others write them MiniLM is worth its price: it doubles what is right, and is right in a third.
An encoder of a closed vocabulary knows the paraphrases' words too, so that it can answer; what they
mean it cannot know, but where a word of training stands among them.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
import time
from pathlib import Path
from typing import Any

import tyro

from vidgen.atomic import replacing
from vidgen.comparison import Budget, Experiment, compare
from vidgen.comparison.folder import ComparisonFolder
from vidgen.comparison.jobs import Job, let_go, restored
from vidgen.comparison.question import setting_of
from vidgen.comparison.rows import COMPOSITIONAL, TEST
from vidgen.data import source
from vidgen.evaluation import ClipSet, answer, oracle_for, protocol
from vidgen.evaluation.statistics import over_seeds, proportion
from vidgen.text import own_width
from vidgen.types import Score, Task

SCHEMA_VERSION = 1

_PARTS = 32
"""Places of captions in parts of words, the signs at their ends included."""

GENERATOR = "diffusion"

experiment = Experiment(
    name="text_encoders",
    task=Task(frames=8, height=32, width=32, channels=1, context_frames=1, text_length=14),
    source="digits",
    options={"motion": "diagonal", "wordings": 5},
    generators={GENERATOR: None},
    budget=Budget(1.2e13, "flops"),
    prompts=512,
    compositional=True,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Who reads for how long.

    Attributes:
        encoders: see `vidgen list text`.
        generator: who is told.
        budget: of each training.
        seeds: of training.
        prompts: of the test split, half of them without a first frame; those are counted.
        folder: of the comparisons, one an encoder.
        out: where the JSON goes.
    """

    encoders: tuple[str, ...] = ("words", "word2vec", "minilm")
    generator: str = GENERATOR
    budget: str = "1.2e13flops"
    seeds: tuple[int, ...] = (0,)
    prompts: int = 512
    folder: Path = Path("runs/text_encoders")
    out: Path = Path("text_encoders.json")


def main(settings: Settings) -> int:
    """Train, ask, print and write."""
    rows = []
    for encoder in settings.encoders:
        place = settings.folder / encoder.replace(":", "-").replace("/", "-")
        found = compare(
            experiment,
            out=place,
            seeds=settings.seeds,
            budget=settings.budget,
            generators=[settings.generator],
            changes={"text": encoder, "prompts": settings.prompts, **_places(encoder)},
        )
        scores = {
            "wordings of training": _summary(found, settings.generator, TEST),
            "paraphrases": _paraphrased(place, settings),
            "unseen combinations": _summary(found, settings.generator, COMPOSITIONAL),
        }
        rows.append(
            {"encoder": encoder, **_price(place)} | {k: s.to_json() for k, s in scores.items()}
        )
        print(line(rows[-1]), file=sys.stderr)
    report = {
        "schema_version": SCHEMA_VERSION,
        "settings": dataclasses.asdict(settings)
        | {"folder": str(settings.folder), "out": str(settings.out)},
        "rows": rows,
    }
    with replacing(settings.out) as partial:
        partial.write_text(json.dumps(report, indent=2) + "\n")
    print(HEAD)
    for row in rows:
        print(line(row))
    print(f"written to {settings.out}")
    return 0


_COLUMNS = ("wordings of training", "paraphrases", "unseen combinations")

HEAD = f"{'encoder':<16}" + "".join(f"{name:<22}" for name in _COLUMNS) + "width    ms a caption"


def line(row: dict[str, Any]) -> str:
    """A line of the table."""
    cells = [
        "-"
        if row[name]["value"] is None
        else "{value:.2f} [{low:.2f}, {high:.2f}]".format(**row[name])
        for name in _COLUMNS
    ]
    return (
        f"{row['encoder']:<16}"
        + "".join(f"{cell:<22}" for cell in cells)
        + f"{row['width']:>5}{row['milliseconds']:>16.2f}"
    )


def _places(encoder: str) -> dict[str, Any]:
    """Room for captions that are cut into parts of words, which are masked where there are none."""
    return {} if own_width(encoder, _PARTS) is None else {"task.text_length": _PARTS}


def _summary(found: Any, generator: str, on: str) -> Score:
    """Oracle success from sentences alone, as the comparison has it."""
    row = found.results.one(generator, "oracle_success", prompts="text", protocol=on)
    if row is None:
        return Score.missing(f"no {on} answers were judged")
    return Score(value=row.value, low=row.low, high=row.high, n=row.n, note=row.note)


def _paraphrased(place: Path, settings: Settings) -> Score:
    """The same of the same prompts, paraphrased."""
    setting = setting_of(ComparisonFolder.at(place))
    asked = setting.experiment
    prompts = protocol(
        source(asked.source, split=asked.test_split, **asked.options, paraphrased=True),
        n=asked.prompts,
        seed=asked.prompt_seed,
        context_frames=asked.task.context_frames,
        context_rate=asked.context_rate,
    )
    judge = oracle_for(setting.train, seed=asked.judge_seed)
    scores = []
    for seed in settings.seeds:
        generator, params, sampler = restored(Job(generator=settings.generator, seed=seed), setting)
        sample = setting.compiled(functools.partial(generator.sample, sampler=sampler))
        clips = answer(
            prompts,
            setting.encoder,
            asked.task,
            functools.partial(sample, params),
            batch_size=asked.answer_batch,
        )
        scores.append(_success(judge, clips, prompts))
        let_go()
    if len(scores) == 1:
        return scores[0]
    value, low, high = over_seeds([score.value for score in scores if score.value is not None])
    return Score(value=value, low=low, high=high, n=len(scores), note="t over seeds")


def _success(judge: Any, clips: ClipSet, prompts: ClipSet) -> Score:
    seen = judge.examine(clips, prompts).measures()["oracle_success"]
    return proportion(seen.values[~prompts.context_mask])


def _price(place: Path) -> dict[str, Any]:
    """How wide the features are, and how long a caption takes that nobody has read before."""
    setting = setting_of(ComparisonFolder.at(place))
    encoder = setting.encoder
    reader = getattr(encoder, "reader", encoder)  # what stands behind a memory
    captions = [setting.train[i].caption for i in range(32)]
    reader(captions[:1])
    began = time.perf_counter()
    for caption in captions:
        reader([caption])
    took = (time.perf_counter() - began) / len(captions)
    return {"name": encoder.name, "width": encoder.width, "milliseconds": 1000 * took}


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
