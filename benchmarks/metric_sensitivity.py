"""Which metrics see what is wrong with clips, and which see nothing of time at all?

    python benchmarks/metric_sensitivity.py
    python benchmarks/metric_sensitivity.py --clips 64 --groups pixel temporal
    python benchmarks/metric_sensitivity.py --tiny

Real clips are blurred, covered with noise and jittered in time at five strengths, frozen, and have
their frames shuffled. For each metric the table shows the least strength at which the intervals of
corrupted and of clean real clips are apart ("-" for never, "?" where the metric has no interval),
"~" behind it where the value does not move with the strength all the way, and the value on clean
clips and at the greatest strength. Metrics against the real clip are given its corrupted self; all
others are given corrupted clips of the same captions that are not the ones they are compared with.
About three minutes on two cores.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping

import numpy as np
import tyro

GROUPS = ("oracle", "pixel", "in-domain", "temporal")
BY_PAIR = ("oracle", "pixel", "lpips")
"""Groups that compare a clip with the real clip that it answers."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to corrupt, and what to ask.

    Attributes:
        clips: how many.
        groups: of metrics.
        motion: of the source `digits`.
        seed: of the choice of clips.
        tiny: eight clips and a network that has learned next to nothing, for tests.
    """

    clips: int = 256
    groups: tuple[str, ...] = GROUPS
    motion: str = "diagonal"
    seed: int = 0
    tiny: bool = False


def main(settings: Settings) -> int:
    """Corrupt, judge and print."""
    from vidgen.data import source
    from vidgen.evaluation import FeatureJudge, InDomainConfig, Judge, anchors, protocol
    from vidgen.evaluation.corruptions import CORRUPTIONS, STRENGTHS
    from vidgen.evaluation.metrics import METRICS

    def split(name: str):
        return source("digits", split=name, motion=settings.motion)

    clips = 8 if settings.tiny else settings.clips
    config = InDomainConfig.tiny() if settings.tiny else InDomainConfig()
    features = FeatureJudge(split("train"), config=config, validation=split("validation"))
    by_pair, of_sets = (
        Judge(split("train"), groups=groups, features=features)  # type: ignore[arg-type]
        for groups in (
            [group for group in settings.groups if group in BY_PAIR],
            [group for group in settings.groups if group not in BY_PAIR],
        )
    )
    prompts = protocol(split("test"), n=clips, seed=settings.seed, context_frames=1)
    others = anchors(prompts, split("test"), seed=settings.seed)["real-against-real"]

    def judged(corrupt) -> Mapping:
        own = by_pair.judge(prompts.replace(video=corrupt(prompts.video)), prompts)
        other = of_sets.judge(others.replace(video=corrupt(others.video)), prompts)
        return {key: (own if METRICS[key[0]].group in BY_PAIR else other)[key] for key in own}

    clean = judged(lambda video: video)
    kinds = {
        kind: [judged(lambda v, s=s, f=corrupt: f(v, s)) for s in range(1, STRENGTHS + 1)]
        for kind, corrupt in CORRUPTIONS.items()
    }
    kinds["frozen"] = [judged(lambda video: np.repeat(video[:, :1], video.shape[1], axis=1))]
    kinds["shuffled"] = [judged(lambda video: video[:, _order(video.shape[1])])]
    rows = [
        (name, stratum)
        for name, metric in METRICS.items()
        if metric.group in settings.groups and not metric.several
        for stratum in [metric.strata[0]]
        if clean[name, stratum].value is not None
    ]
    print(f"{clips} clips of digits/{settings.motion}, seed {settings.seed}")
    print(f"{'metric':<24}{'clean':>10}" + "".join(f"{kind:>20}" for kind in kinds))
    for row in rows:
        cells = [_cell(clean[row], [scores[row] for scores in found]) for found in kinds.values()]
        print(f"{row[0]:<24}{clean[row].value:>10.4g}" + "".join(f"{cell:>20}" for cell in cells))
    return 0


def _cell(clean, found) -> str:
    """The least strength that is seen, and the value at the greatest."""
    from vidgen.evaluation.statistics import apart

    if any(score.value is None for score in found):
        return "no value"
    if any(score.low is None for score in (clean, *found)):
        least = "?"
    else:
        seen = [apart(score, clean) for score in found]
        least = str(seen.index(True) + 1) if any(seen) else "-"
    values = [clean.value, *(score.value for score in found)]
    steps = np.diff(values) * np.sign(values[-1] - values[0])
    return f"{least}{'' if (steps >= 0).all() else '~'} ({values[-1]:.4g})"


def _order(frames: int) -> np.ndarray:
    """One order that is not the true one: every second frame first."""
    return np.concatenate([np.arange(1, frames, 2), np.arange(0, frames, 2)])


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings)))
