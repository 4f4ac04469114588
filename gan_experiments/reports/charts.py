"""The report's charts, drawn by plotly; the page gives text and lines their colours."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gan_experiments.reports.comparison import Comparison
from gan_experiments.reports.factors import Factor, Setting

DISCRIMINATOR, GENERATOR = "#3f83c9", "#e07a35"
_MARK, _FAINT = "#3f83c9", "rgba(127,127,127,0.55)"
_POINTS = 160
"""Points along a curve of losses."""
_SCALE = [[0, "#14a08f"], [0.5, "#b89b2e"], [1, "#d1495b"]]
"""From good to bad; legible on light pages and on dark ones."""
_ROW = 24
"""Pixels of a setting's row."""
_LEVELS = 8
"""Most values of a factor that get a tick each on its axis."""
_TITLE = 34
"""Characters above a small chart."""


def ranking(comparison: Comparison) -> go.Figure:
    """Plot means with confidence intervals, and each seed's value."""
    places = comparison.ranked
    labels = [f"{index}  {place.setting.label}" for index, place in enumerate(places, 1)]
    seeds = [(value, label) for place, label in zip(places, labels, strict=True) for value in place.values]
    figure = go.Figure()
    figure.add_scatter(
        x=[value for value, _ in seeds],
        y=[label for _, label in seeds],
        mode="markers",
        marker={"color": _FAINT, "size": 7},
        name="one seed",
        hovertemplate="%{y}: %{x:.4g}<extra>one seed</extra>",
    )
    figure.add_scatter(
        x=[place.mean for place in places],
        y=labels,
        error_x={"array": [place.margin or 0 for place in places], "color": _MARK, "thickness": 1.6, "width": 4},
        mode="markers",
        marker={"color": _MARK, "size": 9, "symbol": "diamond"},
        name="mean, 95 % interval",
        hovertemplate="%{y}: %{x:.4g}<extra>mean</extra>",
    )
    figure.update_xaxes(title=f"{comparison.metric.name} ({comparison.metric.direction})")
    figure.update_yaxes(autorange="reversed", automargin=True, ticks="", showgrid=False)
    return _sized(figure, _ROW * len(places) + 110, legend=True)


def importance(comparison: Comparison) -> go.Figure:
    """Plot the share of the differences that each factor accounts for."""
    shares = comparison.shares
    figure = go.Figure(
        go.Bar(
            x=[100 * share.share for share in shares],
            y=[share.label for share in shares],
            orientation="h",
            marker={"color": _MARK},
            text=[f"{100 * share.share:.0f} %" for share in shares],
            textposition="outside",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    figure.update_xaxes(title="share of the variance over all runs, %", range=[0, 108])
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)
    return _sized(figure, 34 * len(shares) + 90)


def parallel(comparison: Comparison) -> go.Figure:
    """Plot each run as a line, through the values of its factors to the metric."""
    runs = [(run, value) for place in comparison.ranked for run, value in zip(place.runs, place.values, strict=True)]
    dimensions = [
        _dimension(factor, [run.params.get(factor.key, "") for run, _ in runs]) for factor in comparison.factors
    ]
    values = [value for _, value in runs]
    dimensions.append({"label": comparison.metric.name, "values": values})
    line = {"color": values, "colorscale": _SCALE, "reversescale": comparison.metric.larger_is_better}
    figure = go.Figure(go.Parcoords(dimensions=dimensions, line=line, labelside="top"))
    figure = _sized(figure, 360)
    figure.update_layout(margin={"l": 70, "r": 70, "t": 60, "b": 30})
    return figure


def _dimension(factor: Factor, values: Sequence[str]) -> dict[str, object]:
    numbers = factor.numbers
    if numbers is None or len(numbers) <= _LEVELS:
        places = [factor.levels.index(value) for value in values]
        ticks = list(range(len(factor.levels)))
        return {"label": factor.label, "values": places, "tickvals": ticks, "ticktext": list(factor.levels)}
    exact = [float(value) for value in values]
    if min(numbers) > 0 and max(numbers) > 20 * min(numbers):
        low, high = math.floor(math.log10(min(numbers))), math.ceil(math.log10(max(numbers)))
        ticks = list(range(low, high + 1))
        logs = [math.log10(value) for value in exact]
        return {"label": factor.label, "values": logs, "tickvals": ticks, "ticktext": [f"1e{t}" for t in ticks]}
    return {"label": factor.label, "values": exact}


def losses(settings: Sequence[Setting], columns: int) -> go.Figure:
    """Plot losses of D and G over the steps: a small chart per setting, a line per seed, one scale for all."""
    rows = math.ceil(len(settings) / columns)
    figure = make_subplots(
        rows,
        columns,
        shared_xaxes=True,
        shared_yaxes=True,
        subplot_titles=[_short(setting.label) for setting in settings],
        horizontal_spacing=0.14 / columns,
        vertical_spacing=0.3 / max(rows, 2),
    )
    highest, lowest = [0.1], [0.0]
    for index, setting in enumerate(settings):
        for run in setting.runs:
            steps, means = _resampled(run.losses())
            if len(steps):
                highest.append(float(np.nanpercentile(means, 99)))
                lowest.append(min(0.0, float(np.nanpercentile(means, 1))))
            for column, color, name in ((0, DISCRIMINATOR, "D"), (1, GENERATOR, "G")):
                figure.add_scatter(
                    x=steps,
                    y=means[:, column],
                    mode="lines",
                    line={"color": color, "width": 1.2},
                    opacity=0.75,
                    name=f"{name}, {run.name}",
                    hovertemplate="%{y:.3f}",
                    row=index // columns + 1,
                    col=index % columns + 1,
                )
    # A setting that diverges must not flatten all others. Losses of critics, and minimax's of G, are below zero.
    top = min(max(highest), 2 * float(np.median(highest)))
    bottom = max(min(lowest), -top)
    figure.update_yaxes(range=[1.08 * bottom, 1.08 * top], nticks=4, matches="y")
    figure.update_xaxes(nticks=4, matches="x")
    figure.update_annotations(font={"size": 11})
    return _sized(figure, 150 * rows + 60)


def _short(label: str) -> str:
    return label if len(label) <= _TITLE else f"{label[: _TITLE - 1]}…"


def _resampled(losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the last steps of equal stretches ``[P]``, and the mean losses over each ``[P, 2]``."""
    if not len(losses):
        return np.zeros(0, np.int32), np.zeros((0, 2), np.float32)
    edges = np.unique(np.linspace(0, len(losses), min(_POINTS, len(losses)) + 1).astype(int))
    means = np.add.reduceat(losses.astype(np.float64), edges[:-1]) / np.diff(edges)[:, None]
    return edges[1:].astype(np.int32), means.astype(np.float32)


def _sized(figure: go.Figure, height: int, legend: bool = False) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 50, "r": 30, "t": 30, "b": 50},
        showlegend=legend,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        template=None,
    )
    return figure
