"""The discriminator knows the images that it learns from by heart."""

from __future__ import annotations

from collections.abc import Mapping

from gan_experiments.evaluation.warning_light import WarningLight

_EPOCHS = 3
"""Epochs in a row in which D has to overfit."""
_HALF = 0.5
"""Overfitting from which on D holds held-out samples to be nearer to generated ones than to those it learns from."""


class DiscriminatorOverfits(WarningLight):
    """Follows ``overfitting/discriminator``, which only differences of logits go into: it holds for critics too."""

    meaning = (
        "for three epochs D's outputs for held-out real samples lie nearer to those for generated samples than to"
        " those for the samples that it learns from (needs samples that are held out)"
    )

    def __init__(self) -> None:
        self._epochs = 0

    def epoch(self, metrics: Mapping[str, float]) -> bool:
        """Return whether D overfitted in each of the last three epochs."""
        self._epochs = self._epochs + 1 if metrics.get("overfitting/discriminator", 0.0) > _HALF else 0
        return self._epochs >= _EPOCHS
