"""Numbers and names in words, the same in prose, tables and figures."""

from __future__ import annotations

from vidgen.comparison.rows import Row


def number(value: float | None, metric: str = "") -> str:
    """A value for prose and tables, with the digits that its metric deserves."""
    if value is None:
        return "-"
    if metric.startswith(("fvd", "kvd", "fid")):  # of no fixed scale
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    digits = 3 if metric.startswith("drift") else 1 if metric.startswith("psnr") else 2
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0 makes nothing of a negative zero


def interval(row: Row) -> str:
    """``0.90 [0.85, 0.94]``."""
    value, low, high = (number(end, row.metric) for end in (row.value, row.low, row.high))
    return value if row.low is None or row.high is None else f"{value} [{low}, {high}]"


def amount(value: float | int) -> str:
    """A large count with a letter: ``3.2 M``."""
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}"


def seconds(value: float) -> str:
    """A duration with a fitting unit."""
    if value < 1:
        return f"{value * 1e3:.3g} ms"
    return f"{value:.3g} s" if value < 600 else f"{value / 60:.3g} min"


def short(value: object) -> str:
    """A value of a configuration, with three digits where it has a fraction."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def capital(words: str) -> str:
    """The same as the beginning of a sentence."""
    return words[:1].upper() + words[1:]
