"""On a Ray cluster: each job a task that waits for CPUs and GPUs, wherever the run folder is seen.

A task does not compute itself. It holds the leash of a process that does, as `processes` does, so
that a job starts in a fresh interpreter wherever it runs, and saves when its worker goes down.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from vidgen.bucket import BucketPath, address
from vidgen.comparison.executors.assignment import Assignment, refuse_seconds
from vidgen.comparison.executors.attempt import Ending
from vidgen.comparison.executors.child import ENVIRONMENT, arguments_of, ending_of
from vidgen.comparison.executors.pool import keep_going
from vidgen.comparison.executors.processes import check_retries
from vidgen.comparison.experiment import Experiment
from vidgen.leash import hold

_SAME_BITS = ("JAX_", "XLA_", "OMP_NUM_THREADS", "VIDGEN_")
"""How the names of variables begin that a job takes from this process, not from its node."""


class OnRay:
    """Tasks on a Ray cluster.

    All nodes see the run folder under the same path, or it lies in a bucket, and all have the same
    vidgen installed. A job whose worker or node was lost is started again, goes on from its
    checkpoint, and waits for what is left of the one before to leave its folder.

    Args:
        address: of the cluster; None for the one that runs on this machine, or a new one of this
            machine alone.
        cpus: that a job takes.
        gpus: that a job takes; less than one where jobs share it.
        retries: how often a job that was lost is started again.

    Raises:
        ValueError: if a number cannot be meant so.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        cpus: float = 1.0,
        gpus: float = 0.0,
        retries: int = 2,
    ) -> None:
        if cpus < 0 or gpus < 0:
            raise ValueError(
                f"--job-cpus and --job-gpus must be at least 0, got {cpus:g} and {gpus:g}"
            )
        check_retries(retries)
        self._address, self._retries = address, retries
        self._resources = {"num_cpus": cpus, "num_gpus": gpus}

    def check(self, experiment: Experiment) -> None:
        """Refuse a budget in seconds, see `Executor.check`, and a Python without Ray.

        Raises:
            ValueError: for such a budget.
            ImportError: if Ray is not installed.
        """
        refuse_seconds(experiment)
        _ray()

    def run(self, work: Iterable[Assignment], console: Console) -> Mapping[str, str]:
        """Do every job, see `Executor.run`."""
        left = [assignment for assignment in work if not assignment.is_done]
        if not left:
            return {}
        ray = _ray()
        with _connected(ray, self._address):
            task = ray.remote(max_retries=0, **self._resources)(hold)
            same = {name: v for name, v in os.environ.items() if name.startswith(_SAME_BITS)}
            # Ray sets it by the CPUs of a task, and sums would have other bits.
            variables = {"OMP_NUM_THREADS": None, **same, **ENVIRONMENT}

            def start(assignment: Assignment) -> _Task:
                run, log = os.fspath(assignment.run.path), os.fspath(assignment.run.log)
                return _Task(ray, task.remote(arguments_of(run), log, variables), address(log))

            # All of them at once: the cluster has those wait for which there is no room.
            return keep_going(left, start, console, at_once=len(left), retries=self._retries)


class _Task:
    """An attempt at a job by a task, see `Attempt`."""

    def __init__(self, ray: Any, reference: Any, log: Path | BucketPath) -> None:
        self._ray, self._reference, self._log = ray, reference, log

    def ending(self) -> Ending | None:
        ready, _ = self._ray.wait([self._reference], timeout=0)
        if not ready:
            return None
        errors = self._ray.exceptions
        try:
            return ending_of(self._ray.get(self._reference), self._log)
        except errors.TaskCancelledError:
            return Ending("cancelled", lost=True)
        except errors.RayTaskError as error:  # raised by the task, such as: no vidgen there
            return Ending(str(error.cause))
        except errors.RayError as error:
            return Ending(f"{type(error).__name__}", lost=True)

    def stop(self) -> None:
        self._ray.cancel(self._reference)

    def kill(self) -> None:
        self._ray.cancel(self._reference, force=True)


@contextlib.contextmanager
def _connected(ray: Any, address: str | None) -> Iterator[None]:
    """Within a cluster, and with the handlers of signals as they were."""
    # A cluster that is started here tells nobody of it.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    previous = signal.getsignal(signal.SIGTERM)
    ray.init(address=address, log_to_driver=False, logging_level="error")
    try:
        with contextlib.suppress(ValueError):  # signals are the main thread's alone
            signal.signal(signal.SIGTERM, previous)  # whom Ray's own would exit without saving
        yield
    finally:
        ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ImportError(
            "--executor ray needs Ray, which is not installed: pip install 'vidgen[ray]'"
        ) from error
    return ray
