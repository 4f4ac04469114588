"""Warning lights: signs of trouble in what is measured anyway."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise

_STREAK = 3
"""Epochs in a row that a condition has to hold."""
_SURE = 0.05
"""Distance of D(x) from 1, and of D(G(z)) from 0, below which D is saturated."""
_STANDSTILL = 0.001
"""Part of its largest value so far below which G's gradient is as good as none."""
_SPAN = 8
"""Epochs over which a loss is looked at for oscillation."""
_SWING = 0.4
"""Mean change of G's loss from one epoch to the next, beside its mean, from which on it oscillates."""
_LEAST_MODES, _LEAST_COVERAGE = 0.75, 0.05
"""Part of the modes, and of the real samples, that a generator has to reach."""
_SCORES = 3
"""Scores in a row that have to show a collapse."""
MEANINGS = {
    "mode_collapse": (
        "three scores in a row miss more than a quarter of the modes or classes, or, where nobody knows those, 95% of"
        " the real samples (coverage), and do not miss fewer than the score before"
    ),
    "saturated_discriminator": (
        "for three epochs D(x) is above 0.95 and D(G(z)) below 0.05 on average, so that the generator learns little"
        " (not for critics)"
    ),
    "oscillation": (
        "over eight epochs G's loss changes, from one to the next, by over 40% of its mean and gets nowhere"
        " (not for critics)"
    ),
    "generator_stopped": "for three epochs the norm of G's gradient is below a thousandth of its largest",
}
"""When each light comes on."""


class WarningLights:
    """Follows a run's metrics and says which lights come on: those of ``MEANINGS``.

    The lights are a function of the metrics alone: fed the same ones, a resumed run has the same lights.

    Args:
        logits_have_origin: As the objective declares it; False for critics.

    Attributes:
        on: Lights that are on now.
        first: The step at which each light that ever was on came on for the first time.
    """

    def __init__(self, logits_have_origin: bool = True) -> None:
        self._critic = not logits_have_origin
        self._saturated = self._still = self._collapsed = 0
        self._largest, self._reached = 0.0, float("inf")
        self._losses: deque[float] = deque(maxlen=_SPAN)
        self.on: set[str] = set()
        self.first: dict[str, int] = {}

    def epoch(self, step: int, metrics: Mapping[str, float]) -> list[str]:
        """Take in an epoch's metrics, by their MLflow names; returns lights that come on for the first time."""
        sure = metrics["prob/real"] > 1 - _SURE and metrics["prob/fake"] < _SURE
        self._saturated = self._saturated + 1 if sure and not self._critic else 0
        norm = metrics.get("grad_norm/generator", 0.0)
        self._largest = max(self._largest, norm)
        self._still = self._still + 1 if norm < _STANDSTILL * self._largest else 0
        self._losses.append(metrics["loss/generator"])
        return self._switch(
            step,
            saturated_discriminator=self._saturated >= _STREAK,
            generator_stopped=self._still >= _STREAK,
            oscillation=not self._critic and _oscillates(self._losses),
        )

    def scores(self, step: int, metrics: Mapping[str, float], modes: int | None) -> list[str]:
        """Take in scores, by their MLflow names.

        Args:
            step: Steps finished.
            metrics: With ``eval/modes`` or ``eval/coverage``, as far as they were measured.
            modes: How many modes there are, or None where nobody knows.

        Returns:
            Lights that come on for the first time.
        """
        if modes is not None and "eval/modes" in metrics:
            reached, enough = metrics["eval/modes"], _LEAST_MODES * modes
        else:
            reached, enough = metrics.get("eval/coverage", 1.0), _LEAST_COVERAGE
        self._collapsed = self._collapsed + 1 if reached < enough and reached <= self._reached else 0
        self._reached = reached
        return self._switch(step, mode_collapse=self._collapsed >= _SCORES)

    def _switch(self, step: int, **conditions: bool) -> list[str]:
        for name, holds in conditions.items():
            (self.on.add if holds else self.on.discard)(name)
        new = [name for name, holds in conditions.items() if holds and name not in self.first]
        self.first |= dict.fromkeys(new, step)
        return new


def _oscillates(losses: Sequence[float]) -> bool:
    if len(losses) < _SPAN:
        return False
    travelled = sum(abs(b - a) for a, b in pairwise(losses))
    mean = sum(map(abs, losses)) / len(losses)
    return travelled > _SWING * mean * (len(losses) - 1) and abs(losses[-1] - losses[0]) < travelled / 2
