"""The article's objective: the non-saturating loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from gan_experiments.objectives.value_function import ValueFunction


class NonSaturating(ValueFunction):
    """G minimises ``-E[log D(G(z))]``: the article's flipped targets, BCE(D(G(z)), 1).

    Goodfellow et al., "Generative Adversarial Nets", 2014, section 3: the same fixed point as minimax, but with
    strong gradients early in learning. Many libraries call this one "minimax".
    """

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-E[log D(G(z))]``; log 2 at equilibrium."""
        return F.softplus(-fake).mean()
