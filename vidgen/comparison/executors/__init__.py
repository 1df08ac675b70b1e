"""Executors: where the jobs of a comparison run. What they lead to does not depend on it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from vidgen.comparison.executors.assignment import Assignment, Executor
from vidgen.comparison.executors.cluster import OnRay
from vidgen.comparison.executors.here import Here
from vidgen.comparison.executors.processes import InProcesses

Name = Literal["here", "processes", "ray"]

_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "here": {},
    "processes": {"jobs_at_once": "at_once", "retries": "retries"},
    "ray": {"retries": "retries", "address": "address", "job_cpus": "cpus", "job_gpus": "gpus"},
}
"""Of each executor the options that it has, and how its class calls them."""


def named(
    name: Name,
    *,
    jobs_at_once: int | None = None,
    retries: int | None = None,
    address: str | None = None,
    job_cpus: float | None = None,
    job_gpus: float | None = None,
) -> Executor:
    """The executor of a name, with the options that it has.

    Args:
        name: which.
        jobs_at_once: of "processes"; as `InProcesses` has it by default.
        retries: of all but "here"; likewise.
        address: of "ray": the cluster's; by default the one that runs on this machine, or a new
            one of this machine alone.
        job_cpus: of "ray": CPUs that a job takes; as `OnRay` has it by default.
        job_gpus: of "ray": GPUs that a job takes; likewise.

    Raises:
        ValueError: if an option belongs to another executor, or cannot be meant so.
    """
    asked: dict[str, Any] = {
        "jobs_at_once": jobs_at_once,
        "retries": retries,
        "address": address,
        "job_cpus": job_cpus,
        "job_gpus": job_gpus,
    }
    given = {option: value for option, value in asked.items() if value is not None}
    for option in given:
        if option not in _OPTIONS[name]:
            others = " or ".join(other for other, has in _OPTIONS.items() if option in has)
            raise ValueError(f"--{option.replace('_', '-')} belongs to --executor {others}")
    options = {_OPTIONS[name][option]: value for option, value in given.items()}
    if name != "here":
        # Before JAX takes most of a GPU's memory for this process, which trains no generator.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if name == "processes":
        return InProcesses(**options)
    if name == "ray":
        return OnRay(**options)
    return Here()


__all__ = ["Assignment", "Executor", "Here", "InProcesses", "Name", "OnRay", "named"]
