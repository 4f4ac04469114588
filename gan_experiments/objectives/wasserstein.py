"""WGAN: the dual form of the Wasserstein-1 distance, with clipped weights."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gan_experiments.configuration.fields import above, setting
from gan_experiments.objectives.objective import Objective, ObjectiveConfig


@dataclass
class WassersteinConfig(ObjectiveConfig):
    """The dual form of the Wasserstein distance, with clipped weights."""

    clip: float | None = setting(
        0.01, "D's weights are kept within plus and minus this; null for no clipping", above(0)
    )


class Wasserstein(Objective):
    """The dual form of the Wasserstein-1 distance, with a critic D whose weights are clipped.

    Arjovsky, Chintala and Bottou, "Wasserstein Generative Adversarial Networks", 2017, algorithm 1. The paper takes
    five updates of D (``train.discriminator_steps``) and RMSProp.

    Args:
        name: The objective's name; for display.
        clip: D's weights are kept in [-clip, clip], which bounds its slope; None for no clipping, where a
            penalty is to bound it.
    """

    logits_have_origin = False

    def __init__(self, name: str, clip: float | None = 0.01) -> None:
        super().__init__(name)
        self.clip = clip

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``E[f] - E[r]``: minus the estimate of the distance, up to a factor."""
        return fake.mean() - real.mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-E[f]``."""
        return -fake.mean()
