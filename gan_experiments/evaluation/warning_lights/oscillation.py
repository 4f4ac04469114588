"""The generator's loss swings and gets nowhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import pairwise

from gan_experiments.evaluation.warning_light import WarningLight

_SPAN = 8
"""Epochs over which the loss is followed."""
_SWING = 0.4
"""Mean change of the loss from one epoch to the next, relative to its mean, above which it oscillates."""


class Oscillation(WarningLight):
    """Follows G's loss."""

    meaning = (
        "over eight epochs G's loss changes, from one to the next, by over 40% of its mean and gets nowhere"
        " (not for critics)"
    )
    needs_origin = True

    def __init__(self) -> None:
        self._losses: deque[float] = deque(maxlen=_SPAN)

    def epoch(self, metrics: Mapping[str, float]) -> bool:
        """Return whether the loss oscillated over the last eight epochs."""
        losses = self._losses
        losses.append(metrics["loss/generator"])
        if len(losses) < _SPAN:
            return False
        travelled = sum(abs(after - before) for before, after in pairwise(losses))
        mean = sum(map(abs, losses)) / len(losses)
        return travelled > _SWING * mean * (len(losses) - 1) and abs(losses[-1] - losses[0]) < travelled / 2
