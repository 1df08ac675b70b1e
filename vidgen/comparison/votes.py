"""What people said of a comparison's clips: kept a line a vote, and ranked for the report.

``votes.jsonl`` beside ``results.json``; a line is

::

    {"schema_version": 1, "time": "2026-11-27T09:30:00+00:00", "visitor": "9f0c...", "protocol":
     "test-256", "prompt": 17, "first": "gan", "second": "diffusion", "preferred": "first"}

Lines are only ever added, each by one write, so that several processes may add to one file.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
from pathlib import Path

from vidgen.bucket import BucketPath
from vidgen.comparison.folder import ComparisonFolder, FolderError
from vidgen.comparison.headings import MAIN
from vidgen.comparison.results import Results
from vidgen.comparison.table import Cell, Head, Table
from vidgen.evaluation import METRICS
from vidgen.evaluation.agreement import Agreement, rank_agreement
from vidgen.evaluation.preference import PREFERRED, Preferred, Strength, Vote, bradley_terry

FILE = "votes.jsonl"
SCHEMA = 1

PREFERENCE = "preference"
"""What people say, among the metrics that it is held against."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ballot:
    """A vote, and on what.

    Attributes:
        first: the generator that made one clip.
        second: who made the other.
        preferred: which of them, or "neither".
        visitor: a name that says nothing of the person, one a visit.
        protocol: name of the list of prompts.
        prompt: number of the prompt in that list.
    """

    first: str
    second: str
    preferred: Preferred
    visitor: str
    protocol: str
    prompt: int


def cast(folder: ComparisonFolder, ballot: Ballot) -> None:
    """Add a vote.

    Raises:
        FolderError: for a folder in a bucket, whose objects cannot be added to.
    """
    if isinstance(folder.path, BucketPath):
        raise FolderError(f"{folder.path} is in a bucket, where votes cannot be added one by one")
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    said = json.dumps({"schema_version": SCHEMA, "time": now} | dataclasses.asdict(ballot))
    # A line of its own even after one that a crash cut short.
    line = f"\n{said}\n".encode()
    file = os.open(_path(folder), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        if os.write(file, line) < len(line):
            raise OSError(f"{_path(folder)}: a vote could not be written whole; is the disk full?")
        os.fsync(file)
    finally:
        os.close(file)


def votes_of(folder: ComparisonFolder) -> list[Vote]:
    """Every vote that was added; none where nobody voted. A line that a crash left half written is
    passed over.

    Raises:
        FolderError: for a line that is no vote, by its number.
    """
    if isinstance(folder.path, BucketPath) or not _path(folder).exists():
        return []
    lines = _path(folder).read_text().splitlines()
    return [
        _vote(line, f"{_path(folder)}, line {number}")
        for number, line in enumerate(lines, 1)
        if line and (line.endswith("}") or not line.startswith("{"))
    ]


def _vote(line: str, where: str) -> Vote:
    try:
        said = json.loads(line)
        if said["schema_version"] > SCHEMA:
            raise FolderError(f"{where} has schema {said['schema_version']}: update vidgen")
        names = [said[key] for key in ("first", "second", "visitor")]
        if said["preferred"] not in PREFERRED or not all(isinstance(n, str) for n in names):
            raise ValueError("it prefers nobody that it names")
        first, second, visitor = names
        return Vote(first=first, second=second, preferred=said["preferred"], visitor=visitor)
    except FolderError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FolderError(f"{where} is no vote ({error}); remove the line") from error


def preference_table(strengths: list[Strength]) -> Table:
    """Whom people prefer, the strongest first."""
    columns = (
        Head(
            key="strength",
            text="Strength",
            note="Bradley and Terry's: log-odds of being preferred to an average one; 95% by a "
            "bootstrap over visitors",
            sign="↑",
        ),
        Head(key="won", text="Preferred", note="share of its votes, half of a draw", sign="↑"),
        Head(key="votes", text="Votes"),
    )
    lines = tuple(
        (
            Head(key=one.name, text=one.name),
            (
                Cell(
                    text=f"{one.value:+.2f}",
                    value=one.value,
                    low=one.low,
                    high=one.high,
                    below=f"{one.low:+.2f} to {one.high:+.2f}",
                ),
                Cell(text=f"{one.won:.2f}", value=one.won),
                Cell(text=str(one.votes), value=float(one.votes)),
            ),
        )
        for one in strengths
    )
    return Table(
        name=PREFERENCE,
        caption="Whom people prefer, of two clips under the same prompt",
        corner="Generator",
        columns=columns,
        groups=(("", lines),),
    )


def agreements(strengths: list[Strength], results: Results) -> list[Agreement]:
    """How far the metrics of the main table rank the generators as people do, the closest first."""
    people = {PREFERENCE: {one.name: one.value for one in strengths}}
    found: list[Agreement] = []
    for metric, prompts in MAIN:
        rows = [r for r in results.pick(metric, prompts=prompts) if r.kind == "generator"]
        values = {r.generator: r.value for r in rows if r.value is not None}
        lower = bool(rows) and rows[0].better == "lower"
        better = {name: -value if lower else value for name, value in values.items()}
        if prompts in ("all", METRICS[metric].strata[0]):  # a metric once
            found += rank_agreement({**people, metric: better})
    return sorted(found, key=lambda pair: -pair.kendall)


def ranked(folder: ComparisonFolder) -> list[Strength]:
    """Whom people prefer; nobody where nobody voted."""
    votes = votes_of(folder)
    return bradley_terry(votes) if votes else []


def _path(folder: ComparisonFolder) -> Path:
    return Path(folder.path) / FILE
