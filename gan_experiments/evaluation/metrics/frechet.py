"""The Fréchet distance between two sets of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gan_experiments.evaluation.metric import Measured, Metric, ScoreType
from gan_experiments.evaluation.reference import JudgedSamples, Need
from gan_experiments.evaluation.score import Score, jackknife

DISTANCES = ("frechet_classifier_distance", "frechet_inception_distance", "frechet_random_distance")
"""Names of the distance, by the features that it is measured on; the first is the best to judge by."""


class Frechet(Metric):
    """The Fréchet distance, called by the features that it is measured on: on Inception's it is the FID."""

    scores: ClassVar = {name: ScoreType(rank=10 * place) for place, name in enumerate(DISTANCES, 1)}
    needs = frozenset({Need.FEATURES})
    least = 20

    @property
    def names(self) -> list[str]:
        """The distance on the features that there are."""
        assert self.reference.extractor is not None
        return [f"frechet_{self.reference.extractor.kind}_distance"]

    def measure(self, samples: JudgedSamples, real: JudgedSamples) -> Measured:
        """Measure the distance of all samples from all real ones."""
        assert samples.features is not None
        assert real.features is not None
        (name,) = self.names
        return Measured({name: score(samples.features, Moments.of(real.features))})


@dataclass(frozen=True)
class Moments:
    """Mean ``[d]`` and unbiased covariance ``[d, d]`` of features, float64."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """Compute the moments of features ``[N, d]``, N at least 2."""
        features = features.double()
        mean = features.mean(0)
        centred = features - mean
        return cls(mean, centred.T @ centred / (len(features) - 1))


def frechet_distance(a: Moments, b: Moments) -> float:
    """Return the squared Fréchet (2-Wasserstein) distance of two normal distributions.

    ``|m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a^1/2 S_b S_a^1/2)^1/2)`` (Dowson and Landau, 1982; as a score of GANs,
    Heusel et al., "GANs trained by a two time-scale update rule", 2017). Computed
    by eigenvalues of symmetric matrices, so that no complex root appears, however few of the features vary.
    """
    values, vectors = torch.linalg.eigh(a.covariance)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    product = root @ b.covariance @ root
    cross = torch.linalg.eigvalsh((product + product.T) / 2).clamp_min(0).sqrt().sum()
    distance = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * cross
    return max(distance.item(), 0.0)


def score(features: Tensor, reference: Moments) -> Score:
    """Return the distance of features ``[N, d]`` from the reference. Compare equal N: the bias falls as 1 / N."""
    return jackknife(lambda rows: frechet_distance(Moments.of(rows), reference), features)
