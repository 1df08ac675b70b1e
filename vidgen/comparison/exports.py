"""Figures and tables as files beside the page: SVG, CSV, and LaTeX for the package booktabs."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from etils import epath

from vidgen.comparison.curves import Curves
from vidgen.comparison.drawing import standalone
from vidgen.comparison.folder import ComparisonFolder, write_text
from vidgen.comparison.rows import Row
from vidgen.comparison.table import Cell, Head, Table

_KINDS = (".svg", ".csv", ".tex")

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}


def write_exports(
    folder: ComparisonFolder,
    figures: Mapping[str, str],
    tables: Sequence[Table],
    rows: Sequence[Row],
    rollouts: Mapping[tuple[str, str], Curves] = MappingProxyType({}),
) -> None:
    """Write ``figures/<name>.svg``, ``tables/<name>.csv`` and ``.tex``, and remove stale ones.

    Args:
        folder: of the comparison.
        figures: the page's drawings by name.
        tables: the page's tables.
        rows: every number of every seed, for ``tables/rows.csv``.
        rollouts: curves along the frames of clips longer than training's, by metric and prompts,
            for ``tables/rollout-frames.csv``; none leave no file.
    """
    files = {folder.figures / f"{name}.svg": standalone(svg) for name, svg in figures.items()}
    for table in tables:
        files[folder.tables / f"{table.name}.csv"] = to_csv(table)
        files[folder.tables / f"{table.name}.tex"] = to_latex(table)
    files[folder.tables / "rows.csv"] = rows_to_csv(rows)
    if rollouts:
        files[folder.tables / "rollout-frames.csv"] = curves_to_csv(rollouts)
    for path in [*_exported(folder.figures), *_exported(folder.tables)]:
        if path not in files:
            path.unlink()
    for path, text in files.items():
        write_text(path, text)


def to_csv(table: Table) -> str:
    """A table in long form: a line a number, with its interval, so that it can be plotted."""
    words = ("group", "line", "column", "text", "value", "low", "high", "best", "note")
    lines = [
        (group, head.key, column.key, c.text, c.value, c.low, c.high, int(c.best), c.note)
        for group, entries in table.groups
        for head, cells in entries
        for column, c in zip(table.columns, cells, strict=True)
    ]
    return _csv([words, *lines])


def rows_to_csv(rows: Sequence[Row]) -> str:
    """Tidy rows, as in ``results.json``."""
    names = [field.name for field in dataclasses.fields(Row)]
    return _csv([names, *([getattr(row, name) for name in names] for row in rows)])


def curves_to_csv(curves: Mapping[tuple[str, str], Curves]) -> str:
    """Curves along the frames in long form: a line a metric, kind of prompts, name and frame."""
    lines = [
        (metric, prompts, who, frame, *ends)
        for (metric, prompts), group in sorted(curves.items(), key=lambda item: item[0])
        for who, curve in group.items()
        for frame, ends in enumerate(zip(curve.value, curve.low, curve.high, strict=True))
    ]
    return _csv([("metric", "prompts", "who", "frame", "value", "low", "high"), *lines])


def to_latex(table: Table) -> str:
    """A table for ``\\usepackage{booktabs}``: bold where a test supports it, intervals small."""
    heads = [_two_lines(f"{head.text} {head.sign}".strip(), head.under) for head in table.columns]
    lines = [
        f"% {table.caption}. Needs \\usepackage{{booktabs}}.",
        rf"\begin{{tabular}}{{l{'r' * len(heads)}}}",
        r"\toprule",
        " & ".join([_latex(table.corner), *heads]) + r" \\",
    ]
    for group, entries in table.groups:
        if not entries:
            continue
        lines.append(r"\midrule")
        if group:
            lines.append(rf"\multicolumn{{{len(heads) + 1}}}{{l}}{{\emph{{{_latex(group)}}}}} \\")
        for head, cells in entries:
            lines.append(" & ".join([_line_head(head), *map(_number, cells)]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _exported(path: epath.Path) -> list[epath.Path]:
    if not path.exists():
        return []
    return [found for found in path.iterdir() if found.suffix in _KINDS]


def _csv(lines: Sequence[Sequence[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue()


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _two_lines(upper: str, lower: str) -> str:
    if not lower:
        return _latex(upper)
    return rf"\shortstack{{{_latex(upper)}\\{{\scriptsize {_latex(lower)}}}}}"


def _line_head(head: Head) -> str:
    words = f"{head.text} {head.sign}".strip()
    return _latex(f"{words}, {head.under}" if head.under else words)


def _number(cell: Cell) -> str:
    text = _latex(cell.text)
    text = rf"\textbf{{{text}}}" if cell.best else text
    if not cell.below:
        return text
    low, high = cell.below.split(" to ")
    return rf"{text} {{\scriptsize [{low}, {high}]}}"
