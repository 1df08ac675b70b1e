"""What people said of a comparison's clips: kept a line a vote, and ranked for the report.

``votes.jsonl`` beside ``results.json``; a line is

::

    {"schema_version": 1, "time": "2026-11-27T09:30:00+00:00", "visitor": "9f0c...", "protocol":
     "test-256", "prompt": 17, "first": "gan", "second": "diffusion", "preferred": "first",
     "clips": ["5e1d...", "a0b7..."]}

Lines are only ever added, each by one write, so that several processes may add to one file. A vote
names the pixels that were seen: it counts as long as they are the answers of this folder.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
from pathlib import Path

from vidgen.bucket import BucketPath
from vidgen.comparison.folder import ComparisonFolder, FolderError, read_json
from vidgen.comparison.headings import MAIN
from vidgen.comparison.results import Results
from vidgen.comparison.table import Cell, Head, Table
from vidgen.evaluation import METRICS, ClipSet
from vidgen.evaluation.agreement import Agreement, rank_agreement
from vidgen.evaluation.arrays import pixel_digest
from vidgen.evaluation.preference import PREFERRED, Preferred, Strength, Vote, bradley_terry

FILE = "votes.jsonl"
SCHEMA = 1

_WORDS = ("first", "second", "preferred", "visitor", "protocol")

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
        clips: digests of the two clips, see `seen`.
    """

    first: str
    second: str
    preferred: Preferred
    visitor: str
    protocol: str
    prompt: int
    clips: tuple[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Poll:
    """The votes of a folder.

    Attributes:
        votes: on clips that are there.
        outdated: how many more there are, on clips that are not there any more.
    """

    votes: tuple[Vote, ...] = ()
    outdated: int = 0


def answers_of(folder: ComparisonFolder) -> dict[str, ClipSet]:
    """What people vote on: the answers of each generator but baselines, of its first training, to
    the prompts of the test split.
    """
    record, protocol = read_json(folder.experiment), protocol_of(folder)
    found = {}
    for name in record["order"]:
        path = folder.run(name, record["experiment"]["seeds"][0]).samples(protocol)
        if record["cards"][name]["family"] != "baseline" and path.exists():
            found[name] = ClipSet.load(path)
    return found


def protocol_of(folder: ComparisonFolder) -> str:
    """The name of the list of prompts that people vote on."""
    asked = read_json(folder.experiment)["experiment"]
    return f"{asked['test_split']}-{asked['prompts']}"


def seen(answers: ClipSet, prompt: int) -> str:
    """A digest of the pixels of one answer."""
    return pixel_digest(answers.video[prompt : prompt + 1])


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


def poll(folder: ComparisonFolder) -> Poll:
    """Every vote that was added; none where nobody voted. A line that a crash left half written is
    passed over.

    Raises:
        FolderError: for a line that is no vote, by its number.
    """
    if isinstance(folder.path, BucketPath) or not _path(folder).exists():
        return Poll()
    lines = _path(folder).read_text().splitlines()
    ballots = [
        _ballot(line, f"{_path(folder)}, line {number}")
        for number, line in enumerate(lines, 1)
        if line and (line.endswith("}") or not line.startswith("{"))
    ]
    answers = answers_of(folder) if ballots else {}
    here = {
        (name, seen(clips, prompt))
        for name, clips in answers.items()
        for prompt in {ballot.prompt for ballot in ballots}
        if 0 <= prompt < len(clips)
    }
    counted = [
        Vote(
            first=ballot.first,
            second=ballot.second,
            preferred=ballot.preferred,
            visitor=ballot.visitor,
        )
        for ballot in ballots
        if {(ballot.first, ballot.clips[0]), (ballot.second, ballot.clips[1])} <= here
    ]
    return Poll(votes=tuple(counted), outdated=len(ballots) - len(counted))


def _ballot(line: str, where: str) -> Ballot:
    try:
        said = json.loads(line)
        if said["schema_version"] > SCHEMA:
            raise FolderError(f"{where} has schema {said['schema_version']}: update vidgen")
        first, second = said["clips"]
        fields = {name: said[name] for name in _WORDS}
        words = [*fields.values(), first, second]
        if said["preferred"] not in PREFERRED or not all(isinstance(word, str) for word in words):
            raise ValueError("it prefers nobody that it names")
        if type(said["prompt"]) is not int:
            raise ValueError("it names no prompt by its number")
        if fields["first"] == fields["second"]:
            raise ValueError("it names nobody's rival")
        return Ballot(**fields, prompt=said["prompt"], clips=(first, second))
    except FolderError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FolderError(f"{where} is no vote ({error}); remove the line") from error


def preference_table(strengths: list[Strength], outdated: int = 0) -> Table:
    """Whom people prefer, the strongest first.

    Args:
        strengths: as `ranked` gives them.
        outdated: votes that do not count, see `Poll`.
    """
    caption = "Whom people prefer, of two clips under the same prompt"
    if outdated:
        caption += f"; beside these, votes on clips that are not here any more: {outdated}"
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
        caption=caption,
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


def ranked(found: Poll) -> list[Strength]:
    """Whom people prefer; nobody where nobody voted."""
    return bradley_terry(found.votes) if found.votes else []


def _path(folder: ComparisonFolder) -> Path:
    return Path(folder.path) / FILE
