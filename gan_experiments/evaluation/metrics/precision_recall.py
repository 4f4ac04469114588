"""Fidelity and diversity separately: precision, recall, density and coverage by nearest neighbours."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gan_experiments.evaluation.metric import Measured, Metric, ScoreType
from gan_experiments.evaluation.reference import JudgedSamples, Need
from gan_experiments.evaluation.score import Score, mean_score

NEIGHBOURS = 5
_CHUNK = 1000


class PrecisionRecall(Metric):
    """Precision, recall, density and coverage."""

    scores: ClassVar = dict.fromkeys(("precision", "recall", "density", "coverage"), ScoreType(larger_is_better=True))
    needs = frozenset({Need.FEATURES})
    least = 20  # half of five sixths of them have neighbours among themselves

    def measure(self, samples: JudgedSamples, real: JudgedSamples) -> Measured:
        """Compare equal numbers of samples and real ones."""
        assert samples.features is not None
        assert real.features is not None
        count = min(len(samples.features), len(real.features))
        return Measured(score(samples.features[:count], real.features[:count]))


def score(fake: Tensor, real: Tensor, k: int = NEIGHBOURS) -> dict[str, Score]:
    """Compare generated with real features ``[N, d]``; each sample has a ball that reaches to its k-th neighbour.

    - ``precision``: share of generated samples inside a real sample's ball (Kynkäänniemi et al., "Improved
      precision and recall metric", 2019);
    - ``recall``: share of real samples inside a generated sample's ball (ibid.);
    - ``density``: mean over generated samples of the number of real balls that they lie in, divided by k (Naeem
      et al., "Reliable fidelity and diversity metrics", 2020); 1 where the distributions agree, sometimes more;
    - ``coverage``: share of real samples with a generated one in their ball (ibid.).

    Computed in float64, a thousand rows of distances at a time. Errors are for a fixed other set.
    """
    fake, real = fake.double(), real.double()
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    inside, covered, recalled = torch.zeros_like(fake[:, 0]), [], []
    for rows, radii in zip(real.split(_CHUNK), real_radii.split(_CHUNK), strict=True):
        distances = torch.cdist(rows, fake)
        within = distances < radii[:, None]
        inside += within.sum(0)
        covered.append(within.any(1))
        recalled.append((distances < fake_radii).any(1))
    return {
        "precision": mean_score(inside > 0),
        "recall": mean_score(torch.cat(recalled)),
        "density": mean_score(inside / k),
        "coverage": mean_score(torch.cat(covered)),
    }


def _radii(points: Tensor, k: int) -> Tensor:
    """Return the distance of each point ``[N, d]`` to its k-th nearest other one: ``[N]``."""
    # The nearest is the point itself.
    return torch.cat([torch.cdist(rows, points).kthvalue(k + 1, dim=1).values for rows in points.split(_CHUNK)])
