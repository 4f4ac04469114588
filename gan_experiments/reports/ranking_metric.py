"""The metric that runs are ranked by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gan_experiments.evaluation.metric import headline, larger_is_better
from gan_experiments.evaluation.protocol import SCORES
from gan_experiments.reports.record import RunRecord

EQUILIBRIUM = "equilibrium_distance"
_LAST = 0.1
"""Share of the epochs, at the end, over which a metric other than a score is averaged."""


@dataclass(frozen=True)
class RankingMetric:
    """A metric that runs are ranked by.

    Attributes:
        name: Its name; MLflow's where MLflow has it.
        larger_is_better: As it says.
        meaning: Its meaning, and why it was chosen: one sentence.
        value: Returns a run's value, or None if the run has none.
        caveat: A limit of the ranking, in a sentence; mostly empty.
    """

    name: str
    larger_is_better: bool
    meaning: str
    value: Callable[[RunRecord], float | None]
    caveat: str = ""

    @property
    def direction(self) -> str:
        """The better direction, in words."""
        return "larger is better" if self.larger_is_better else "smaller is better"


def headline_of(names: Iterable[str]) -> str | None:
    """Return the score to judge by among metrics with these names; None where there is none.

    Of scores of one kind, the name comes last: ``eval/10000/modes`` is as good as ``eval/modes``.
    """
    kinds: dict[str, str] = {}
    for name in names:
        if name.startswith(SCORES):
            kinds.setdefault(name.rpartition("/")[2], name)
    best = headline(kinds)
    return None if best is None else kinds[best]


def ranking_metric(name: str, why: str = "") -> RankingMetric:
    """Return the metric of this name as one to rank by.

    Args:
        name: A metric's name, or ``equilibrium_distance``.
        why: Why it was chosen: one sentence.
    """
    if name.startswith(SCORES):
        larger = larger_is_better(name.removeprefix(SCORES))
        return RankingMetric(name, larger, why, lambda record: _last(record, name))
    if name.startswith(("prob/", "accuracy/")):
        meaning = f"The distance of {name} from ½, where D cannot tell real from generated. {why}"
        return RankingMetric(f"|{name} − ½|", False, meaning, lambda record: _from_half(record, name))
    if name != EQUILIBRIUM:
        meaning = f"The mean over the last tenth of the epochs. {why}"
        return RankingMetric(name, name.startswith("speed/"), meaning, lambda record: _tail(record, name))
    return RankingMetric(
        EQUILIBRIUM,
        larger_is_better=False,
        meaning=(
            "|mean D(x) − ½| + |mean D(G(z)) − ½| over the last tenth of the epochs: 0 where D cannot tell real from"
            " generated. Players that have learnt nothing are balanced too: look at the samples, or rank by a score"
            " (--metric eval/…)."
        ),
        value=_distance,
        caveat="These runs have no score (eval/…): this says how balanced the game was, not how good samples are.",
    )


def _last(record: RunRecord, name: str) -> float | None:
    value = record.last(name)
    return value if value is not None and math.isfinite(value) else None


def _tail(record: RunRecord, name: str) -> float | None:
    points = record.metrics.get(name)
    if not points:
        return None
    values = [value for _, value in points[-math.ceil(_LAST * len(points)) :]]
    mean = sum(values) / len(values)
    return mean if math.isfinite(mean) else None


def _from_half(record: RunRecord, name: str) -> float | None:
    value = _tail(record, name)
    return None if value is None else abs(value - 0.5)


def _distance(record: RunRecord) -> float | None:
    real, fake = _from_half(record, "prob/real"), _from_half(record, "prob/fake")
    return None if real is None or fake is None else real + fake
