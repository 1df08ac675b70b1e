"""What a comparison will cost, said before it starts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from vidgen import registry
from vidgen.comparison.experiment import Experiment
from vidgen.evaluation.rollout import links_of
from vidgen.training import Estimate, computing, estimate

UTILISATION = 0.3
"""Share of the measured matmul peak that models of `digits32` reach at best, about; the narrow ones
of `camera64` reach from a tenth to a half of that, so that they take longer.
"""
OVERHEAD_SECONDS = 60.0
"""Compiling, sampling and judging of one training on two cores, about."""


CLIP_SECONDS = 0.04
"""Drawing a clip among many on two cores: what the slowest family of `quick` takes, about."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Forecast:
    """What one generator will cost, all its seeds, shares of the budget and questions together.

    Attributes:
        generator: its name.
        phases: the estimate of each phase at the whole budget of the first question; none for a
            baseline.
        trainings: how many there are.
        seconds: of all of them, compiling, sampling and judging included, and clips beyond the one
            answer a prompt; about, and at least where the budget is not in seconds.
    """

    generator: str
    phases: tuple[Estimate, ...]
    trainings: int
    seconds: float

    @property
    def parameters(self) -> int:
        """Numbers that the optimiser moves, all phases together."""
        return sum(phase.parameters for phase in self.phases)

    @property
    def flops(self) -> float | None:
        """Of one training; None under a budget in seconds, or where they cannot be counted."""
        counts = [
            None
            if phase.steps is None or phase.model_flops is None or phase.optimizer_flops is None
            else phase.steps * (phase.model_flops + phase.optimizer_flops)
            for phase in self.phases
        ]
        known = [count for count in counts if count is not None]
        return float(sum(known)) if known and len(known) == len(counts) else None


def further_clips(experiment: Experiment) -> int:
    """Clips that a generator draws with a seed beyond its one answer to each prompt: its further
    answers, and the links of its rollouts.
    """
    again = (experiment.answers - 1) * asked_several_times(experiment)
    if experiment.horizon == 1:
        return again
    return again + experiment.prompts * links_of(experiment.task, experiment.longer_frames)


def asked_several_times(experiment: Experiment) -> int:
    """Prompts that give first frames, which `Experiment.answers` is about."""
    given = bool(experiment.task.context_frames)
    return math.floor(experiment.prompts * experiment.context_rate * given + 1e-9)


def forecast(experiments: Sequence[Experiment], *, peak: float | None = None) -> list[Forecast]:
    """What each generator will cost, all questions together. Computes nothing; FLOPs are counted
    where a budget is not in seconds.

    Args:
        experiments: resolved: the one that is asked, and its further questions.
        peak: measured FLOP/s of this machine, by which a budget that is not in seconds becomes
            time; without it that time is left out.

    Raises:
        ValueError: if a budget does not pay for one step of a phase.
    """
    found: dict[str, Forecast] = {}
    for experiment in experiments:
        for name in experiment.generators:
            more = _of_one(name, experiment, peak)
            before = found.setdefault(name, dataclasses.replace(more, trainings=0, seconds=0.0))
            found[name] = dataclasses.replace(
                before,
                trainings=before.trainings + more.trainings,
                seconds=before.seconds + more.seconds,
            )
    return list(found.values())


def _of_one(name: str, experiment: Experiment, peak: float | None) -> Forecast:
    generator = registry.entry(name).build(experiment.task, experiment.generators[name])
    count = experiment.budget.unit != "seconds"
    with computing(experiment.precision):  # as it will be trained, to be traced once
        phases = tuple(estimate(generator, experiment.task, experiment.budget, count=count))
    shares = (1.0, *experiment.curve)
    trainings = len(experiment.seeds) * len(shares) if phases else len(experiment.seeds)
    cast = Forecast(generator=name, phases=phases, trainings=trainings, seconds=0.0)
    if not phases:
        return cast
    alone = sum(phase.seconds or 0.0 for phase in phases)
    if peak and cast.flops:
        alone = cast.flops / (peak * UTILISATION)
    once = alone * sum(shares) + OVERHEAD_SECONDS * len(shares)
    once += CLIP_SECONDS * further_clips(experiment)
    return dataclasses.replace(cast, seconds=once * len(experiment.seeds))
