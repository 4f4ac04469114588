"""The contract of a metric, and facts that are read from all metrics: the score to judge by, the better direction.

Each metric is a file in ``evaluation/metrics``, named after it, with one subclass of ``Metric``. No other entry is
needed: ``evaluate.metrics``, ``--help``, the evaluator and every ranking read that folder.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from gan_experiments.evaluation.protocol import ERROR
from gan_experiments.evaluation.registry import parts_in

if TYPE_CHECKING:
    import numpy as np

    from gan_experiments.evaluation.reference import JudgedSamples, Need, Reference
    from gan_experiments.evaluation.score import Score


@dataclass(frozen=True)
class ScoreType:
    """The direction and the importance of a score.

    Attributes:
        larger_is_better: Whether more of it is better.
        rank: Place among the scores that a run may be judged by: the lowest goes first, None comes last.
    """

    larger_is_better: bool = False
    rank: int | None = None


@dataclass(frozen=True)
class Measured:
    """The result of one metric.

    Attributes:
        scores: By name.
        histogram: Share of samples in each class, or None.
        by_class: A score of each class, by the class's name, or None.
        neighbours: Generated images, and the training images most like them: uint8 ``[2, n, C, H, W]``; or None.
    """

    scores: dict[str, Score]
    histogram: list[float] | None = None
    by_class: dict[str, Score] | None = None
    neighbours: np.ndarray | None = None


class Metric(ABC):
    """A metric of samples, measured against real ones.

    Args:
        reference: The real samples.

    Attributes:
        scores: Every score that it may give, by name.
        needs: Its requirements. Where they are not met, it is left out.
        least: Number of real samples that it needs to compare with.
    """

    scores: ClassVar[Mapping[str, ScoreType]]
    needs: ClassVar[frozenset[Need]] = frozenset()
    least: ClassVar[int] = 3

    def __init__(self, reference: Reference) -> None:
        self.reference = reference

    @property
    def names(self) -> list[str]:
        """The scores that it gives for this reference."""
        return list(self.scores)

    @abstractmethod
    def measure(self, samples: JudgedSamples, real: JudgedSamples) -> Measured:
        """Score ``samples`` against ``real`` ones."""

    def floor(self, stand_ins: JudgedSamples, real: JudgedSamples) -> dict[str, Score]:
        """Score real samples in the generator's place against other real ones."""
        return self.measure(stand_ins, real).scores


def metrics() -> dict[str, type[Metric]]:
    """Return every metric, by the name that ``evaluate.metrics`` has for it."""
    return parts_in("evaluation/metrics", Metric)


@cache
def _score_types() -> dict[str, ScoreType]:
    return {name: kind for metric in metrics().values() for name, kind in metric.scores.items()}


def headline(names: Iterable[str]) -> str | None:
    """Return the score to judge by among those with these names, without ``eval/``; None where there is none."""
    scores = [name for name in names if not name.endswith(ERROR)]
    return min(scores, key=_place, default=None)


def _place(name: str) -> tuple[float, str]:
    rank = _score_types().get(name, ScoreType()).rank
    return (float("inf") if rank is None else rank), name


def larger_is_better(name: str) -> bool:
    """Return whether more of a score is better; of a score that no metric declares, less is."""
    return _score_types().get(name, ScoreType()).larger_is_better
