"""A table as plain data, which the page, CSV and LaTeX are written from alike."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """One number.

    Attributes:
        text: as people read it; ``"-"`` where there is none.
        value: the number itself, None where there is none.
        low: lower end of its 95% interval.
        high: upper end.
        below: the interval as people read it.
        note: n, how the interval was made, or why there is no number.
        metric: what it is a value of, for its definition; empty where there is none.
        best: whether a test supports that it is the best of its column's (or line's) generators.
    """

    text: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    below: str = ""
    note: str = ""
    metric: str = ""
    best: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Head:
    """The head of a column or of a line.

    Attributes:
        key: a name for machines.
        text: as people read it.
        under: a second line, such as which prompts.
        metric: whose definition belongs here; empty where the head is somebody's name.
        note: what it is, where it is no metric.
        sign: which way is good: "↑", "↓" or empty.
        quiet: whether it is an anchor or a baseline, which frame the others.
    """

    key: str
    text: str
    under: str = ""
    metric: str = ""
    note: str = ""
    sign: str = ""
    quiet: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        name: of its files.
        caption: what it shows.
        corner: the head of the first column.
        columns: heads.
        groups: (heading or "", lines), a line a head and a cell a column.
    """

    name: str
    caption: str
    corner: str
    columns: tuple[Head, ...]
    groups: tuple[tuple[str, tuple[tuple[Head, tuple[Cell, ...]], ...]], ...]

    @property
    def lines(self) -> list[tuple[Head, tuple[Cell, ...]]]:
        """All lines, whatever their group."""
        return [line for _, lines in self.groups for line in lines]
