"""Copies of training samples among a generator's."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from gan_experiments.evaluation.metric import Measured, Metric, ScoreType
from gan_experiments.evaluation.reference import JudgedSamples, Need
from gan_experiments.evaluation.score import Score, mean_score

_SEARCHED = 1000
"""Samples whose nearest training samples are looked for, each among all of them."""
_PAIRS = 50
"""Generated images that are shown with the training images nearest to them."""
_CHUNK = 200
_QUANTILE = 0.01


class Memorisation(Metric):
    """Distances to the nearest training images, and the pairs that are most alike."""

    scores: ClassVar = {"nearest_distance": ScoreType(larger_is_better=True), "memorised": ScoreType()}
    needs = frozenset({Need.IMAGES})

    def measure(self, samples: JudgedSamples, real: JudgedSamples) -> Measured:
        """Look for the first thousand samples among all training images."""
        images, training = self.reference.dataset.denormalise(samples.samples[:_SEARCHED]), self._training
        distances, found = nearest(images, training)
        closest = distances.argsort()[:_PAIRS]
        pairs = torch.stack((images[closest], training[found[closest]])).cpu().numpy()
        return Measured(score(distances, self._real_distances), neighbours=pairs)

    def floor(self, stand_ins: JudgedSamples, real: JudgedSamples) -> dict[str, Score]:
        """Score the images of the reference: those that stand in for a generator's are training images."""
        return score(self._real_distances, self._real_distances)

    @property
    def _training(self) -> Tensor:
        return self.reference.dataset.samples.to(self.reference.device)

    @cached_property
    def _real_distances(self) -> Tensor:
        """Distance of each test image to the nearest training image; without a test set, of those to each other."""
        images = self.reference.samples[:_SEARCHED].to(self.reference.device)
        return nearest(images, self._training, rank=1 if self.reference.has_test_set else 2)[0]


def nearest(samples: Tensor, training: Tensor, rank: int = 1) -> tuple[Tensor, Tensor]:
    """Find each sample's nearest training image: its Euclidean distance, pixels in [0, 1], and index; ``[N]`` each.

    Args:
        samples: uint8 ``[N, C, H, W]``.
        training: uint8 ``[M, C, H, W]``, on the same device.
        rank: 2 for the second nearest, which for a training image is the nearest other one.
    """
    flat = training.flatten(1).float() / 255
    mean = flat.mean(0)
    flat -= mean  # centred, so that the squares that cancel are small and float32 is enough
    found = [
        torch.cdist(chunk.flatten(1).float() / 255 - mean, flat).kthvalue(rank, 1) for chunk in samples.split(_CHUNK)
    ]
    return torch.cat([each.values for each in found]), torch.cat([each.indices for each in found])


def score(distances: Tensor, real_distances: Tensor) -> dict[str, Score]:
    """Compare distances to the nearest training image with those of real images that were not learnt.

    - ``nearest_distance``: mean distance; far below that of real images the generator memorises, far above it draws
      images unlike the data;
    - ``memorised``: share of samples that are nearer to a training image than 99% of the real ones are.
    """
    limit = torch.quantile(real_distances.double(), _QUANTILE)
    return {"nearest_distance": mean_score(distances), "memorised": mean_score(distances.double() < limit)}
