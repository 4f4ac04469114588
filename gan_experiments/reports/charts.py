"""The geometry of the report's charts, in per cent of their areas; the page draws them without scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gan_experiments.reports.factors import Factor
from gan_experiments.reports.group import Group
from gan_experiments.tracking.naming import plain

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
class RankingBand:
    """Settings without a row of their own: how many, from the lowest mean to the highest, and every mean."""

    count: int
    span: tuple[float, float]
    means: Sequence[float]


@dataclass(frozen=True)
class RankingChart:
    """The settings' values, the best first, and what real data have."""

    rows: Sequence[RankingRow]
    band: RankingBand | None
    ticks: Sequence[Tick]
    real: float | None


def ranking(group: Group, most: int | None = None) -> RankingChart:
    """Place means with confidence intervals, each seed's value, and real data's.

    Args:
        group: The ranked settings.
        most: Rows at most; settings that follow lie in one band.
    """
    spans = [(place.mean - (place.margin or 0), place.mean + (place.margin or 0)) for place in group.ranked]
    values = [*(value for place in group.ranked for value in place.values), *(end for span in spans for end in span)]
    values += [] if group.floor is None else [group.floor]
    room = 0.02 * ((max(values) - min(values)) or 1.0)
    axis = Axis(min(values) - room, max(values) + room)
    rows = []
    for place, (low, high) in zip(group.ranked[:most], spans, strict=False):
        interval = None if place.margin is None else (axis.place(low), axis.place(high))
        text = f"{place.mean:.4g}" + ("" if place.margin is None else f", {low:.4g} to {high:.4g}")
        seeds = [axis.place(value) for value in place.values]
        rows.append(RankingRow(place.setting.label, axis.place(place.mean), interval, seeds, text))
    others = sorted(axis.place(place.mean) for place in group.ranked[len(rows) :])
    band = RankingBand(len(others), (others[0], others[-1]), others) if others else None
    return RankingChart(rows, band, axis.ticks(), None if group.floor is None else axis.place(group.floor))


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
    """Each run as a line, through the values of its factors to the metric; ``others`` is one path without colours."""

    dimensions: Sequence[Dimension]
    lines: Sequence[Line]
    others: str


def parallel(group: Group, most: int | None = None) -> ParallelChart:
    """Place each ranked run as a line, the worst first, so that the best lies on top.

    Args:
        group: The ranked runs.
        most: Lines in colour at most; those of runs that follow are one path.
    """
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
    lines: list[Line] = []
    ways = [
        " ".join(f"{x:g},{100 - column[index]:g}" for x, column in zip(places, columns, strict=True))
        for index in range(len(runs))
    ]
    for index, (run, value) in reversed(list(enumerate(runs[:most]))):
        badness = columns[-1][index] / 100
        colour = _colour(1 - badness if group.metric.larger_is_better else badness)
        lines.append(Line(ways[index], colour, f"{run.name}: {value:.4g}"))
    return ParallelChart(dimensions, lines, "".join(f"M{way}" for way in ways[len(lines) :]))


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
