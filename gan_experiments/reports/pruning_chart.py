"""The geometry of the chart of scores at the rungs, in per cent of its area."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gan_experiments.reports.charts import Axis, Tick
from gan_experiments.reports.pruning import Climb, Pruning

_DECADES = 1.0
"""Scores that differ by more powers of ten lie on a logarithmic axis."""
_MARGIN = 4.0
"""Room left and right of the first and the last rung."""


@dataclass(frozen=True)
class ClimbLine:
    """A setting's way: ``survived`` or ``pruned``, points for SVG, where it ends, and what to say about it."""

    kind: str
    points: str
    end: tuple[float, float]
    text: str


@dataclass(frozen=True)
class RungChart:
    """Each setting as a line from rung to rung."""

    lines: Sequence[ClimbLine]
    ticks: Sequence[Tick]
    rungs: Sequence[Tick]


def draw(pruning: Pruning) -> RungChart | None:
    """Place each setting as a line through its scores at the rungs, survivors on top; None where there are none.

    Rungs lie at equal distances: each is a multiple of the one before.
    """
    known = [
        (climb, {rung: value for rung, value in climb.scores.items() if value is not None})
        for climb in pruning.climbs
    ]
    values = [value for _, scores in known for value in scores.values()]
    if not values:
        return None
    is_log = min(values) > 0 and math.log10(max(values) / min(values)) > _DECADES
    scaled = [math.log10(value) for value in values] if is_log else values
    axis = Axis(min(scaled), max(scaled))
    across = (100 - 2 * _MARGIN) / max(1, len(pruning.rungs) - 1)
    places = {rung.number: round(_MARGIN + index * across, 3) for index, rung in enumerate(pruning.rungs)}
    last = len(pruning.rungs)
    lines = []
    for climb, scores in sorted(known, key=lambda pair: last in pair[0].scores):
        points = [
            (places[rung], axis.place(math.log10(value) if is_log else value)) for rung, value in scores.items()
        ]
        if points:
            drawn = " ".join(f"{x:g},{100 - y:g}" for x, y in points)
            kind = "survived" if last in climb.scores else "pruned"
            lines.append(ClimbLine(kind, drawn, points[-1], _text(climb, scores, last)))
    rungs = [Tick(places[rung.number], f"epoch {rung.epoch}") for rung in pruning.rungs]
    return RungChart(lines, _powers(axis) if is_log else axis.ticks(), rungs)


def _powers(axis: Axis) -> list[Tick]:
    """Return 1, 2 and 5 of each power of ten on a logarithmic axis."""
    powers = range(math.floor(axis.low), math.ceil(axis.high) + 1)
    values = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    return [
        Tick(axis.place(place), f"{value:g}")
        for value in values
        if axis.low <= (place := math.log10(value)) <= axis.high
    ]


def _text(climb: Climb, scores: dict[int, float], last: int) -> str:
    values = ", ".join(f"{value:.4g}" for value in scores.values())
    end = f"pruned at rung {climb.pruned}" if climb.pruned else "to the end" if last in scores else "not decided"
    return f"{climb.setting.label}: {values}; {end}"
