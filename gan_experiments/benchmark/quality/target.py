"""When a contender has met the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from gan_experiments.benchmark.quality.contenders import Target
from gan_experiments.benchmark.quality.records import Point

P = 0.01
"""A mean meets its bound where the chance of one as good, from a contender whose true mean is the bound, is below."""


@dataclass(frozen=True)
class Standing:
    """How a contender stands at a point of its runs.

    Attributes:
        points: The point, of each run.
        met: Whether the means over the runs meet the target; None where there is no target.
        p: The largest chance over the scores; None where it was not asked for, or there is a single run.
    """

    points: list[Point]
    met: bool | None
    p: float | None = None


def standing(runs: Sequence[Sequence[Point]], target: Target | None) -> Standing:
    """Return how a contender stands at the first point at which it meets the target, else at its end.

    It meets the target where the mean of every score over the runs meets its bound with p < 0.01, by Student's
    one-sided test of one sample; a single run where its scores do, and nothing can be said of p.

    Args:
        runs: The points of each run, all after the same epochs.
        target: The target.
    """
    places = [list(points) for points in zip(*runs, strict=True)]
    if target is None:
        return Standing(places[-1], None)
    for points in places:
        bounds = (("distance", target.distance, -1), ("precision", target.precision, 1), ("recall", target.recall, 1))
        above = [sign * (np.array([getattr(point, name) for point in points]) - b) for name, b, sign in bounds]
        if len(points) == 1:
            if all(value[0] >= 0 for value in above):
                return Standing(points, True)
        elif (p := max(map(_chance, above))) < P:
            return Standing(points, True, p)
    return Standing(places[-1], False)


def _chance(above: np.ndarray) -> float:
    """Return the chance of so large a mean, were the true one 0; 1 where it is not above 0, or is no number."""
    if not above.mean() > 0:
        return 1.0
    if np.ptp(above) == 0:
        return 0.0  # all equal, where the test divides by nothing
    test: Any = stats.ttest_1samp(above, 0, alternative="greater")  # its type is not declared
    return float(test.pvalue)
