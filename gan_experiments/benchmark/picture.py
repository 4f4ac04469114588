"""A picture of the results: time a step of every contender, and member-steps a second by size of the sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gan_experiments.benchmark.report import Row, short
from gan_experiments.benchmark.timing import Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OURS, _RIVALS, _FLOOR = "#2c7a7b", "#a0aec0", "#dd6b20"
_WAYS = {"fused": (_OURS, "o"), "processes": ("#2b6cb0", "s"), "one after another": ("#718096", "^")}
_INK, _FAINT = "#2d3748", "#cbd5e0"


def draw(rows: Sequence[Row], caption: str) -> Figure:
    """Draw one panel for single runs and one for sweeps, if they were measured."""
    from matplotlib.figure import Figure

    measured = [row for row in rows if row.spread is not None]
    steps = [row for row in measured if row.part == "step"]
    sweep = [row for row in measured if row.part == "sweep"]
    panels = [(form, own) for form, own in ((_steps, steps), (_sweep, sweep)) if own]
    figure = Figure(figsize=(7.2 * len(panels), 4.8), dpi=110, layout="constrained")
    for i, (form, own) in enumerate(panels):
        axes = figure.add_subplot(1, len(panels), i + 1)
        form(axes, own)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            axes.spines[side].set_color(_FAINT)
        axes.tick_params(colors=_INK, color=_FAINT)
    figure.supxlabel(caption, fontsize=8, color="#718096")
    return figure


def _steps(axes: Axes, rows: Sequence[Row]) -> None:
    values = [_spread(row).median for row in rows]
    colors = [_OURS if "this project" in row.name else _FLOOR if _bounds(row) else _RIVALS for row in rows]
    errors = [
        [_spread(row).median - _spread(row).low for row in rows],
        [_spread(row).high - _spread(row).median for row in rows],
    ]
    axes.barh(range(len(rows)), values, color=colors, height=0.7, xerr=errors, ecolor=_INK, error_kw={"linewidth": 1})
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.invert_yaxis()
    right = max(_spread(row).high for row in rows)
    for i, row in enumerate(rows):
        times = f"   {row.against['article']:.3g} x" if row.against.get("article", 1) != 1 else ""
        axes.text(
            _spread(row).high + right / 80, i, f"{short(values[i])}{times}", va="center", fontsize=9, color=_INK
        )
    axes.set_xlim(0, right * 1.3)
    axes.xaxis.set_major_formatter(lambda time, _: f"{time:,.0f}")
    axes.set_xlabel("microseconds a step", color=_INK)
    axes.set_title("One run: time a step, and how much faster than the article's loop", color=_INK, fontsize=11)


def _sweep(axes: Axes, rows: Sequence[Row]) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    for way, (color, marker) in _WAYS.items():
        own = [row for row in rows if row.name == way]
        rates = [_spread(row).scaled(1e-6).inverse() for row in own]
        errors = [[r.median - r.low for r in rates], [r.high - r.median for r in rates]]
        if own:
            members = [row.members for row in own]
            medians = [r.median for r in rates]
            axes.errorbar(members, medians, errors, color=color, marker=marker, markersize=5, label=way)
    sizes = sorted({row.members for row in rows})
    floors = {r.members: r.against["floor"] / _spread(r).median * 1e6 for r in rows if "floor" in r.against}
    axes.plot(list(floors), list(floors.values()), color=_FLOOR, linestyle="--", label="counted floor")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sizes, [str(members) for members in sizes])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda rate, _: f"{rate:,.4g}" if rate < 1e4 else f"{rate:,.0f}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
    axes.set_xlabel("runs in the sweep", color=_INK)
    axes.set_ylabel("member-steps a second", color=_INK)
    axes.set_title("A sweep: steps of all its runs in a second", color=_INK, fontsize=11)
    axes.grid(color=_FAINT, alpha=0.5)
    axes.legend(frameon=False)


def _bounds(row: Row) -> bool:
    return "floor" in row.name or row.name == "products and Adam alone"


def _spread(row: Row) -> Spread:
    assert row.spread is not None
    return row.spread
