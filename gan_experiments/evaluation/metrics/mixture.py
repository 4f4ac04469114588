"""The modes of a known mixture that samples reach, and how closely."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from gan_experiments.data.dataset import Mixture
from gan_experiments.evaluation.metric import Measured, Metric, ScoreType
from gan_experiments.evaluation.reference import JudgedSamples, Need
from gan_experiments.evaluation.score import Score, jackknife, mean_score

_REACH = 3.0
"""Standard deviations within which a sample is of high quality."""


class MixtureModes(Metric):
    """Modes of the data's own mixture that samples reach."""

    scores: ClassVar = {
        "modes": ScoreType(larger_is_better=True),
        "high_quality": ScoreType(larger_is_better=True),
        "mode_kl": ScoreType(rank=30),
    }
    needs = frozenset({Need.MIXTURE})

    def measure(self, samples: JudgedSamples, real: JudgedSamples) -> Measured:
        """Compare with the mixture itself, in the data's own units."""
        dataset = self.reference.dataset
        assert dataset.mixture is not None
        return Measured(score(samples.samples * dataset.scale, dataset.mixture))


def score(samples: Tensor, mixture: Mixture) -> dict[str, Score]:
    """Score points ``[N, D]`` as the papers on mode collapse do (VEEGAN, 2017; PacGAN, 2018).

    - ``high_quality``: share within three standard deviations of the nearest mean; ``1 - exp(-4.5)`` = 98.9% for the
      mixture itself, in the plane;
    - ``modes``: number of means with at least one sample of high quality;
    - ``mode_kl``: KL divergence, in nats, of the nearest means' shares from equal ones; about ``(K - 1) / 2N`` for an
      ideal generator.
    """
    means = mixture.means.to(samples)
    distances, modes = torch.cdist(samples.double(), means.double()).min(1)
    good = distances < _REACH * mixture.std
    count = len(means)

    def kl(nearest: Tensor) -> float:
        shares = nearest.bincount(minlength=count).double() / len(nearest)
        return max(torch.special.xlogy(shares, shares).sum().item() + math.log(count), 0.0)

    return {
        "modes": Score(len(modes[good].unique())),
        "high_quality": mean_score(good),
        "mode_kl": jackknife(kl, modes),
    }
