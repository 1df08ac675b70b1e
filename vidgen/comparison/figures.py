"""Figures of the report, a panel each: SVG that takes the page's colours and fonts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vidgen.comparison.crossings import Crossing
from vidgen.comparison.curves import Curve, Point
from vidgen.comparison.drawing import INK, PANEL, Look, panel, plain_decades
from vidgen.comparison.rows import Row
from vidgen.comparison.wording import amount
from vidgen.evaluation import Confusion
from vidgen.evaluation.observations import FrameCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL = "#2B8CC4"


def forest(title: str, rows: Sequence[Row], chance: Row | None, look: Look) -> str:
    """Values with their 95% intervals, a line a generator.

    Args:
        title: which prompts.
        rows: of the generators, one metric, all with values.
        chance: the highest anchor that stands for chance; drawn as a band up to its interval.
        look: from `drawing.looks`.
    """
    with panel(height=0.95 + 0.3 * len(rows)) as (axes, save):
        for y, row in enumerate(reversed(rows)):
            assert row.value is not None
            colour, marker = look[row.generator]
            low = row.value if row.low is None else row.low
            high = row.value if row.high is None else row.high
            axes.plot([low, high], [y, y], color=colour, linewidth=2.5, alpha=0.6)
            axes.plot([row.value], [y], marker, color=colour, markersize=7)
        axes.set_yticks(range(len(rows)), [row.generator for row in reversed(rows)])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlim(-0.02, 1.02)
        axes.set_title(title)
        axes.set_xlabel("oracle success, 95% interval")
        if chance is not None and chance.high is not None:
            axes.axvspan(0, chance.high, color=INK, alpha=0.1, linewidth=0)
        told = "; ".join(f"{row.generator} {row.value:.2f}" for row in rows)
        return save(f"Oracle success, {title}, with 95% intervals: {told}. Chance is shaded.")


def loss(name: str, curves: Sequence[Curve], axis: str, colour: str) -> str:
    """The loss of one generator against ``"seconds"`` or ``"flops"``, a line a phase and split.

    Losses of different families measure different things, so that each has axes of its own.
    """
    what = "training seconds" if axis == "seconds" else "training FLOPs"
    with panel(height=2.2) as (axes, save):
        phases = list(dict.fromkeys(curve.phase for curve in curves))
        named: set[str] = set()  # the first seed that has a curve is named for all
        for curve in curves:
            x = curve.seconds if axis == "seconds" else curve.flops
            if not x:
                continue
            label = f"{curve.phase}, {curve.split}"
            validation = curve.split == "validation"
            axes.plot(
                x,
                curve.loss,
                color=INK if validation else colour,
                linestyle=("-", "--", ":", "-.")[phases.index(curve.phase) % 4],
                linewidth=1.3 if validation else 0.9,
                alpha=0.9 if validation else 0.65,
                label=None if label in named else label,
            )
            named.add(label)
        if axis == "flops":
            _plain_counts(axes)
        if named:
            axes.legend(loc="best", fontsize=7)
        else:
            axes.text(0.5, 0.5, "not counted", ha="center", transform=axes.transAxes)
        axes.set_title(name)
        axes.set_ylabel("loss")
        axes.set_xlabel(what)
        return save(f"Training and validation loss of {name} against {what}")


def trade_off(
    label: str,
    quality: str,
    series: Mapping[str, Sequence[Point]],
    look: Look,
    *,
    share: bool,
    crossed: Sequence[Crossing] = (),
) -> str:
    """Quality against one price: a line a generator through its budgets, or sampler settings.

    Args:
        label: of the price.
        quality: what is drawn upwards.
        series: by generator, in the order in which the line joins them.
        look: from `drawing.looks`.
        share: whether the quality lies in [0, 1].
        crossed: where lines cross; ringed, and faintly where intervals overlap.
    """
    with panel() as (axes, save):
        _ring(axes, crossed)
        for name, points in series.items():
            _line(axes, name, points, *look[name])
        plain_decades(axes)
        if share:
            highest = max(point.high for points in series.values() for point in points)
            axes.set_ylim(-0.02, min(1.03, max(1.25 * highest, 0.1)))
        axes.set_xlabel(label)
        axes.set_ylabel(quality)
        # Above the axes: few points leave no telling where inside there is room.
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0,
            ncols=3,
            columnspacing=1.0,
            handletextpad=0.3,
        )
        told = "; ".join(
            f"{name} {points[-1].value:.2f} at {amount(points[-1].price)}"
            for name, points in series.items()
        )
        told = "; ".join([told, *map(str, crossed)])
        return save(f"{quality} against {label}: {told}")


def _ring(axes: Axes, crossed: Sequence[Crossing]) -> None:
    for crossing in crossed:
        axes.plot(
            [crossing.price],
            [crossing.value],
            "o",
            markersize=13,
            markerfacecolor="none",
            markeredgecolor=INK,
            markeredgewidth=1.1,
            alpha=1.0 if crossing.apart else 0.4,
        )


def _line(axes: Axes, name: str, points: Sequence[Point], colour: str, marker: str) -> None:
    """A generator's points with their intervals, labels, and tails of latency."""
    axes.errorbar(
        [point.price for point in points],
        [point.value for point in points],
        yerr=([p.value - p.low for p in points], [p.high - p.value for p in points]),
        color=colour,
        marker=marker,
        markersize=6,
        linewidth=1.2,
        elinewidth=1.5,
        label=name,
    )
    for place, point in enumerate(points):
        if point.label:
            axes.annotate(
                point.label,
                (point.price, point.value),
                (5, 4 + 8 * place),  # settings may cost and be worth the same
                textcoords="offset points",
                fontsize=6.5,
                color=colour,
            )
        if point.price_high is not None:
            axes.plot(
                [point.price, point.price_high],
                [point.value] * 2,
                color=colour,
                linewidth=1.5,
                marker="|",
                markevery=[1],
            )


def along_frames(
    title: str,
    unit: str,
    curves: Mapping[str, FrameCurve],
    look: Look,
    *,
    given: int,
    share: bool,
    trained: int | None = None,
    labels: Mapping[str, str] | None = None,
) -> str:
    """A metric against the frame index: a line and a band a generator; anchors in ink.

    Args:
        title: which metric on which prompts.
        unit: of the metric.
        curves: by generator or anchor.
        look: from `drawing.looks`; who has none is drawn in ink.
        given: first frames that the prompts give, shaded.
        share: whether the metric lies in [0, 1].
        trained: frames of a clip of training, where a line marks its end; None where the clips are
            no longer.
        labels: what whom is called in the legend, which then stands below; their names where not
            told.
    """
    from matplotlib.ticker import MaxNLocator

    called = {name: (labels or {}).get(name, name) for name in curves}
    length = max(len(curve.value) for curve in curves.values())
    # Long clips leave no corner free for a legend, and long labels fill one.
    height = PANEL[1] if labels is None else PANEL[1] + 0.6
    with panel(height=height) as (axes, save):
        for name, curve in curves.items():
            colour, marker = look.get(name, (INK, ""))
            frames = np.arange(len(curve.value))
            value, low, high = (
                np.array([np.nan if y is None else y for y in line], float)
                for line in (curve.value, curve.low, curve.high)
            )
            anchor = name not in look
            axes.plot(
                frames,
                value,
                color=colour,
                marker=marker or None,
                markersize=4,
                markevery=max(1, length // 8),
                linewidth=1.0 if anchor else 1.5,
                linestyle="--" if anchor else "-",
                alpha=0.7 if anchor else 1.0,
                label=called[name],
            )
            if not anchor:
                axes.fill_between(frames, low, high, color=colour, alpha=0.15, linewidth=0)
        if given:
            axes.axvspan(-0.5, given - 0.5, color=INK, alpha=0.08, linewidth=0)
        if trained:
            words = f"training ends at {trained}"
            axes.axvline(trained - 0.5, color=INK, linewidth=1.0, linestyle=":", label=words)
        axes.set_xlim(-0.5, length - 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=9))
        if share:
            axes.set_ylim(-0.03, 1.03)
        axes.set_title(title)
        axes.set_xlabel("frame")
        axes.set_ylabel(unit)
        if labels is None:
            axes.legend(loc="best", fontsize=7)
        else:
            axes.legend(loc="upper center", bbox_to_anchor=(0.45, -0.2), ncols=2, fontsize=7)
        told = "; ".join(
            f"{called[name]} from {_first(curve.value):.3g} to {_first(curve.value[::-1]):.3g}"
            for name, curve in curves.items()
        )
        beyond = f", training's clips end at {trained}" if trained else ""
        return save(f"{title} against the frame index{beyond}, {unit}: {told}")


def confusion(title: str, found: Confusion) -> str:
    """A heat map: a row what was asked, a column what was seen, shares of the row as colour."""
    from matplotlib.patches import Rectangle

    rows, columns = found.counts.shape
    side = 3.4 / max(rows, columns)
    with panel(0.9 + side * columns, 0.85 + side * rows) as (axes, save):
        total = np.maximum(found.counts.sum(1, keepdims=True), 1)
        for (y, x), share in np.ndenumerate(found.counts / total):
            if share:
                axes.add_patch(
                    Rectangle((x - 0.5, y - 0.5), 1, 1, color=_CELL, alpha=share, linewidth=0)
                )
                if max(rows, columns) <= 14:
                    axes.text(x, y, str(found.counts[y, x]), ha="center", va="center", fontsize=7)
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(rows - 0.5, -0.5)
        turned = 90 if max(map(len, found.seen)) > 2 else 0
        axes.set_xticks(range(columns), [_short(name) for name in found.seen], rotation=turned)
        axes.set_yticks(range(rows), [_short(name) for name in found.classes])
        axes.set_aspect("equal")
        axes.grid(visible=False)
        axes.set_title(title)
        axes.set_xlabel("seen")
        axes.set_ylabel("asked")
        return save(
            f"{title}: asked against seen, {found.accuracy:.1%} of {found.counts.sum()} on the "
            "diagonal"
        )


def _plain_counts(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: amount(value)))


def _first(values: Sequence[float | None]) -> float:
    return next((value for value in values if value is not None), float("nan"))


def _short(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:15]}…"
