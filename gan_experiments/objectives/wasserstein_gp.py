"""WGAN-GP: the dual form of the Wasserstein-1 distance, with a gradient penalty in place of clipping."""

from __future__ import annotations

from dataclasses import dataclass

from gan_experiments.configuration.fields import at_least, setting
from gan_experiments.objectives.objective import ObjectiveConfig
from gan_experiments.objectives.wasserstein import Wasserstein
from gan_experiments.penalties import Gradient, Penalty


@dataclass
class WassersteinGPConfig(ObjectiveConfig):
    """The dual form of the Wasserstein distance, with a gradient penalty of its own."""

    gradient_penalty: float = setting(10.0, "weight of the gradient penalty; lambda in the paper", at_least(0))


class WassersteinGP(Wasserstein):
    """The dual form of the Wasserstein-1 distance, with a gradient penalty in place of clipping.

    ``E[f] - E[r] + lambda E[(|grad D(e x + (1 - e) G(z))| - 1)^2]`` for D: Gulrajani et al., "Improved Training of
    Wasserstein GANs", 2017, eq. 3. The paper takes five updates of D and Adam with betas 0 and 0.9.

    Args:
        name: The objective's name; for display.
        gradient_penalty: Weight of the penalty; lambda in the paper.
    """

    def __init__(self, name: str, gradient_penalty: float = 10.0) -> None:
        super().__init__(name, clip=None)
        self.gradient_penalty = gradient_penalty

    @property
    def penalty(self) -> Penalty:
        """The gradient penalty."""
        return Gradient("gradient", self.gradient_penalty)
