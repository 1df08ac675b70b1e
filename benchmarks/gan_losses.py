"""Which loss trains the GAN stably, and with which does it still draw everything there is?

    python benchmarks/gan_losses.py
    python benchmarks/gan_losses.py --losses relativistic wgan-gp --seeds 0 --steps 300
    python benchmarks/gan_losses.py --losses relativistic --motions gru conv transformer
    python benchmarks/gan_losses.py --tiny

Every loss, with every motion path that is asked for, trains the default `gan` for the same number
of steps on the clips of the experiment `quick`, from the same seeds and on the same batches.
Nothing else differs but gamma, which "wgan-gp" means otherwise and gets as its paper has it (10
throughout). Captions are hidden in a tenth of the training clips, since in the end each also draws
without one. benchmarks/README.md says how to read the table. At one learning rate and one gamma
each, it says which loss does best as this suite sets it up, and no more.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro
from modes import COLUMNS as MODES
from modes import Court, line, value
from throughput import machine

from vidgen.allocator import keep_freed_memory
from vidgen.contract import stream
from vidgen.data import batches, source
from vidgen.evaluation import (
    FeatureJudge,
    InDomainConfig,
)
from vidgen.generators.gan import Gan, GanConfig
from vidgen.generators.gan.augment import AugmentKind
from vidgen.motion import MotionPath
from vidgen.nn import LOSSES, LossKind
from vidgen.text import WordVectors
from vidgen.training import TrainingConfig
from vidgen.training.step import RESERVED, guarded_step, initialise
from vidgen.types import Params, Task

SCHEMA_VERSION = 1

GAMMA: Mapping[str, Mapping[str, float]] = {"wgan-gp": {"gamma": 10.0, "gamma_final": 10.0}}
"""Where a loss takes another gamma than the default, which is the relativistic one's."""

COLLAPSED = 0.1
"""Below this the two samples under one caption count as the same: their mean difference is less
than so much of that of real clips under different captions."""

LOST = ("clip_accuracy", "frame_accuracy")
"""Where both are 1, the discriminators tell every pair of a step apart."""

COLUMNS = {
    "skipped": "skipped",
    "collapsed": "collapsed",
    "lost": "lost",
    "diversity_in_training": "diff.",
    "spike_generator": "spike G",
    "spike_discriminator": "spike D",
    "norm_ratio": "G/D",
    **MODES,
}
"""What the table shows of a training, and under which heading."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to train, and what to ask of it.

    Attributes:
        losses: kinds of loss.
        motions: kinds of motion path; each goes with each loss.
        augment: what is done to all that discriminators see, in every training alike.
        steps: of each training.
        seeds: of training.
        clips: validation prompts, half of them with their first frame; and as many draws without
            any prompt.
        tiny: the tests' preset, eight steps and eight clips.
        out: where the JSON goes.
    """

    losses: tuple[LossKind, ...] = LOSSES
    motions: tuple[MotionPath, ...] = ("gru",)
    augment: tuple[AugmentKind, ...] = ()
    steps: int = 2_000
    seeds: tuple[int, ...] = (0, 1, 2)
    clips: int = 256
    tiny: bool = False
    out: Path = Path("gan_losses.json")


def main(settings: Settings) -> int:
    """Train, judge, print and write."""
    if settings.tiny:
        settings = dataclasses.replace(settings, steps=8, clips=8)
    keep_freed_memory()
    world = World(settings)
    base = GanConfig.tiny() if settings.tiny else GanConfig()
    rows = []
    for loss in settings.losses:
        for motion in settings.motions:
            config = dataclasses.replace(
                base,
                loss=loss,
                motion=motion,
                augment=settings.augment,
                text_dropout=0.1,
                **GAMMA.get(loss, {}),
            )
            gan = Gan(config, world.task)
            step = jax.jit(guarded_step(gan.phases()[0]), donate_argnums=0)
            sample = jax.jit(gan.sample)
            for seed in settings.seeds:
                params, history = fit(gan, step, world, seed=seed, steps=settings.steps)
                row = {"loss": loss, "motion": motion, "seed": seed}
                draw = functools.partial(sample, params)
                row |= stability(history) | world.judge(draw, world.encoder)
                rows.append(row)
                print(f"{loss}, {motion}, seed {seed}: done", file=sys.stderr)
            jax.clear_caches()
    report = {
        "schema_version": SCHEMA_VERSION,
        "settings": dataclasses.asdict(settings) | {"out": str(settings.out)},
        "machine": machine(),
        "real": world.anchor(),
        "trainings": rows,
    }
    settings.out.write_text(json.dumps(report, indent=2) + "\n")
    print(f"{settings.steps} steps, {settings.clips} validation prompts; {world.all_modes} modes,")
    print(f"of which as many real clips at random show {report['real']['modes_free']}\n")
    print("\n".join(table(rows)))
    print(f"written to {settings.out}")
    return 0


class World(Court):
    """The clips that all trainings share, and who judges what comes of them.

    Args:
        settings: how many clips.
    """

    def __init__(self, settings: Settings) -> None:
        self.train, validation = (
            source("digits", split=split, motion="diagonal") for split in ("train", "validation")
        )
        task = Task(
            frames=self.train.frames,
            height=self.train.height,
            width=self.train.width,
            channels=self.train.channels,
            context_frames=1,
        )
        self.encoder = WordVectors(
            self.train.vocabulary, length=task.text_length, width=task.text_width
        )
        config = InDomainConfig.tiny() if settings.tiny else InDomainConfig()
        super().__init__(
            self.train,
            validation,
            task,
            features=FeatureJudge(self.train, config=config, validation=validation),
            clips=settings.clips,
        )


def fit(
    gan: Gan, step: Callable[..., Any], world: World, *, seed: int, steps: int
) -> tuple[dict[str, Params], dict[str, np.ndarray]]:
    """Train from a seed, a step that is not finite being thrown away as in any training.

    Args:
        gan: what to train.
        step: its compiled `guarded_step`.
        world: its clips.
        seed: of weights, batches and steps.
        steps: how many; fewer are taken where as many in a row as end a training were skipped.

    Returns:
        What was learned, and every metric of each step.
    """
    phase = gan.phases()[0]
    guarded = initialise(phase, stream(seed, phase.name, "init"), {})
    data = batches(world.train, world.encoder, world.task, batch_size=phase.batch_size, seed=seed)
    key, rows = stream(seed, phase.name, "step"), []
    for index in range(steps):
        progress = np.float32(index / steps)
        guarded, metrics = step(guarded, next(data), key, np.int32(index), progress)
        rows.append(jax.device_get(metrics))
        if rows[-1][RESERVED[1]] >= TrainingConfig().max_skipped:
            break
    history = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {phase.name: phase.export(guarded.state)}, history


def stability(history: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What the course of a training says of it; see benchmarks/README.md.

    Args:
        history: every metric of `fit`, [steps].
    """
    steps = len(history["loss"])
    norms = {who: history[f"{who}_grad_norm"] for who in ("generator", "discriminator")}
    finite = np.isfinite(list(norms.values())).all(axis=0)
    # At first every generator is lost.
    late = finite & (np.arange(steps) >= steps // 2)
    found: dict[str, Any] = {"steps": steps, "skipped": int(history[RESERVED[0]][-1])}
    if not late.any():
        return found
    different = history["diversity"][late]
    return found | {
        "collapsed": float((different < COLLAPSED).mean()),
        "lost": float(np.all([history[name][late] >= 1.0 for name in LOST], axis=0).mean()),
        "diversity_in_training": float(different.mean()),
        "norm_ratio": float(np.median(norms["generator"][late] / norms["discriminator"][late])),
        **{f"spike_{who}": float(n[late].max() / np.median(n[late])) for who, n in norms.items()},
    }


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line a training, and where there are several seeds a line with their mean."""
    lines = [f"{'loss, motion':<28}{'seed':>5}" + "".join(f"{n:>14}" for n in COLUMNS.values())]
    for who in dict.fromkeys((row["loss"], row["motion"]) for row in rows):
        own = [row for row in rows if (row["loss"], row["motion"]) == who]
        lines += [line(", ".join(who), str(row["seed"]), row, COLUMNS) for row in own]
        if len(own) > 1:
            lines.append(line(", ".join(who), "mean", _mean(own), COLUMNS))
    return lines


def _mean(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Over the seeds of what every one of them has."""
    values = {name: [value(row.get(name)) for row in rows] for name in COLUMNS}
    known = {name: [v for v in found if v is not None] for name, found in values.items()}
    return {name: float(np.mean(found)) for name, found in known.items() if len(found) == len(rows)}


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
