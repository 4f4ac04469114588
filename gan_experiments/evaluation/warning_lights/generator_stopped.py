"""The generator has all but no gradient left."""

from __future__ import annotations

from collections.abc import Mapping

from gan_experiments.evaluation.warning_light import WarningLight

_EPOCHS = 3
"""Epochs in a row in which the gradient has to be small."""
_STANDSTILL = 0.001
"""Fraction of its largest value so far below which the gradient's norm counts as none."""


class GeneratorStopped(WarningLight):
    """Follows the norm of G's gradient."""

    meaning = "for three epochs the norm of G's gradient is below a thousandth of its largest"

    def __init__(self) -> None:
        self._epochs, self._largest = 0, 0.0

    def epoch(self, metrics: Mapping[str, float]) -> bool:
        """Return whether the gradient was small in each of the last three epochs."""
        norm = metrics.get("grad_norm/generator", 0.0)
        self._largest = max(self._largest, norm)
        self._epochs = self._epochs + 1 if norm < _STANDSTILL * self._largest else 0
        return self._epochs >= _EPOCHS
