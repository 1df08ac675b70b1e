"""How many of the ideas that people write does `vidgen.app.ideas` understand, and how many wrongly?

    python benchmarks/ideas.py

``ideas.csv`` holds what people might ask of a camera before a photograph, in their own words, with
what they mean; what asks for something else means nothing. Its lines of the parts ``held-out`` and
``second`` were written by others who did not know the code, and nothing was tuned on them. A line
is a part and what sentences are compared by: all-MiniLM-L6-v2, where it is installed, and the words
alone. Of those with a meaning, the shares that are understood right, as something else, and not at
all; of the others, the share that is refused. Wilson's 95% intervals over ideas.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import tyro

from vidgen.app.ideas import Ideas, UnknownIdeaError, strongest
from vidgen.atomic import replacing
from vidgen.data.camera_motion import scripts
from vidgen.evaluation.statistics import proportion

SCHEMA_VERSION = 1

COLUMNS = ("right", "as another", "not at all", "strangers refused")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What is read.

    Attributes:
        ideas: a table of idea, meaning (a script of the source camera, or nothing) and part.
        show: whether what went wrong is listed, of the part development alone.
        out: where the JSON goes.
    """

    ideas: Path = Path(__file__).parent / "ideas.csv"
    show: bool = False
    out: Path = Path("ideas.json")


def main(settings: Settings) -> int:
    """Read, compare, print and write."""
    meanings = {c: s.name for s in scripts(two_part=True).values() for c in s.captions()}
    with settings.ideas.open(newline="") as file:
        lines = list(csv.DictReader(file))
    known = sorted(meanings)
    readers = {"words": Ideas(known, encoder=None)}
    if strongest() is not None:
        readers["meaning"] = Ideas(known, encoder=strongest())
    rows = []
    for by, ideas in readers.items():
        for part in dict.fromkeys(line["part"] for line in lines):
            of_part = [line for line in lines if line["part"] == part]
            answers = [_meaning(ideas, line["idea"], meanings) for line in of_part]
            rows.append({"by": by, "part": part} | _shares(of_part, answers))
            if settings.show and part == "development":
                for line, answer in zip(of_part, answers, strict=True):
                    if answer != line["meaning"]:
                        print(f"{by}: {line['idea']!r} means {line['meaning']!r}, not {answer!r}")
    print(f"{'by':<9}{'part':<13}" + "".join(f"{column:<22}" for column in COLUMNS))
    for row in rows:
        cells = ["{:.2f} [{:.2f}, {:.2f}]".format(*row[column]) for column in COLUMNS]
        line = f"{row['by']:<9}{row['part']:<13}" + "".join(f"{cell:<22}" for cell in cells)
        print(line.rstrip())
    with replacing(settings.out) as partial:
        content = {"schema_version": SCHEMA_VERSION, "ideas": settings.ideas.name, "rows": rows}
        partial.write_text(json.dumps(content, indent=2) + "\n")
    return 0


def _meaning(ideas: Ideas, idea: str, meanings: dict[str, str]) -> str:
    try:
        return meanings[ideas.understand(idea).sentence]
    except UnknownIdeaError:
        return ""


def _shares(lines: list[dict[str, str]], answers: list[str]) -> dict[str, list[float | None]]:
    meant = np.array([line["meaning"] for line in lines])
    found = np.array(answers)
    told, refused = meant != "", found == ""
    scores = (
        proportion((found == meant)[told]),
        proportion(((found != meant) & ~refused)[told], better="lower"),
        proportion(refused[told], better="lower"),
        proportion(refused[~told]),
    )
    return {
        column: [score.value, score.low, score.high]
        for column, score in zip(COLUMNS, scores, strict=True)
    }


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Settings, description=__doc__)))
