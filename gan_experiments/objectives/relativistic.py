"""The relativistic objective: real samples judged against generated ones."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from gan_experiments.configuration.fields import one_of, setting
from gan_experiments.objectives.objective import Objective, ObjectiveConfig


@dataclass
class RelativisticConfig(ObjectiveConfig):
    """Real samples judged against generated ones."""

    pairing: str = setting(
        "pairs", "whether a sample is held against one of the other kind or their mean", one_of("pairs", "mean")
    )


class Relativistic(Objective):
    """D says how much more real a real sample is than a generated one, and G wants the opposite.

    Jolicoeur-Martineau, "The relativistic discriminator: a key element missing from standard GAN", 2018. Pairs
    (RpGAN) with ``penalty=r1_r2`` are the objective of Huang et al., "The GAN is dead; long live the GAN! A Modern
    Baseline GAN" (R3GAN), 2024; without a penalty they need not converge.

    Args:
        name: The objective's name; for display.
        pairing: ``pairs`` compares the i-th real sample of a batch with the i-th generated one; ``mean`` compares
            each sample with the mean of the other kind (RaGAN).
    """

    generator_sees_real = True

    def __init__(self, name: str, pairing: str = "pairs") -> None:
        super().__init__(name)
        self.pairing = pairing

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``E[softplus(-(r - f))]``; log 2 at equilibrium.

        With ``mean``, ``E[softplus(-(r - E f))] + E[softplus(f - E r)]``; 2 log 2 at equilibrium.
        """
        if self.pairing == "pairs":
            return F.softplus(fake - real).mean()
        return F.softplus(fake.mean() - real).mean() + F.softplus(fake - real.mean()).mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """D's loss with real and generated samples exchanged."""
        return self.discriminator_loss(fake, real)
