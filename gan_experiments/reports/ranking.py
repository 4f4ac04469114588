"""Settings in order, with what their seeds say about chance."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from gan_experiments.reports.factors import SEED, Setting
from gan_experiments.reports.measure import Measure
from gan_experiments.reports.record import Record

LEVEL = 0.95
"""Of confidence."""
BEST, CLEAR, NOISE, UNKNOWN = "best", "clearly worse", "within seed noise", "too few seeds to tell"


@dataclass
class Ranked:
    """A setting's place.

    Attributes:
        setting: The setting.
        runs: Its runs that finished and have a value, the best first.
        values: The measure's value of each of them.
        mean: Over the seeds.
        deviation: Over the seeds (n - 1); None of one seed.
        margin: Half the width of the mean's confidence interval, by Student's t; None of one seed.
        difference: How much worse than the best setting's mean; 0 for that one.
        p: Of Welch's test against the best setting, after Holm; None where either has one seed.
        verdict: What that means.
    """

    setting: Setting
    runs: list[Record]
    values: list[float]
    mean: float
    deviation: float | None
    margin: float | None
    difference: float = 0.0
    p: float | None = None
    verdict: str = UNKNOWN


def rank(settings: Sequence[Setting], measure: Measure) -> list[Ranked]:
    """Settings with a finished run, the best first.

    Each setting is held against the best one with Welch's t-test on the seeds' values (Welch, "The generalization of
    'Student's' problem", 1947), and the p-values are made larger as Holm's procedure wants it ("A simple sequentially
    rejective multiple test procedure", 1979), so that the chance of any false "clearly worse" stays at 5 %.
    """
    sign = -1 if measure.larger_is_better else 1
    ranked = []
    for setting in settings:
        pairs = [(value, run) for run in repetitions(setting) if (value := measure.value(run)) is not None]
        pairs.sort(key=lambda pair: sign * pair[0])
        if pairs:
            ranked.append(_summarise(setting, pairs))
    ranked.sort(key=lambda place: sign * place.mean)
    if ranked:
        ranked[0].verdict = BEST
        for place in ranked[1:]:
            place.difference = abs(place.mean - ranked[0].mean)
            place.p = _welch(ranked[0].values, place.values)
        _holm(ranked[1:])
    return ranked


def repetitions(setting: Setting) -> list[Record]:
    """A setting's finished runs, one a seed: the same again is no repetition, and the last one counts."""
    return [*{run.params.get(SEED): run for run in setting.runs if run.outcome.finished}.values()]


def _summarise(setting: Setting, pairs: list[tuple[float, Record]]) -> Ranked:
    values = [value for value, _ in pairs]
    deviation = margin = None
    if len(values) > 1:
        deviation = float(np.std(values, ddof=1))
        margin = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * deviation / math.sqrt(len(values))
    return Ranked(setting, [run for _, run in pairs], values, float(np.mean(values)), deviation, margin)


def _welch(first: Sequence[float], second: Sequence[float]) -> float | None:
    if min(len(first), len(second)) < 2:
        return None
    if np.ptp(first) == np.ptp(second) == 0:  # no noise at all: the test would divide by it
        return 1.0 if first[0] == second[0] else 0.0
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # one of the two may be without noise
        test: Any = stats.ttest_ind(first, second, equal_var=False)  # its type is not declared
    return float(test.pvalue)


def _holm(places: Sequence[Ranked]) -> None:
    """Correct the p-values for their number, and say what they mean."""
    tested = sorted((place for place in places if place.p is not None), key=lambda place: place.p or 0.0)
    largest = 0.0
    for index, place in enumerate(tested):
        largest = max(largest, min(1.0, (place.p or 0.0) * (len(tested) - index)))
        place.p = largest
        place.verdict = CLEAR if largest < 1 - LEVEL else NOISE
