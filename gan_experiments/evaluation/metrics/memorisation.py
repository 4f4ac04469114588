"""Whether a generator repeats its training samples."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_experiments.evaluation.score import Score, mean_score

SEARCHED = 1000
"""Samples whose nearest training samples are looked for, each among all of them."""
_CHUNK = 200
_QUANTILE = 0.01


def nearest(samples: Tensor, training: Tensor, rank: int = 1) -> tuple[Tensor, Tensor]:
    """Euclidean distance to the nearest training image, pixels in [0, 1], and its index: ``[N]`` each.

    Args:
        samples: uint8 ``[N, C, H, W]``.
        training: uint8 ``[M, C, H, W]``, on the same device.
        rank: 2 for the second nearest: of training images themselves, the nearest other one.
    """
    flat = training.flatten(1).float() / 255
    mean = flat.mean(0)
    flat -= mean  # centred, the squares that cancel are small, and float32 is enough
    found = [
        torch.cdist(chunk.flatten(1).float() / 255 - mean, flat).kthvalue(rank, 1) for chunk in samples.split(_CHUNK)
    ]
    return torch.cat([each.values for each in found]), torch.cat([each.indices for each in found])


def score(distances: Tensor, real_distances: Tensor) -> dict[str, Score]:
    """Judge distances to the nearest training image beside those of real images that were not learnt.

    - ``nearest_distance``: their mean; far below that of real images, the generator memorises; far above, it draws
      what is unlike the data;
    - ``memorised``: share of samples nearer to a training image than all but 1% of the real ones are.
    """
    limit = torch.quantile(real_distances.double(), _QUANTILE)
    return {"nearest_distance": mean_score(distances), "memorised": mean_score(distances.double() < limit)}
