"""The generator reaches few of the modes, and gets no better."""

from __future__ import annotations

from collections.abc import Mapping

from gan_experiments.evaluation.metrics.frechet import DISTANCES
from gan_experiments.evaluation.protocol import SCORES
from gan_experiments.evaluation.warning_light import WarningLight

_LEAST_MODES, _LEAST_COVERAGE = 0.75, 0.05
"""Share of the modes, and of the real samples, that a generator has to reach."""
_SCORES = 3
"""Scores in a row that have to show a collapse."""
_STEPS = 500
"""Steps that it has to last: until then a good generator may still draw the mean of all data."""
_LEARNING = 0.9
"""Fraction to which a Fréchet distance has to fall from one score to a later one if the generator still learns."""


class ModeCollapse(WarningLight):
    """Follows ``eval/modes``, or ``eval/coverage`` where the number of modes is unknown.

    A generator that has only begun to learn reaches few modes too. What it has not yet and a collapsed one never will
    is getting better: more modes, or a Fréchet distance that falls.
    """

    meaning = (
        "three scores in a row, over 500 steps or more, miss more than a quarter of the modes or classes (or, where"
        " their number is unknown, 95% of the real samples: coverage), none misses fewer than the score before it,"
        " and the Fréchet distance does not fall by a tenth meanwhile; with train.ema only once the weights that"
        " training began with are less than 5% of the average"
    )

    def __init__(self) -> None:
        self._collapsed, self._reached, self._distance, self._since = 0, float("inf"), 0.0, 0

    def scores(self, step: int, metrics: Mapping[str, float], modes: int | None) -> bool:
        """Return whether the last scores show a collapse."""
        if modes is not None and "eval/modes" in metrics:
            reached, enough = metrics["eval/modes"], _LEAST_MODES * modes
        else:
            reached, enough = metrics.get("eval/coverage", 1.0), _LEAST_COVERAGE
        distance = next((metrics[SCORES + name] for name in DISTANCES if SCORES + name in metrics), float("inf"))
        learns = reached > self._reached or distance < _LEARNING * self._distance
        self._collapsed = self._collapsed + 1 if reached < enough and not learns else 0
        if self._collapsed <= 1:
            self._distance, self._since = distance, step
        self._reached = reached
        return self._collapsed >= _SCORES and step - self._since >= _STEPS
