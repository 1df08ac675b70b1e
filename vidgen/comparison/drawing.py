"""How every figure looks: one style, one colour and one marker a generator, SVG as it is written.

The palette is Okabe and Ito's, which colour-blind readers can tell apart. Ink is ``currentColor``,
so that a figure in the page follows its light or dark scheme; in a file of its own it is black.
"""

from __future__ import annotations

import contextlib
import html
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vidgen.comparison.wording import amount

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALETTE = ("#D55E00", "#2B8CC4", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#A6761D")
BUILT_IN = ("gan", "autoregressive", "diffusion", "masked", "meanflow")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")

INK = "#010203"
"""Stands for ``currentColor`` while matplotlib draws, which knows no such colour."""

PANEL = (4.2, 2.6)
"""Inches of a panel: two stand side by side in the page, one on a phone, letters readable in both.
"""

Look = Mapping[str, tuple[str, str]]
"""(colour, marker) by generator."""

_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.12,
    "legend.frameon": False,
    "legend.fontsize": 8,
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


@contextlib.contextmanager
def panel(
    width: float = PANEL[0], height: float = PANEL[1]
) -> Iterator[tuple[Axes, Callable[[str], str]]]:
    """Axes of a size in inches, and what turns them into SVG with a description."""
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

        yield figure.add_subplot(), save


def standalone(svg: str) -> str:
    """A drawing of `panel` as a file of its own: black ink on nothing, its description inside."""
    head, body = svg.split(">", 1)
    described = re.search(r'aria-label="([^"]*)"', head)
    title = f"<title>{described[1]}</title>" if described else ""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f"{head}>{title}{body.replace('currentColor', '#000000')}\n"
    )


def plain_decades(axes: Axes) -> None:
    """A logarithmic abscissa with counts in words, and with room about a single point."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    if high / low < 12:
        axes.set_xlim(low / 3, high * 3)
    low, high = axes.get_xlim()
    # Few decades need more than their powers of ten to be read.
    subs = (1.0,) if high / low > 1e3 else (1.0, 3.0) if high / low > 30 else (1.0, 2.0, 5.0)
    axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=8))
    # Not in mathematics' own fonts, which a page does not have.
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _inline(svg: str, description: str) -> str:
    """The drawing alone, described for readers who do not see it, in the page's ink."""
    svg = svg[svg.index("<svg") :]
    box = re.search(r'viewBox="([^"]+)"', svg)
    assert box is not None
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    # Ids of groups repeat from figure to figure, and nothing refers to them.
    svg = re.sub(r' id="[\w.]+_\d+"', "", svg)
    head = (
        f'<svg viewBox="{box[1]}" role="img" aria-label="{html.escape(description)}" '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return head + svg[svg.index(">") + 1 :].strip().replace(INK, "currentColor")
