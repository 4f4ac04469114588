"""D's side of the 2014 paper's game, which the non-saturating and the minimax objective share."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from gan_experiments.configuration.fields import at_least, below, setting
from gan_experiments.objectives.objective import Objective, ObjectiveConfig


@dataclass
class ValueFunctionConfig(ObjectiveConfig):
    """The 2014 paper's value function."""

    label_smoothing: float = setting(
        0.0, "one-sided: D's target for real samples is 1 minus this", at_least(0) & below(1)
    )


class ValueFunction(Objective):
    """D's side of the game ``min_G max_D E[log D(x)] + E[log(1 - D(G(z)))]`` (Goodfellow et al., 2014, eq. 1).

    Args:
        name: The objective's name; for display.
        label_smoothing: One-sided: D's target for real samples is 1 minus this (Salimans et al., "Improved
            Techniques for Training GANs", 2016, section 3.4; 0.1 there).
    """

    def __init__(self, name: str, label_smoothing: float = 0.0) -> None:
        super().__init__(name)
        self.label_smoothing = label_smoothing

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-E[log D(x)] - E[log(1 - D(G(z)))]``: the sum of both cross-entropies, 2 log 2 at equilibrium.

        With smoothing s, ``-(1 - s) E[log D(x)] - s E[log(1 - D(x))]`` in place of the first.
        """
        loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        if isinstance(self.label_smoothing, Tensor) or self.label_smoothing:
            loss = loss + self.label_smoothing * real.mean()  # softplus(r) = softplus(-r) + r
        return loss
