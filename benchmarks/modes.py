"""Does each family still draw everything there is: modes without a prompt, diversity under one?

    python benchmarks/modes.py runs/quick
    python benchmarks/modes.py runs/quick --clips 512 --generators gan diffusion

Takes the trained generators out of a comparison's folder, its weights must be there, has each draw
clips of which nothing is said and nothing shown, and counts the pairs of a digit and a motion among
them; then has each answer validation prompts. A line is a training; the first is of real clips.
benchmarks/README.md says how to read the table.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from throughput import machine

from vidgen.comparison.folder import ComparisonFolder, of_run
from vidgen.comparison.jobs import Job, let_go, restored
from vidgen.comparison.question import setting_of
from vidgen.contract import Key
from vidgen.data import Source
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
from vidgen.types import Condition, Params, Score, Task, Video

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Which trained generators, and what to ask of them.

    Attributes:
        folder: of a comparison on the clips of `digits`.
        generators: which of its generators; all that have learned something by default.
        clips: validation prompts, half of them with their first frame; and as many draws without
            any prompt.
        out: where the JSON goes.
    """

    folder: tyro.conf.Positional[Path]
    generators: tuple[str, ...] = ()
    clips: int = 256
    out: Path = Path("modes.json")


def main(settings: Settings) -> int:
    """Restore, judge, print and write."""
    folder = ComparisonFolder.at(settings.folder)
    setting = setting_of(folder)
    asked = setting.experiment
    court = Court(
        setting.train,
        setting.source(asked.validation_split),
        setting.encoder,
        asked.task,
        features=FeatureJudge(
            setting.train,
            config=asked.in_domain,
            validation=setting.source(asked.validation_split),
            seed=asked.judge_seed,
            folder=folder.judge,
        ),
        clips=settings.clips,
    )
    rows = []
    for run in folder.runs(shares=False):
        _, name, seed, _ = of_run(run.path)
        chosen = name in settings.generators if settings.generators else run.cost.exists()
        if not chosen or not setting.generator(name).phases():
            continue
        generator, params, sampler = restored(Job(generator=name, seed=seed), setting)
        sample = setting.compiled(functools.partial(generator.sample, sampler=sampler))
        rows.append({"generator": name, "seed": seed} | court.judge(sample, params))
        print(f"{name}, seed {seed}: done", file=sys.stderr)
        let_go()
    report = {
        "schema_version": SCHEMA_VERSION,
        "settings": dataclasses.asdict(settings)
        | {"folder": str(settings.folder), "out": str(settings.out)},
        "machine": machine(),
        "real": court.anchor(),
        "trainings": rows,
    }
    settings.out.write_text(json.dumps(report, indent=2) + "\n")
    print(f"{asked.name}, {asked.budget} each; {settings.clips} clips; {court.all_modes} modes\n")
    print(f"{'generator':<28}{'seed':>5}" + "".join(f"{n:>14}" for n in COLUMNS.values()))
    print(line("held-out real", "", report["real"], COLUMNS))
    for row in rows:
        print(line(row["generator"], str(row["seed"]), row, COLUMNS))
    print(f"written to {settings.out}")
    return 0


class Court:
    """Clips of `digits`, and who says what can be seen in a generator's.

    Args:
        train: the split that the oracle learns from.
        validation: the split that prompts come from.
        encoder: of sentences.
        task: of all generators.
        features: in-domain features, for diversity.
        clips: how many of each kind are asked for.
    """

    def __init__(
        self,
        train: Source,
        validation: Source,
        encoder: TextEncoder,
        task: Task,
        *,
        features: FeatureJudge,
        clips: int,
    ) -> None:
        self.task, self.encoder, self._validation = task, encoder, validation
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

    def judge(self, sample: Callable[..., Video], params: Mapping[str, Params]) -> dict[str, Any]:
        """What the oracle and an in-domain network say of a trained generator's answers.

        Args:
            sample: jitted, of (params, condition, keys).
            params: what each phase exported.
        """
        told = self._answer(self.prompts, lambda asked, keys: sample(params, asked, keys))
        free = self._answer(
            self.unprompted, lambda asked, keys: sample(params, asked.unconditional(), keys)
        )
        seen = self._examine(told, self.prompts)
        given = self.prompts.context_mask
        drawn = modes(self._examine(free, self.unprompted))
        return {
            "modes_told": len(set(modes(seen))),
            "modes_free": len(set(drawn)),
            "legible_free": len(drawn) / len(free),
            "diversity": self._diversity(told).to_json(),
            "success_text": proportion(seen.success[~given]).to_json(),
            "success_text+image": proportion(seen.success[given]).to_json(),
        }

    def anchor(self) -> dict[str, Any]:
        """How many modes as many real clips show as a generator draws, taken blindly."""
        index = np.random.default_rng(0).integers(len(self._validation), size=len(self.unprompted))
        clips = ClipSet.of(
            [self._validation[int(i)] for i in index],
            context_frames=self.task.context_frames,
            context_mask=self.unprompted.context_mask,
            keys=self.unprompted.keys,
        )
        drawn = modes(self._examine(clips, clips))
        return {
            "modes": self.all_modes,
            "modes_free": len(set(drawn)),
            "legible_free": len(drawn) / len(clips),
        }

    def _answer(self, prompts: ClipSet, sample: Callable[[Condition, Key], Video]) -> ClipSet:
        size = min(64, len(prompts))
        return answer(prompts, self.encoder, self.task, sample, batch_size=size)

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
