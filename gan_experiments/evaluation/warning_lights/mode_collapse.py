"""The generator reaches few of the modes, and gets no better."""

from __future__ import annotations

from collections.abc import Mapping

from gan_experiments.evaluation.warning_light import WarningLight

_LEAST_MODES, _LEAST_COVERAGE = 0.75, 0.05
"""Share of the modes, and of the real samples, that a generator has to reach."""
_SCORES = 3
"""Scores in a row that have to show a collapse."""


class ModeCollapse(WarningLight):
    """Follows ``eval/modes``, or ``eval/coverage`` where the number of modes is unknown."""

    meaning = (
        "three scores in a row miss more than a quarter of the modes or classes (or, where their number is unknown,"
        " 95% of the real samples: coverage), and none misses fewer than the score before it"
    )

    def __init__(self) -> None:
        self._collapsed, self._reached = 0, float("inf")

    def scores(self, metrics: Mapping[str, float], modes: int | None) -> bool:
        """Return whether the last three scores show a collapse."""
        if modes is not None and "eval/modes" in metrics:
            reached, enough = metrics["eval/modes"], _LEAST_MODES * modes
        else:
            reached, enough = metrics.get("eval/coverage", 1.0), _LEAST_COVERAGE
        self._collapsed = self._collapsed + 1 if reached < enough and reached <= self._reached else 0
        self._reached = reached
        return self._collapsed >= _SCORES
