"""A picture of the results: the distance over the seconds of training."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from gan_experiments.benchmark.quality.contenders import Target
from gan_experiments.benchmark.quality.table import Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLORS = ("#2b6cb0", "#b7791f", "#2c7a7b", "#805ad5")
_EXTRAPOLATED, _TARGET, _INK, _FAINT = "#a0aec0", "#dd6b20", "#2d3748", "#cbd5e0"


def draw(entries: Sequence[Entry], target: Target | None, caption: str) -> Figure:
    """Draw a thick line a contender, the mean of its runs, and a thin one each run; dots show where it was scored.

    A ring is where the target is met: by the distance, which is drawn, and by precision and recall, which are not.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = Figure(figsize=(9, 5.2), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    colors = iter(_COLORS)
    for entry in entries:
        color, dashes = (_EXTRAPOLATED, "--") if entry.is_extrapolated else (next(colors), "-")
        for points in entry.runs if len(entry.runs) > 1 else []:
            values = [[point.seconds for point in points], [point.distance for point in points]]
            axes.plot(*values, color=color, linestyle=dashes, linewidth=0.8, alpha=0.35)
        places = list(zip(*entry.runs, strict=True))
        seconds = [fmean(point.seconds for point in points) for points in places]
        distances = [fmean(point.distance for point in points) for points in places]
        name = entry.name.strip("`")
        label = f"{name} (extrapolated)" if entry.is_extrapolated else f"{name}, {_seeds(len(entry.runs))}"
        axes.plot(seconds, distances, color=color, ls=dashes, marker="o", markersize=4, linewidth=2, label=label)
        if entry.standing.met:
            i = [points[0].epoch for points in places].index(entry.standing.points[0].epoch)
            ring = {"markerfacecolor": "none", "markeredgecolor": color, "markeredgewidth": 1.8}
            axes.plot(seconds[i : i + 1], distances[i : i + 1], marker="o", markersize=13, **ring)
    if target is not None:
        label = f"target, {target.distance:g} (ring: met)"
        axes.axhline(target.distance, color=_TARGET, linestyle=":", linewidth=1.5, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:,.4g}" if value < 1e4 else f"{value:,.0f}")
        axis.set_minor_formatter(NullFormatter())
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_FAINT)
    axes.tick_params(which="both", colors=_INK, color=_FAINT)
    axes.grid(color=_FAINT, alpha=0.5)
    axes.set_xlabel("seconds of training, start-up and scores apart", color=_INK)
    axes.set_ylabel("Fréchet classifier distance, 10,000 samples", color=_INK)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, labelcolor=_INK)
    figure.supxlabel(caption, fontsize=8, color="#718096")
    return figure


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"
