"""The Fréchet distance within each class: a conditional generator may draw good samples of the wrong class."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor

from gan_experiments.evaluation.metric import Measured, Metric, ScoreType
from gan_experiments.evaluation.metrics.frechet import Moments, score
from gan_experiments.evaluation.reference import JudgedSamples, Need
from gan_experiments.evaluation.score import Score

_LEAST = 20
"""Samples of a class below which its distance means nothing."""


class ClassDistance(Metric):
    """Mean of the classes' distances, and the largest of them.

    Miyato and Koyama, "cGANs with Projection Discriminator", 2018 (intra FID), on the features that there are. A
    distance of fewer samples has a larger bias, so it compares neither with that of all classes nor with one of
    another number of samples.
    """

    scores: ClassVar = {"class_distance": ScoreType(), "worst_class_distance": ScoreType()}
    needs = frozenset({Need.LABELS, Need.FEATURES})

    def measure(self, samples: JudgedSamples, real: JudgedSamples) -> Measured:
        """Compare the samples of each class with the real ones of that class, where there are enough of all."""
        assert samples.features is not None
        assert real.features is not None
        if samples.labels is None or real.labels is None:
            return Measured({})
        return _measured(self._distances(samples.features, samples.labels, real.features, real.labels))

    def _distances(self, features: Tensor, labels: Tensor, real: Tensor, real_labels: Tensor) -> dict[str, Score]:
        names = self.reference.dataset.class_names
        distances = {}
        for label in range(self.reference.dataset.classes or 0):
            mine, theirs = features[labels == label], real[real_labels == label]
            if min(len(mine), len(theirs)) < _LEAST:
                return {}
            distances[names[label] if names else str(label)] = score(mine, Moments.of(theirs))
        return distances


def _measured(distances: dict[str, Score]) -> Measured:
    if not distances:
        return Measured({})
    values = list(distances.values())
    # The classes' samples are independent, so their errors add as squares.
    error = math.sqrt(sum((score.error or 0) ** 2 for score in values)) / len(values)
    mean = Score(sum(score.value for score in values) / len(values), error)
    worst = max(values, key=lambda score: score.value)
    return Measured({"class_distance": mean, "worst_class_distance": worst}, by_class=distances)
