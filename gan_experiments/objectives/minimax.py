"""The literal value function of the 2014 paper."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from gan_experiments.objectives.value_function import ValueFunction


class Minimax(ValueFunction):
    """G minimises ``E[log(1 - D(G(z)))]``: the literal value function, which saturates where D is confident.

    Goodfellow et al., "Generative Adversarial Nets", 2014, eq. 1. This is not what the article trains.
    """

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``E[log(1 - D(G(z)))]``; -log 2 at equilibrium."""
        return -F.softplus(fake).mean()
