"""Figures of the report, as SVG that takes the page's colours and fonts.

One colour and one marker a family, the same in every figure; the palette is Okabe and Ito's, which
colour-blind readers can tell apart. Ink is ``currentColor``, so that figures follow the page's
light or dark scheme.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vidgen.comparison.curves import Curve, Point
from vidgen.comparison.results import Row
from vidgen.comparison.verdict import amount

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ("#D55E00", "#2B8CC4", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#A6761D")
BUILT_IN = ("gan", "autoregressive", "diffusion", "masked")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")

_INK = "#010203"  # becomes currentColor
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlelocation": "left",
    "axes.titlecolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.grid": True,
    "grid.color": _INK,
    "grid.alpha": 0.12,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def looks(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """(colour, marker) by generator. A built-in family looks the same in every report."""
    free = len(BUILT_IN)
    found = {}
    for name in names:
        place = BUILT_IN.index(name) if name in BUILT_IN else free
        free += name not in BUILT_IN
        found[name] = (PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)])
    return found


def forest(
    panels: Mapping[str, Sequence[Row]], chance: Mapping[str, Row], look: Mapping[str, Any]
) -> str:
    """Values with their intervals, a panel a kind of prompts, and the highest chance anchor.

    Args:
        panels: rows of the generators by title.
        chance: by title, the anchor that stands for chance; it is drawn as a band.
        look: from `looks`.
    """
    height = 0.75 + 0.34 * max((len(rows) for rows in panels.values()), default=1)
    with _figure(8.2, height + 0.35) as (figure, save):
        for place, (title, rows) in enumerate(panels.items()):
            axes = figure.add_subplot(1, len(panels), place + 1)
            for y, row in enumerate(reversed(rows)):
                if row.value is None:
                    continue
                colour, marker = look[row.generator]
                low = row.value if row.low is None else row.low
                high = row.value if row.high is None else row.high
                axes.plot([low, high], [y, y], color=colour, linewidth=2.5, alpha=0.6)
                axes.plot([row.value], [y], marker, color=colour, markersize=7)
            names = [row.generator for row in reversed(rows)]
            axes.set_yticks(range(len(names)), names if place == 0 else [""] * len(names))
            axes.set_ylim(-0.6, len(names) - 0.4)
            axes.set_xlim(-0.02, 1.02)
            axes.set_title(title)
            axes.set_xlabel("oracle success, 95% interval")
            band = chance.get(title)
            if band is not None and band.high is not None:
                axes.axvspan(0, band.high, color=_INK, alpha=0.1, linewidth=0)
        return save("Oracle success of each generator with its 95% interval; chance is shaded")


def losses(curves: Mapping[str, Sequence[Curve]], look: Mapping[str, Any]) -> str:
    """Loss against training seconds and against FLOPs: a row a generator, a line a phase and split.

    Losses of different families measure different things, so that each has axes of its own.
    """
    with _figure(8.2, 2.0 * max(len(curves), 1)) as (figure, save):
        for line, (name, found) in enumerate(curves.items()):
            for column, axis in enumerate(("seconds", "flops")):
                axes = figure.add_subplot(len(curves), 2, 2 * line + column + 1)
                _loss_panel(axes, found, axis, look[name][0])
                axes.set_title(name if column == 0 else "")
                axes.set_ylabel("loss" if column == 0 else "")
                if line == len(curves) - 1:
                    axes.set_xlabel("training seconds" if axis == "seconds" else "training FLOPs")
        return save("Training and validation loss of each generator against seconds and FLOPs")


def trade_offs(panels: Mapping[str, Mapping[str, Sequence[Point]]], look: Mapping[str, Any]) -> str:
    """Quality against each price: a panel a price, a line a generator through its budgets.

    Args:
        panels: by label of the price, by generator, its points from the smallest budget on.
        look: from `looks`.
    """
    columns = 2
    lines = math.ceil(len(panels) / columns)
    with _figure(8.2, 2.5 * max(lines, 1)) as (figure, save):
        for place, (label, series) in enumerate(panels.items()):
            axes = figure.add_subplot(lines, columns, place + 1)
            for name, points in series.items():
                colour, marker = look[name]
                ordered = sorted(points, key=lambda point: point.price)
                x, y = [p.price for p in ordered], [p.value for p in ordered]
                below = [p.value - p.low for p in ordered]
                above = [p.high - p.value for p in ordered]
                axes.errorbar(
                    x,
                    y,
                    yerr=(below, above),
                    color=colour,
                    marker=marker,
                    markersize=6,
                    linewidth=1.2,
                    elinewidth=1.5,
                    label=name,
                )
            axes.set_xscale("log")
            _plain_decades(axes)
            axes.set_ylim(-0.03, 1.03)
            axes.set_xlabel(label)
            axes.set_ylabel("oracle success" if place % columns == 0 else "")
            if place == 0:
                axes.legend(loc="best", fontsize=8)
        return save("Oracle success of each generator against what it costs")


def _loss_panel(axes: Axes, curves: Sequence[Curve], axis: str, colour: str) -> None:
    drawn = False
    phases = list(dict.fromkeys(curve.phase for curve in curves))
    for curve in curves:
        x = curve.seconds if axis == "seconds" else curve.flops
        if not x:
            continue
        drawn = True
        validation = curve.split == "validation"
        axes.plot(
            x,
            curve.loss,
            color=_INK if validation else colour,
            linestyle=("-", "--", ":", "-.")[phases.index(curve.phase) % 4],
            linewidth=1.3 if validation else 0.9,
            alpha=0.9 if validation else 0.65,
            label=f"{curve.phase}, {curve.split}" if curve.labelled else None,
        )
    if axis == "flops":
        from matplotlib.ticker import FuncFormatter

        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value)))
    if not drawn:
        axes.text(0.5, 0.5, "not counted", ha="center", transform=axes.transAxes)
    elif axis == "seconds":
        axes.legend(loc="best", fontsize=7)


def _plain_decades(axes: Axes) -> None:
    """Powers of ten without mathematics' own fonts, which a page does not have."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axes.get_xlim()
    if high / low < 12:
        # A single point, or points of one decade: widen, so that there is a scale to read.
        axes.set_xlim(low / 3, high * 3)
    axes.xaxis.set_major_locator(LogLocator(numticks=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


@contextlib.contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Figure, Callable[[str], str]]]:
    """A figure in inches, and what turns it into SVG with a description."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")

        def save(description: str) -> str:
            buffer = io.StringIO()
            # The salt keeps ids of clip paths apart between figures, and equal between two calls.
            with matplotlib.rc_context({"svg.hashsalt": description}):
                nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
                figure.savefig(buffer, format="svg", metadata=nothing, transparent=True)
            return _inline(buffer.getvalue(), description)

        yield figure, save


def _inline(svg: str, description: str) -> str:
    """The drawing alone, described for readers who do not see it, in the page's ink."""
    svg = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="([^"]+)"', svg)
    assert box is not None
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    # Ids of groups repeat from figure to figure, and nothing refers to them.
    svg = re.sub(r' id="[\w.]+_\d+"', "", svg)
    head = (
        f'<svg viewBox="{box[1]}" role="img" aria-label="{description}" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return head + svg[svg.index(">") + 1 :].replace(_INK, "currentColor")
