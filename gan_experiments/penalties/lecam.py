"""LeCam: D's outputs are held near their own averages of the other kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gan_experiments.configuration.fields import at_least, below, setting
from gan_experiments.penalties.penalty import OnLogits, PenaltyConfig


@dataclass
class LeCamConfig(PenaltyConfig):
    """Distances of D's outputs from moving averages of those of the other kind, for few images."""

    decay: float = setting(0.99, "decay an update of the averages of D's outputs", at_least(0) & below(1))
    start: int = setting(1000, "updates of D before the first that is penalised", at_least(0))


class LeCam(OnLogits):
    """``weight (E[max(0, D(x) - a_F)^2] + E[max(0, a_R - D(G(z)))^2])``, with averages a_R of D(x), a_F of D(G(z)).

    Tseng, Jiang, Liu, Yang and Yang, "Regularizing Generative Adversarial Networks under Limited Data", 2021. As in
    their code, only distances in which real samples lie above generated ones count, the averages include the present
    batch, and until ``start`` the averages are those of the batch and the term is 0. Their weight is 0.3 for CIFAR.

    Args:
        name: The penalty's name; for display.
        weight: Factor of the term.
        decay: Decay of the averages.
        start: Updates of D before the first that is penalised.
    """

    changing: ClassVar = ("real", "fake", "updates")

    def __init__(self, name: str, weight: float, decay: float, start: int) -> None:
        super().__init__(name, weight)
        self.decay, self.start = decay, start
        # Numbers here, tensors where the step computes with them.
        self.real: Any = 0.0
        self.fake: Any = 0.0
        self.updates: Any = 0.0

    def after(self, real: Tensor, fake: Tensor) -> tuple[Tensor, ...]:
        """Return the averages with these logits, and the number of updates."""
        updates = self.updates + torch.ones_like(real[0])
        rate = torch.where(updates > self.start + 1, 1 - self.decay, 1.0)
        return torch.lerp(self.real, real.mean(), rate), torch.lerp(self.fake, fake.mean(), rate), updates

    def value(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the weighted distances of both kinds from the averages of the other."""
        distances = (real - self.fake).relu().square().mean() + (self.real - fake).relu().square().mean()
        return torch.where(self.updates > self.start, self.weight * distances, 0.0)
