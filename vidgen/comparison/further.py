"""The further questions of an experiment, each an experiment of its own beside the main one.

Each trains every generator and seed once more: without some combinations of identity and motion, on
equal FLOPs, or at equal parameters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from vidgen import registry
from vidgen.comparison.experiment import Experiment
from vidgen.comparison.rows import COMPOSITIONAL, EQUAL_FLOPS, EQUAL_PARAMETERS
from vidgen.comparison.sizing import sized
from vidgen.training import Budget


def further(
    experiment: Experiment, sizes: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Experiment]:
    """What an experiment asks beside its own question, by name: see `rows.FURTHER`.

    Computes nothing; sizes are found by shapes alone. Whoever learns nothing has no price, and
    takes part in none at an equal one.

    Args:
        experiment: resolved.
        sizes: by generator, configs of equal parameters that are known already.
    """
    found = {COMPOSITIONAL: experiment.held_out()} if experiment.compositional else {}
    learned = [
        name
        for name, config in experiment.generators.items()
        if registry.entry(name).build(experiment.task, config).phases()
    ]
    if learned and experiment.equal_flops is not None:
        budget = Budget(experiment.equal_flops, "flops")
        alone = experiment.alone(EQUAL_FLOPS)
        found[EQUAL_FLOPS] = alone.select(generators=learned, budget=budget)
    if learned and experiment.equal_parameters is not None:
        alone = experiment.alone(EQUAL_PARAMETERS).select(generators=learned)
        configs = {
            name: sizes.get(name)
            or sized(name, config, experiment.task, experiment.equal_parameters)
            for name, config in alone.generators.items()
        }
        found[EQUAL_PARAMETERS] = dataclasses.replace(alone, generators=configs)
    return found
