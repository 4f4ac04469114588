"""Instance noise: blurs all samples that D sees, so that real and generated ones overlap."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.training.schedule import Schedule


class InstanceNoise:
    """Normal noise on every sample that D sees, real or generated, in D's updates and in G's.

    ``D(x + s_t n)`` and ``D(G(z) + s_t n)`` with n ~ N(0, I): Sonderby et al., "Amortised MAP Inference for Image
    Super-resolution", 2016, and Arjovsky and Bottou, "Towards Principled Methods for Training Generative
    Adversarial Networks", 2017. The standard deviation falls linearly, ``s_t = s_0 max(0, 1 - t / T)``, or stays.

    Args:
        trains: Each member's settings.
        size: Samples in the data set.
        device: Where the noise is added.
    """

    def __init__(self, trains: Sequence[TrainConfig], size: int, device: torch.device) -> None:
        updates = [_updates_until(train.instance_noise_epochs, size, train) for train in trains]
        self._std = torch.tensor([train.instance_noise for train in trains], device=device)
        self._fall = torch.tensor([0.0 if count is None else 1 / count for count in updates], device=device)

    def __call__(self, normal: Tensor, updates: Tensor) -> Tensor:
        """Return the noise of a step: standard normal numbers times each member's standard deviation.

        Args:
            normal: ``[...]``, for a stack ``[K, ...]``.
            updates: Number of D's updates so far, of each member, ``[K]``.
        """
        std = self._std * (1 - self._fall * updates).clamp_(min=0)
        return normal * std.view(-1, *(1,) * (normal.dim() - 1)) if len(std) > 1 else normal * std


def _updates_until(epochs: int | None, size: int, train: TrainConfig) -> int | None:
    return None if epochs is None else Schedule.of(size, train).end_of(epochs) * train.discriminator_steps
