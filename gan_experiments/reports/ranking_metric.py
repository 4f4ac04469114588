"""The metric that runs are ranked by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from gan_experiments.errors import UserError
from gan_experiments.evaluation.metric import headline, larger_is_better
from gan_experiments.evaluation.protocol import SCORES, EvaluationProtocol
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


def choose(records: Sequence[RunRecord], asked: str | None, searched: Sequence[RankingMetric] = ()) -> RankingMetric:
    """Choose the metric asked for; else a search's first goal; else a score that the runs have; else their balance.

    Scores that were measured by different protocols are not comparable and rank nothing.

    Raises:
        UserError: No run has the metric asked for, or its values were measured by different protocols.
    """
    names = sorted({name for record in records for name in record.metrics})
    if asked is not None:
        if asked not in (*names, EQUILIBRIUM):
            raise UserError(f"--metric {asked}: no run has it; there are {', '.join([*names, EQUILIBRIUM])}")
        if len(apart := _protocols(records, asked)) > 1:
            raise UserError(
                f"--metric {asked}: these are not comparable: {'; '.join(apart)}; compare such runs separately"
            )
        return ranking_metric(asked, "Asked for with --metric.")
    if searched:
        return searched[0]
    best = headline_of(names)
    if best is None:
        return ranking_metric(EQUILIBRIUM)
    if len(apart := _protocols(records, best)) > 1:
        caveat = f"Scores of these runs are not comparable and rank nothing: {'; '.join(apart)}."
        return replace(ranking_metric(EQUILIBRIUM), caveat=caveat)
    return ranking_metric(best, "The first of the scores that these runs have.")


def _protocols(records: Sequence[RunRecord], name: str) -> list[str]:
    """Return the protocols that a score was measured by, in words; none for a metric that is no score."""
    if not name.startswith(SCORES):
        return []
    measured_with = (EvaluationProtocol.of(name, run.tags) for run in records if name in run.metrics)
    return [str(protocol) for protocol in dict.fromkeys(measured_with)]


def headline_of(names: Iterable[str]) -> str | None:
    """Return the score to judge by among metrics with these names; None where there is none."""
    best = headline(name.removeprefix(SCORES) for name in names if name.startswith(SCORES))
    return None if best is None else f"{SCORES}{best}"


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
