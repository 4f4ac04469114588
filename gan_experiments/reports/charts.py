"""The geometry of the report's charts, in per cent of their areas; the page draws them without scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan_experiments.reports.factors import Factor, Setting
from gan_experiments.reports.group import Group
from gan_experiments.tracking.naming import plain

_POINTS = 160
"""Points along a curve of losses."""
_GOOD, _MIDDLE, _BAD = (20, 160, 143), (184, 155, 46), (209, 73, 91)
"""From good to bad; legible on light pages and on dark ones."""
_LEVELS = 8
"""Most values of a factor that get a tick each on its axis."""
_TICKS = 5


@dataclass(frozen=True)
class Tick:
    """A place on an axis, in per cent from its beginning, and its text."""

    place: float
    text: str


class Axis:
    """A linear axis from ``low`` to ``high``, in per cent."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high if high > low else low + (abs(low) or 1.0)

    def place(self, value: float) -> float:
        """Return where a value is."""
        return round(100 * (value - self.low) / (self.high - self.low), 3)

    def ticks(self) -> list[Tick]:
        """Return a few round values."""
        rough = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [Tick(self.place(index * step), f"{index * step:.6g}") for index in range(first, last + 1)]


@dataclass(frozen=True)
class RankingRow:
    """A setting's mean, interval and seeds on the ranking's axis; the interval is None for one seed."""

    label: str
    mean: float
    interval: tuple[float, float] | None
    seeds: Sequence[float]
    text: str


@dataclass(frozen=True)
class RankingChart:
    """The settings' values, the best first, and what real data have."""

    rows: Sequence[RankingRow]
    ticks: Sequence[Tick]
    real: float | None


def ranking(group: Group) -> RankingChart:
    """Place means with confidence intervals, each seed's value, and real data's."""
    spans = [(place.mean - (place.margin or 0), place.mean + (place.margin or 0)) for place in group.ranked]
    values = [*(value for place in group.ranked for value in place.values), *(end for span in spans for end in span)]
    values += [] if group.floor is None else [group.floor]
    room = 0.02 * ((max(values) - min(values)) or 1.0)
    axis = Axis(min(values) - room, max(values) + room)
    rows = []
    for place, (low, high) in zip(group.ranked, spans, strict=True):
        interval = None if place.margin is None else (axis.place(low), axis.place(high))
        text = f"{place.mean:.4g}" + ("" if place.margin is None else f", {low:.4g} to {high:.4g}")
        seeds = [axis.place(value) for value in place.values]
        rows.append(RankingRow(place.setting.label, axis.place(place.mean), interval, seeds, text))
    return RankingChart(rows, axis.ticks(), None if group.floor is None else axis.place(group.floor))


@dataclass(frozen=True)
class Dimension:
    """An axis of the parallel coordinates: its place from the left, its label and its ticks from the bottom."""

    place: float
    label: str
    ticks: Sequence[Tick]


@dataclass(frozen=True)
class Line:
    """A run in the parallel coordinates: points for SVG, colour, and what to say about it."""

    points: str
    colour: str
    text: str


@dataclass(frozen=True)
class ParallelChart:
    """Each run as a line, through the values of its factors to the metric."""

    dimensions: Sequence[Dimension]
    lines: Sequence[Line]


def parallel(group: Group) -> ParallelChart:
    """Place each ranked run as a line, the worst first, so that the best lies on top."""
    runs = [(run, value) for place in group.ranked for run, value in zip(place.runs, place.values, strict=True)]
    values = [value for _, value in runs]
    columns, ticks = [], []
    for factor in group.factors:
        column, marks = _dimension(factor, [run.params.get(factor.key, "") for run, _ in runs])
        columns.append(column)
        ticks.append(marks)
    axis = Axis(min(values), max(values))
    columns.append([axis.place(value) for value in values])
    ticks.append(axis.ticks())
    places = [round(100 * index / (len(columns) - 1), 3) for index in range(len(columns))]
    labels = [*(factor.label for factor in group.factors), f"{group.metric_in_words} ({group.metric.direction})"]
    dimensions = [Dimension(*each) for each in zip(places, labels, ticks, strict=True)]
    lines = []
    for index, (run, value) in reversed(list(enumerate(runs))):
        points = " ".join(f"{x:g},{100 - column[index]:g}" for x, column in zip(places, columns, strict=True))
        badness = columns[-1][index] / 100
        colour = _colour(1 - badness if group.metric.larger_is_better else badness)
        lines.append(Line(points, colour, f"{run.name}: {value:.4g}"))
    return ParallelChart(dimensions, lines)


def _dimension(factor: Factor, values: Sequence[str]) -> tuple[list[float], list[Tick]]:
    """Return the places of a factor's values on its axis, and the axis's ticks."""
    numbers = factor.numbers
    if numbers is None or len(numbers) <= _LEVELS:
        axis = Axis(0, max(1, len(factor.levels) - 1))
        ticks = [Tick(axis.place(index), plain(level) or "–") for index, level in enumerate(factor.levels)]
        return [axis.place(factor.levels.index(value)) for value in values], ticks
    exact = [float(value) for value in values]
    if min(numbers) > 0 and max(numbers) > 20 * min(numbers):
        low, high = math.floor(math.log10(min(numbers))), math.ceil(math.log10(max(numbers)))
        axis = Axis(low, high)
        ticks = [Tick(axis.place(power), f"1e{power}") for power in range(low, high + 1)]
        return [axis.place(math.log10(value)) for value in exact], ticks
    axis = Axis(min(numbers), max(numbers))
    return [axis.place(value) for value in exact], axis.ticks()


def _colour(badness: float) -> str:
    """Return a colour between good, 0, and bad, 1."""
    first, second = (_GOOD, _MIDDLE) if badness < 0.5 else (_MIDDLE, _BAD)
    share = 2 * badness - (badness >= 0.5)
    mixed = (round(a + share * (b - a)) for a, b in zip(first, second, strict=True))
    return f"rgb({','.join(map(str, mixed))})"


@dataclass(frozen=True)
class LossChart:
    """The losses of a setting's runs: for each curve its player, ``d`` or ``g``, and its points for SVG."""

    label: str
    curves: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class LossCharts:
    """A chart for each setting, all with the same axes."""

    charts: Sequence[LossChart]
    steps: int
    ticks: Sequence[Tick]


def losses(settings: Sequence[Setting]) -> LossCharts:
    """Place the losses of D and G over the steps: a curve for each run and player, one scale for all."""
    curves = [(setting, [_resampled(run.losses()) for run in setting.runs]) for setting in settings]
    drawn = [means for _, runs in curves for _, means in runs if np.isfinite(means).any()]
    # A setting that diverges must not flatten all others. Losses of critics, and minimax's of G, are below zero.
    highest = [0.1, *(float(np.nanpercentile(means[np.isfinite(means)], 99)) for means in drawn)]
    lowest = [0.0, *(float(np.nanpercentile(means[np.isfinite(means)], 1)) for means in drawn)]
    top = min(max(highest), 2 * float(np.median(highest)))
    axis = Axis(max(min(lowest), -top), 1.05 * top)
    steps = max((int(edges[-1]) for _, runs in curves for edges, _ in runs if len(edges)), default=1)
    charts = []
    for setting, runs in curves:
        lines = []
        for edges, means in runs:
            for column, player in enumerate("dg"):
                points = [
                    f"{100 * edge / steps:.4g},{min(max(100 - axis.place(float(value)), -5), 105):.4g}"
                    for edge, value in zip(edges, means[:, column], strict=True)
                    if math.isfinite(value)
                ]
                lines.append((player, " ".join(points)))
        charts.append(LossChart(setting.label, lines))
    return LossCharts(charts, steps, axis.ticks())


def _resampled(losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the last steps of equal stretches ``[P]``, and the mean losses over each ``[P, 2]``."""
    if not len(losses):
        return np.zeros(0, np.int32), np.zeros((0, 2), np.float32)
    edges = np.unique(np.linspace(0, len(losses), min(_POINTS, len(losses)) + 1).astype(int))
    means = np.add.reduceat(losses.astype(np.float64), edges[:-1]) / np.diff(edges)[:, None]
    return edges[1:].astype(np.int32), means.astype(np.float32)
