"""The hinge loss: a margin of 1 on either side."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from gan_experiments.objectives.objective import Objective


class Hinge(Objective):
    """D is indifferent to samples beyond a margin of 1 on the right side.

    Lim and Ye, "Geometric GAN", 2017; Miyato et al., "Spectral Normalization for Generative Adversarial Networks",
    2018, eq. 16 and 17.
    """

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``E[max(0, 1 - r)] + E[max(0, 1 + f)]``; 2 at equilibrium."""
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-E[f]``."""
        return -fake.mean()
