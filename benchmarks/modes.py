"""Does each family still draw everything there is: modes without a prompt, diversity under one?

    python benchmarks/modes.py zoo:gan-digits zoo:diffusion-digits
    python benchmarks/modes.py runs/quick --clips 512

Has each trained generator, those of a comparison whose weights are there or whatever `vidgen.load`
takes, draw clips of which nothing is said and nothing shown, and counts the pairs of a digit and a
motion among them; then has each answer validation prompts. All must be of one task and of the same
clips. A line is a training; the first is of real clips. benchmarks/README.md says how to read the
table, and what it printed.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from etils import epath
from jaxtyping import UInt8
from throughput import machine

import vidgen
from vidgen.comparison import model_file
from vidgen.comparison.folder import ComparisonFolder, of_run
from vidgen.comparison.jobs import let_go
from vidgen.comparison.question import setting_of
from vidgen.contract import Key
from vidgen.data import Source, source
from vidgen.evaluation import (
    ClipSet,
    FeatureJudge,
    Oracle,
    Verdicts,
    answer,
    oracle_for,
    protocol,
)
from vidgen.evaluation.diversity import diversity
from vidgen.evaluation.statistics import proportion
from vidgen.text import TextEncoder
from vidgen.types import Condition, Score, Task, Video

SCHEMA_VERSION = 1

COLUMNS = {
    "modes_told": "modes told",
    "modes_free": "free",
    "legible_free": "legible",
    "diversity": "diversity",
    "success_text": "success text",
    "success_text+image": "+ frame",
}
"""What the table shows of a trained generator, and under which heading."""

DRAWN = {"modes_drawn": "drawn", "legible_drawn": "legible"}
"""Of models besides, which draw a sentence where they are told none."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Which trained generators, and what to ask of them.

    Attributes:
        trained: comparisons' folders, of which all that have learned something are taken, runs,
            model files or ``zoo:NAME``, of clips of `digits`.
        clips: validation prompts, half of them with their first frame; and as many draws without
            any prompt.
        out: where the JSON goes.
    """

    trained: tyro.conf.Positional[tuple[str, ...]]
    clips: int = 256
    out: Path = Path("modes.json")


def main(settings: Settings) -> int:
    """Restore, judge, print and write."""
    names = [name for given in settings.trained for name in _each(given)]
    if not names:
        raise SystemExit("nothing was trained there: name a comparison, a run or zoo:NAME")
    learned = [_learned(name) for name in names]
    for name, what in zip(names, learned, strict=True):
        if what != learned[0]:
            raise SystemExit(f"{name} is of another task or other clips than {names[0]}: ask alone")
    court = _court(names[0], settings.clips)
    rows = []
    for name in names:
        model = vidgen.load(name)
        if not model.generator.phases():
            continue
        seed = of_run(name)[2] if model.file is None else model.file.seed
        rows.append(
            {"trained": name, "generator": model.name, "seed": seed}
            | court.judge(model.draw, model.encoder)
            | court.drawn(model.sample([None] * settings.clips))
        )
        print(f"{name}: done", file=sys.stderr)
        let_go()
    report = {
        "schema_version": SCHEMA_VERSION,
        "settings": dataclasses.asdict(settings) | {"out": str(settings.out)},
        "machine": machine(),
        "real": court.anchor(),
        "trainings": rows,
    }
    settings.out.write_text(json.dumps(report, indent=2) + "\n")
    print(f"{settings.clips} clips; {court.all_modes} modes\n")
    heads = [*COLUMNS.values(), *DRAWN.values()]
    print(f"{'generator':<28}{'seed':>5}" + "".join(f"{head:>14}" for head in heads))
    print(line("held-out real", "", report["real"], [*COLUMNS, *DRAWN]))
    for row in rows:
        print(line(row["generator"], str(row["seed"]), row, [*COLUMNS, *DRAWN]))
    print(f"written to {settings.out}")
    return 0


def _each(given: str) -> list[str]:
    """The trained generators that a name stands for, as `vidgen.load` takes them."""
    path = epath.Path(given)
    if model_file.is_address(given) or path.name.startswith("seed-"):
        return [given]
    runs = ComparisonFolder.at(path).runs(shares=False)
    return [str(run.path) for run in runs if run.cost.exists()]


def _learned(name: str) -> tuple[Any, ...]:
    """The task, the source and its options."""
    if model_file.is_address(name):
        card = model_file.read_card(model_file.at(name))
        return card.task, card.source, dict(card.options)
    asked = setting_of(of_run(name)[0]).experiment
    return asked.task, asked.source, dict(asked.options)


def _court(name: str, clips: int) -> Court:
    """Who judges what is of the same clips as a trained generator; the features are those of its
    comparison, and of a model file, which has none, are learned anew by the defaults.
    """
    if model_file.is_address(name):
        card = model_file.read_card(model_file.at(name))
        train, validation = (
            source(card.source, split=split, **card.options) for split in ("train", "validation")
        )
        features = FeatureJudge(train, validation=validation)
        return Court(train, validation, card.task, features=features, clips=clips)
    folder = of_run(name)[0]
    setting = setting_of(folder)
    asked = setting.experiment
    validation = setting.source(asked.validation_split)
    features = FeatureJudge(
        setting.train,
        config=asked.in_domain,
        validation=validation,
        seed=asked.judge_seed,
        folder=folder.judge,
    )
    return Court(setting.train, validation, asked.task, features=features, clips=clips)


class Court:
    """Clips of `digits`, and who says what can be seen in a generator's.

    Args:
        train: the split that the oracle learns from.
        validation: the split that prompts come from.
        task: of all generators.
        features: in-domain features, for diversity.
        clips: how many of each kind are asked for.
    """

    def __init__(
        self,
        train: Source,
        validation: Source,
        task: Task,
        *,
        features: FeatureJudge,
        clips: int,
    ) -> None:
        self.task, self._validation = task, validation
        self.prompts = protocol(validation, n=clips, seed=0, context_frames=task.context_frames)
        self.unprompted = protocol(
            validation, n=clips, seed=1, context_frames=task.context_frames, context_rate=0.0
        )
        self.oracle = _oracle(train)
        self._judge = features

    @property
    def all_modes(self) -> int:
        """How many pairs of a digit and a motion there are."""
        return len(self.oracle.recogniser.classes) * len(self.oracle.motion.physics.motions)

    def judge(
        self, sample: Callable[[Condition, Key], Video], encoder: TextEncoder
    ) -> dict[str, Any]:
        """What the oracle and an in-domain network say of a trained generator's answers.

        Args:
            sample: draws a batch of clips.
            encoder: of its sentences.
        """
        told = self._answer(self.prompts, encoder, sample)
        free = self._answer(
            self.unprompted, encoder, lambda asked, keys: sample(asked.unconditional(), keys)
        )
        seen = self._examine(told, self.prompts)
        given = self.prompts.context_mask
        return {
            "modes_told": len(set(modes(seen))),
            **_counted(modes(self._examine(free, self.unprompted)), len(free), "free"),
            "diversity": self._diversity(told).to_json(),
            "success_text": proportion(seen.success[~given]).to_json(),
            "success_text+image": proportion(seen.success[given]).to_json(),
        }

    def drawn(self, video: UInt8[np.ndarray, "N T H W C"]) -> dict[str, Any]:
        """What modes clips show that were drawn with nothing asked.

        Args:
            video: as many as `unprompted`.
        """
        clips = self.unprompted.replace(video=video)
        return _counted(modes(self._examine(clips, self.unprompted)), len(clips), "drawn")

    def anchor(self) -> dict[str, Any]:
        """How many modes as many real clips show as a generator draws, taken blindly."""
        index = np.random.default_rng(0).integers(len(self._validation), size=len(self.unprompted))
        clips = ClipSet.of(
            [self._validation[int(i)] for i in index],
            context_frames=self.task.context_frames,
            context_mask=self.unprompted.context_mask,
            keys=self.unprompted.keys,
        )
        shown = modes(self._examine(clips, clips))
        return {"modes": self.all_modes, **_counted(shown, len(clips), "free")}

    def _answer(
        self, prompts: ClipSet, encoder: TextEncoder, sample: Callable[[Condition, Key], Video]
    ) -> ClipSet:
        size = min(64, len(prompts))
        return answer(prompts, encoder, self.task, sample, batch_size=size)

    def _examine(self, clips: ClipSet, prompts: ClipSet) -> Verdicts:
        seen = self.oracle.examine(clips, prompts)
        assert isinstance(seen, Verdicts), "one object a clip"
        return seen

    def _diversity(self, told: ClipSet) -> Score:
        """Under captions alone: a first frame leaves little to choose."""
        alone = ~self.prompts.context_mask
        network = self._judge.network()
        real, fake = (
            self._judge.features(network, clips.video)[alone] for clips in (self.prompts, told)
        )
        return diversity(real, fake, self.prompts[alone].captions)


def modes(seen: Verdicts) -> list[tuple[int, int]]:
    """Digit and motion of every clip that shows one object, a digit by majority, under a law."""
    digit, moves = seen.majority_identity, len(seen.motions) - 2  # the last are static and none
    legible = seen.one_object & (digit >= 0) & (seen.motion < moves)
    return list(zip(digit[legible].tolist(), seen.motion[legible].tolist(), strict=True))


def _counted(shown: Sequence[tuple[int, int]], clips: int, how: str) -> dict[str, Any]:
    """How many modes clips show, and how many of the clips show any."""
    return {f"modes_{how}": len(set(shown)), f"legible_{how}": len(shown) / clips}


def line(who: str, seed: str, row: Mapping[str, Any], columns: Iterable[str]) -> str:
    """A line of a table: the numbers, and the values of the scores, of a training."""
    cells = []
    for name in columns:
        number = value(row.get(name))
        cells.append("-" if number is None else f"{number:.3g}")
    return f"{who:<28}{seed:>5}" + "".join(f"{cell:>14}" for cell in cells)


def value(cell: Any) -> float | None:
    """A number, that of a score, or None."""
    return cell["value"] if isinstance(cell, Mapping) else cell


def _oracle(train: Source) -> Oracle:
    oracle = oracle_for(train)
    if not isinstance(oracle, Oracle) or train.name != "digits":
        raise SystemExit("modes are pairs of a digit and a motion: the clips must be of `digits`")
    return oracle


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
