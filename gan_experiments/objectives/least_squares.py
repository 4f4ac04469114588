"""LSGAN: squared distances of D's outputs from targets."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gan_experiments.configuration.fields import setting
from gan_experiments.objectives.objective import Objective, ObjectiveConfig


@dataclass
class LeastSquaresConfig(ObjectiveConfig):
    """Squared distances from targets."""

    real_target: float = setting(1.0, "what D should say of real samples; b in the paper")
    fake_target: float = setting(0.0, "what D should say of generated samples; a in the paper")
    generator_target: float = setting(1.0, "what G wants D to say of generated samples; c in the paper")


class LeastSquares(Objective):
    """D is drawn towards one target on real samples and another on generated ones, G towards a third.

    Mao et al., "Least Squares Generative Adversarial Networks", 2017, eq. 2; the defaults are its eq. 9.

    Args:
        name: The objective's name; for display.
        real_target: What D should say of real samples; b in the paper.
        fake_target: What D should say of generated samples; a in the paper.
        generator_target: What G wants D to say of generated samples; c in the paper.
    """

    def __init__(
        self, name: str, real_target: float = 1.0, fake_target: float = 0.0, generator_target: float = 1.0
    ) -> None:
        super().__init__(name)
        self.real_target, self.fake_target, self.generator_target = real_target, fake_target, generator_target

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``1/2 E[(r - b)^2] + 1/2 E[(f - a)^2]``; 1/4 at the default targets' equilibrium."""
        return 0.5 * ((real - self.real_target).square().mean() + (fake - self.fake_target).square().mean())

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``1/2 E[(f - c)^2]``; 1/8 at the default targets' equilibrium."""
        return 0.5 * (fake - self.generator_target).square().mean()
