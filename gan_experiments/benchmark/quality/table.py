"""The results as a table, a row a contender."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from gan_experiments.benchmark.quality.contenders import LOOP, Target
from gan_experiments.benchmark.quality.records import Point
from gan_experiments.benchmark.quality.target import P, Standing, standing

_HEAD = ("contender", "seeds", "seconds of training", "p", "ms a step", "Fréchet distance")
_MORE = ("third referee's distance", "precision", "recall", "start-up, s", "")


@dataclass(frozen=True)
class Entry:
    """A contender with all that was measured.

    Attributes:
        name: As it is shown.
        runs: The points of each of its runs.
        standing: How it stands where it first meets the target, or at its end.
        step_seconds: Seconds a step, of each run or measurement.
        note: Anything else worth knowing.
        is_extrapolated: Whether its seconds are those of a step times the steps of another contender.
    """

    name: str
    runs: list[list[Point]]
    standing: Standing
    step_seconds: list[float]
    note: str = ""
    is_extrapolated: bool = False

    @property
    def seconds(self) -> list[float]:
        """Seconds of training up to where it stands, of each run or measurement."""
        if self.is_extrapolated:
            return [self.standing.points[0].step * seconds for seconds in self.step_seconds]
        return [point.seconds for point in self.standing.points]


def entry(contender: str, runs: Sequence[Sequence[Point]], target: Target | None) -> Entry:
    """Return a contender's entry from its complete runs."""
    found = standing(runs, target)
    notes = []
    diverged = sum(math.isnan(point.distance) for point in found.points)
    if diverged:
        notes.append(f"{diverged} of {len(runs)} diverged")
    if len(runs) == 1 and target is not None:
        notes.append("one seed: nothing can be said of p")
    steps = [point.seconds / point.step for point in found.points]
    return Entry(f"`experiment={contender}`", [list(points) for points in runs], found, steps, "; ".join(notes))


def loop_entry(article: Entry, step_seconds: list[float]) -> Entry:
    """Return the entry of the article's loop: the steps that ours needs with the same recipe, in its own time."""
    one = fmean(step_seconds)
    runs = [[replace(point, seconds=one * point.step) for point in points] for points in article.runs]
    note = f"extrapolated: {len(step_seconds)} measurements of its step, steps and scores of {article.name}"
    return Entry(LOOP, runs, article.standing, step_seconds, note, is_extrapolated=True)


def caption(target: Target | None, data: str, scores: str) -> str:
    """Return what the table shows, in a sentence or two."""
    if target is None:
        return f"{data} has no target: seconds and scores at the end. {scores}"
    return (
        f"Seconds until the mean over the seeds has a distance of at most {target.distance:g}, a precision of at "
        f"least {target.precision:g} and a recall of at least {target.recall:g}, each with p < {P:g}. {scores}"
    )


def table(entries: Sequence[Entry]) -> str:
    """Return the entries as a table in Markdown."""
    lines = [[*_HEAD, *_MORE], ["---"] * len(_HEAD + _MORE), *map(_line, entries)]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def _line(one: Entry) -> list[str]:
    points, met, p = one.standing.points, one.standing.met, one.standing.p
    return [
        one.name,
        str(len(one.runs)),
        f"not within {_spread([fmean(one.seconds)])}" if met is False else _spread(one.seconds),
        "" if p is None else f"{p:.1g}",
        _spread([seconds * 1e3 for seconds in one.step_seconds]),
        _spread([point.distance for point in points], 1),
        _spread([point.referee_distance for point in points], 1),
        _spread([point.precision for point in points], 3),
        _spread([point.recall for point in points], 3),
        "" if one.is_extrapolated else _spread([points[0].startup], 1),
        one.note,
    ]


def _spread(values: Sequence[float], digits: int | None = None) -> str:
    """Format the mean and, of several, the standard deviation; by default with three digits of the mean."""
    mean = fmean(values)
    if math.isnan(mean):
        return "-"
    if digits is None:
        digits = max(0, 2 - math.floor(math.log10(mean)))
    return " ± ".join(f"{value:,.{digits}f}" for value in ([mean] if len(values) == 1 else [mean, stdev(values)]))
