"""Rank settings, and test by their seeds whether a difference is chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from gan_experiments.reports.factors import SEED, Setting
from gan_experiments.reports.ranking_metric import RankingMetric
from gan_experiments.reports.record import RunRecord

LEVEL = 0.95
"""Confidence level."""
BEST, CLEAR, LIKELY, NOISE, UNKNOWN = (
    *("best mean", "clearly worse", "probably worse", "within seed noise"),
    "one seed: cannot tell",
)


@dataclass
class RankedSetting:
    """A setting's place in the ranking.

    Attributes:
        setting: The setting.
        runs: Its complete runs that have a value, the best first.
        values: The metric's value of each of them.
        mean: Mean over the seeds.
        deviation: Standard deviation over the seeds (n - 1); None for one seed.
        margin: Half the width of the mean's confidence interval, by Student's t; None for one seed.
        difference: Distance from the best setting's mean; 0 for the best.
        p: p-value of Welch's test against the best setting, after Holm; None where either has one seed.
        verdict: The result in words.
    """

    setting: Setting
    runs: list[RunRecord]
    values: list[float]
    mean: float
    deviation: float | None
    margin: float | None
    difference: float = 0.0
    p: float | None = None
    verdict: str = UNKNOWN


def rank(settings: Sequence[Setting], metric: RankingMetric) -> list[RankedSetting]:
    """Rank the settings that have a finished run, the best first.

    Each setting is compared with the best one by Welch's t-test on the seeds' values (Welch, "The generalization of
    'Student's' problem", 1947), and the p-values are corrected by Holm's procedure ("A simple sequentially rejective
    multiple test procedure", 1979), so that the chance of any false "clearly worse" stays at 5 %. A setting is called
    so only if the two intervals that are shown do not overlap either; if one of both says so, it is "probably worse".
    """
    sign = -1 if metric.larger_is_better else 1
    ranked = []
    for setting in settings:
        pairs = [(value, run) for run in repetitions(setting) if (value := metric.value(run)) is not None]
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
        for place in ranked[1:]:
            place.verdict = _verdict(ranked[0], place)
    return ranked


def repetitions(setting: Setting) -> list[RunRecord]:
    """Return a setting's runs, but for failed, pruned and cut ones: of runs with equal seeds the last one counts."""
    complete = (run for run in setting.runs if run.outcome.finished and run.pruned is None and not run.is_cut_short)
    return [*{run.params.get(SEED): run for run in complete}.values()]


def _summarise(setting: Setting, pairs: list[tuple[float, RunRecord]]) -> RankedSetting:
    values = [value for value, _ in pairs]
    deviation = margin = None
    if len(values) > 1:
        deviation = float(np.std(values, ddof=1))
        margin = float(special.stdtrit(len(values) - 1, (1 + LEVEL) / 2)) * deviation / math.sqrt(len(values))
    return RankedSetting(setting, [run for _, run in pairs], values, float(np.mean(values)), deviation, margin)


def _welch(first: Sequence[float], second: Sequence[float]) -> float | None:
    if min(len(first), len(second)) < 2:
        return None
    if np.ptp(first) == np.ptp(second) == 0:  # no noise at all: the test would divide by zero
        return 1.0 if first[0] == second[0] else 0.0
    # SciPy's own test is in `scipy.stats`, which takes seconds to import.
    first_part, second_part = (float(np.var(each, ddof=1)) / len(each) for each in (first, second))
    together = first_part + second_part
    freedom = together**2 / (first_part**2 / (len(first) - 1) + second_part**2 / (len(second) - 1))
    t = (float(np.mean(first)) - float(np.mean(second))) / math.sqrt(together)
    return float(2 * special.stdtr(freedom, -abs(t)))


def _holm(places: Sequence[RankedSetting]) -> None:
    """Correct the p-values for their number."""
    tested = sorted((place for place in places if place.p is not None), key=lambda place: place.p or 0.0)
    largest = 0.0
    for index, place in enumerate(tested):
        largest = max(largest, min(1.0, (place.p or 0.0) * (len(tested) - index)))
        place.p = largest


def _verdict(best: RankedSetting, place: RankedSetting) -> str:
    if place.p is None or place.margin is None or best.margin is None:
        return UNKNOWN
    signs = (place.p < 1 - LEVEL, place.difference > best.margin + place.margin)
    return CLEAR if all(signs) else LIKELY if any(signs) else NOISE
