"""Jobs that run elsewhere, kept going: the lost are started again, the failed are named."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console

from vidgen.comparison.executors.assignment import Assignment
from vidgen.comparison.executors.attempt import Attempt, Ending
from vidgen.comparison.executors.screen import Screen
from vidgen.comparison.folder import read_json

_LOOK = 0.2
"""Seconds between two looks at what runs."""


def keep_going(
    work: Sequence[Assignment],
    start: Callable[[Assignment], Attempt],
    console: Console,
    *,
    at_once: int,
    retries: int,
) -> Mapping[str, str]:
    """Run jobs elsewhere until all are done or have failed.

    Args:
        work: the jobs.
        start: begins an attempt at one.
        console: where the progress of all of them is shown.
        at_once: how many run at most.
        retries: how often one that was lost is started again.

    Returns:
        The jobs that failed, by name, each with the error and its log.

    Raises:
        KeyboardInterrupt: and whatever else ends this process, when all jobs have saved and left.
    """
    waiting = collections.deque(work)
    running: dict[Assignment, Attempt] = {}
    starts: collections.Counter[Assignment] = collections.Counter()
    failed: dict[str, str] = {}
    with Screen(console, len(work)) as screen:
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    assignment = waiting.popleft()
                    starts[assignment] += 1
                    assignment.run.failure.unlink(missing_ok=True)
                    running[assignment] = start(assignment)
                    screen.started(assignment, starts[assignment])
                for assignment, attempt in list(running.items()):
                    ending = attempt.ending()
                    if ending is None:
                        continue
                    del running[assignment]
                    if ending.lost and starts[assignment] <= retries:
                        waiting.appendleft(assignment)
                        screen.lost(assignment, ending.why)
                    elif ending.why:
                        why = _why(assignment, ending, starts[assignment])
                        failed[str(assignment)] = f"{why}; its log: {assignment.run.log}"
                        screen.failed(assignment, why)
                    else:
                        screen.finished(assignment)
                screen.refresh()
                time.sleep(_LOOK)
        except BaseException:
            _stop(list(running.values()), screen)
            raise
    return failed


def _why(assignment: Assignment, ending: Ending, starts: int) -> str:
    """Why a job failed: in its own words, if it had the time for any."""
    if ending.lost:
        why = f"{ending.why}, {starts} times" if starts > 1 else ending.why
        assignment.record_failure(why)
        return why
    failure = assignment.run.failure
    return read_json(failure)["error"] if failure.exists() else ending.why


def _stop(running: Sequence[Attempt], screen: Screen) -> None:
    """Have all jobs save and leave, and wait for them; a second signal ends them at once."""
    try:
        for attempt in running:
            attempt.stop()
        screen.stopping(len(running))
        while any(attempt.ending() is None for attempt in running):
            screen.refresh()
            time.sleep(_LOOK)
    except BaseException:
        for attempt in running:
            attempt.kill()
        raise
