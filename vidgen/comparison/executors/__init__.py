"""Executors: where the jobs of a comparison run. What they lead to does not depend on it."""

from __future__ import annotations

import os
from typing import Literal

from vidgen.comparison.executors.assignment import Assignment, Executor
from vidgen.comparison.executors.cluster import OnRay
from vidgen.comparison.executors.here import Here
from vidgen.comparison.executors.processes import InProcesses

Name = Literal["here", "processes", "ray"]

RETRIES = 2
"""How often a job whose process, machine or node was lost is started again, by default."""

AT_ONCE = 2
"""Processes, by default."""


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
        jobs_at_once: of "processes"; `AT_ONCE` by default.
        retries: of all but "here"; `RETRIES` by default.
        address: of "ray": the cluster's; by default the one that runs on this machine, or a new
            one of this machine alone.
        job_cpus: of "ray": CPUs that a job takes; 1 by default.
        job_gpus: of "ray": GPUs that a job takes; none by default.

    Raises:
        ValueError: if an option belongs to another executor, or cannot be meant so.
    """
    given = {
        "jobs_at_once": jobs_at_once,
        "retries": retries,
        "address": address,
        "job_cpus": job_cpus,
        "job_gpus": job_gpus,
    }
    has = {
        "here": (),
        "processes": ("jobs_at_once", "retries"),
        "ray": ("retries", "address", "job_cpus", "job_gpus"),
    }
    for option, value in given.items():
        if value is not None and option not in has[name]:
            others = " or ".join(other for other, options in has.items() if option in options)
            raise ValueError(f"--{option.replace('_', '-')} belongs to --executor {others}")
    if name != "here":
        # Before JAX takes most of a GPU's memory for this process, which trains no generator.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    again = RETRIES if retries is None else retries
    if name == "processes":
        return InProcesses(AT_ONCE if jobs_at_once is None else jobs_at_once, retries=again)
    if name == "ray":
        return OnRay(
            address,
            cpus=1.0 if job_cpus is None else job_cpus,
            gpus=0.0 if job_gpus is None else job_gpus,
            retries=again,
        )
    return Here()


__all__ = ["Assignment", "Executor", "Here", "InProcesses", "Name", "OnRay", "named"]
