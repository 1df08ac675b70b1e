"""What is made and judged beside the scores of a run, such as rollouts: a JSON file of its own.

It is no part of the question that the scores answer, so that a comparison that was finished without
it gets it from the trained generators as they lie. The file says first what was asked and how the
clips were made, and then what the judge said of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from etils import epath

from vidgen.comparison import records
from vidgen.comparison.folder import ComparisonFolder, RunFolder, read_json, write_json
from vidgen.comparison.jobs import kept_values, let_go
from vidgen.comparison.pairs import ClipKey
from vidgen.comparison.rows import Row, as_json, rows_of
from vidgen.evaluation.judge import Scores

File = Callable[[RunFolder], epath.Path]
"""Which file of a run."""


def known(path: epath.Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says; nothing where it is not there, or says it of something else."""
    found = read_json(path) if path.exists() else {}
    return found if records.same(found.get("asked"), asked) else {}


def complete(
    path: epath.Path,
    asked: Mapping[str, Any],
    make: Callable[[], dict[str, Any]],
    judge: Callable[[Mapping[str, Any]], None],
) -> None:
    """Do what is left of such a file.

    Args:
        path: the file.
        asked: all that decides what it says.
        make: draws the clips and saves them, and says how.
        judge: scores them, and writes the file with what `make` said.
    """
    found = known(path, asked)
    if "rows" in found:
        return
    if not found:
        found = make()
        write_json(path, found)
    judge(found)
    let_go()


def judged(folder: ComparisonFolder, file: File) -> list[dict[str, Any]]:
    """Those of a comparison that the judge has seen, anchors first; shares of the budget have none.

    Args:
        folder: of the comparison.
        file: which.
    """
    runs = [*folder.anchors(), *folder.runs(shares=False)]
    found = [read_json(file(run)) for run in runs if file(run).exists()]
    return [one for one in found if "rows" in one]


def scored(scores: Scores, about: Mapping[str, Any], **same: Any) -> dict[str, Any]:
    """A judge's scores for such a file.

    Args:
        scores: by (metric, prompts).
        about: whose, by "generator" and "seed", which is None for an anchor.
        **same: further fields of every row.
    """
    kind = "anchor" if about["seed"] is None else "generator"
    rows = rows_of(scores, generator=about["generator"], kind=kind, seed=about["seed"])
    return {
        "rows": as_json(dataclasses.replace(row, **same) for row in rows),
        "clips": kept_values(scores),
    }


def rows_and_clips(
    found: Sequence[Mapping[str, Any]], protocol: str
) -> tuple[list[Row], dict[ClipKey, list[float | None]]]:
    """The rows that such files hold, and the values of single clips.

    Args:
        found: the files, see `judged`.
        protocol: of all rows.
    """
    rows: list[Row] = []
    clips: dict[ClipKey, list[float | None]] = {}
    for one in found:
        rows += [Row(**row) for row in one["rows"]]
        for kept in one["clips"] if one["seed"] is not None else ():
            who = (one["generator"], one["seed"])
            clips[*who, kept["metric"], kept["prompts"], protocol] = kept["values"]
    return rows, clips
