"""The classes that a classifier sees in samples: which, in which shares, and how surely."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_experiments.evaluation.metric import Measured, Metric, ScoreType
from gan_experiments.evaluation.reference import JudgedSamples, Need
from gan_experiments.evaluation.score import Score, jackknife

_LEAST = 10
"""A class is covered if it has at least a tenth of the samples that the reference's shares give it."""


class Classes(Metric):
    """Classes of the samples compared with those of real ones, and their histogram."""

    scores: ClassVar = {
        "modes": ScoreType(larger_is_better=True),
        "class_kl": ScoreType(rank=40),
        "classifier_score": ScoreType(larger_is_better=True, rank=50),
    }
    needs = frozenset({Need.CLASSES})

    def measure(self, samples: JudgedSamples, real: JudgedSamples) -> Measured:
        """Compare with the real classes; where channels are judged apart, with equally likely ones."""
        assert samples.probabilities is not None
        reference = real.probabilities if self.reference.parts == 1 else None
        shares = histogram(samples.probabilities).double() / len(samples.probabilities)
        return Measured(score(samples.probabilities, reference), histogram=shares.tolist())


def histogram(probabilities: Tensor) -> Tensor:
    """Count the samples of each class: probabilities ``[N, K]`` -> int64 ``[K]``."""
    return probabilities.argmax(1).bincount(minlength=probabilities.shape[1])


def score(probabilities: Tensor, reference: Tensor | None) -> dict[str, Score]:
    """Compare class probabilities ``[N, K]`` of samples with those of the reference ``[M, K]``.

    - ``modes``: number of classes with at least one sample and, in proportion, a tenth of the reference's;
    - ``class_kl``: KL divergence, in nats, of the shares of classes from those of the reference; about
      ``(K - 1) / 2N`` for an ideal generator;
    - ``classifier_score``: ``exp E KL(p(y|x) || p(y))``, the Inception score (Salimans et al., "Improved techniques
      for training GANs", 2016) with this classifier; 1 at worst, K at best.

    Without a reference all classes should be equally likely, and one sample covers a class, as in the protocol of
    Stacked MNIST (Lin et al., "PacGAN: The power of two samples in generative adversarial networks", 2018).
    """
    classes = probabilities.shape[1]
    counts = histogram(probabilities)
    covered = counts >= 1
    if reference is None:
        expected = torch.full_like(counts, 1 / classes, dtype=torch.float64)
    else:
        real = histogram(reference)
        # In integers, because a share of exactly a tenth counts.
        covered &= counts * len(reference) * _LEAST >= real * len(probabilities)
        # A class that the reference lacks counts as if half a sample of it were there.
        expected = real.double().clamp_min(0.5) / len(reference)

    def kl(taken: Tensor) -> float:
        shares = taken.bincount(minlength=classes).double() / len(taken)
        return torch.special.xlogy(shares, shares / expected).sum().clamp_min(0).item()

    return {
        "modes": Score(covered.sum().item()),
        "class_kl": jackknife(kl, probabilities.argmax(1)),
        "classifier_score": jackknife(_classifier_score, probabilities.double()),
    }


def _classifier_score(probabilities: Tensor) -> float:
    marginal = probabilities.mean(0)
    divergence = torch.special.xlogy(probabilities, probabilities / marginal.clamp_min(1e-300)).sum(1)
    return divergence.mean().exp().item()
