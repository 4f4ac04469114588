"""The discriminator tells real from generated so surely that the generator learns little."""

from __future__ import annotations

from collections.abc import Mapping

from gan_experiments.evaluation.warning_light import WarningLight

_EPOCHS = 3
"""Epochs in a row in which D has to be sure."""
_SURE = 0.05
"""Distance of D(x) from 1, and of D(G(z)) from 0, below which D is sure."""


class SaturatedDiscriminator(WarningLight):
    """Follows the means of D(x) and D(G(z))."""

    meaning = (
        "for three epochs D(x) is above 0.95 and D(G(z)) below 0.05 on average, so that the generator learns little"
        " (not for critics)"
    )
    needs_origin = True

    def __init__(self) -> None:
        self._epochs = 0

    def epoch(self, metrics: Mapping[str, float]) -> bool:
        """Return whether D was sure in each of the last three epochs."""
        sure = metrics["prob/real"] > 1 - _SURE and metrics["prob/fake"] < _SURE
        self._epochs = self._epochs + 1 if sure else 0
        return self._epochs >= _EPOCHS
