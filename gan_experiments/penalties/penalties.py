"""Penalties on the derivative of D with respect to its input, which D's loss has on top of the objective's.

Each names the points at which the derivative is taken, and what is made of it there. D is taken as it trains,
dropout active, and its output is the logit, never the sigmoid's.

A penalty of a user's own is any class with these three methods; ``penalty._target_`` names it, and the other keys
of the group, but for ``name``, are its arguments.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Penalty(ABC):
    """A term of D's loss.

    Args:
        name: The penalty's name; for people.
        weight: What its mean over the batch is multiplied with.
    """

    def __init__(self, name: str, weight: float) -> None:
        self.name = name
        self.weight = weight

    def uniforms(self, size: int) -> int:
        """How many random numbers ``points`` needs for each sample, of ``size`` elements."""
        return 0

    @abstractmethod
    def points(self, real: Tensor, generated: Tensor, uniform: Tensor) -> Tensor:
        """Where the derivative is taken.

        Args:
            real: The batch that D is trained on, ``[B, *sample_shape]``.
            generated: The generated one, likewise; detached.
            uniform: Uniform numbers in [0, 1], ``[B, uniforms]``: functions of the run's seed and the step.

        Returns:
            ``[N, *sample_shape]``, with N either B or 2 B.
        """

    @abstractmethod
    def value(self, gradient: Tensor) -> Tensor:
        """The term, a scalar, from the derivative of D at the points, ``[N, *sample_shape]``."""


def none(name: str) -> None:
    """``penalty=none``: no term at all, and none of its cost."""


class _ZeroCentred(Penalty):
    """``weight / 2 E[|grad D|^2]``."""

    def value(self, gradient: Tensor) -> Tensor:
        """``weight / 2`` times the mean squared norm of each sample's derivative."""
        return 0.5 * self.weight * gradient.flatten(1).square().sum(1).mean()


class R1(_ZeroCentred):
    """``weight / 2 E_x[|grad D(x)|^2]`` at real samples.

    Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do actually Converge?", 2018, eq. 9; their gamma
    is the weight, 10 in their experiments.
    """

    def points(self, real: Tensor, generated: Tensor, uniform: Tensor) -> Tensor:
        """The real samples."""
        return real


class R2(_ZeroCentred):
    """``weight / 2 E_z[|grad D(G(z))|^2]`` at generated samples.

    Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do actually Converge?", 2018, eq. 10.
    """

    def points(self, real: Tensor, generated: Tensor, uniform: Tensor) -> Tensor:
        """The generated samples."""
        return generated


class R1R2(_ZeroCentred):
    """``weight / 2 (E_x[|grad D(x)|^2] + E_z[|grad D(G(z))|^2])``: R1 and R2 with one weight.

    Huang, Gokaslan, Kuleshov and Tompkin, "The GAN is dead; long live the GAN! A Modern Baseline GAN" (R3GAN),
    2024: together with the relativistic pairing objective.
    """

    def points(self, real: Tensor, generated: Tensor, uniform: Tensor) -> Tensor:
        """The real samples, then the generated ones."""
        return torch.cat((real, generated))

    def value(self, gradient: Tensor) -> Tensor:
        """The sum of two means: twice the mean over both halves."""
        return 2 * super().value(gradient)


class _OneCentred(Penalty):
    """``weight E[(|grad D| - 1)^2]``."""

    def value(self, gradient: Tensor) -> Tensor:
        """``weight`` times the mean squared distance of each derivative's norm from 1."""
        # This norm's derivative at 0 is 0, where that of a square root of a sum would be NaN.
        return self.weight * (torch.linalg.vector_norm(gradient.flatten(1), dim=1) - 1).square().mean()


class Gradient(_OneCentred):
    """``weight E[(|grad D(e x + (1 - e) G(z))| - 1)^2]``, with e uniform in [0, 1] for each pair of samples.

    Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville, "Improved Training of Wasserstein GANs", 2017, eq. 3; their
    lambda is the weight, 10 in their experiments. They advise against batch normalisation in D, under which a
    logit depends on other samples too.
    """

    def uniforms(self, size: int) -> int:
        """One, for the place between a real and a generated sample."""
        return 1

    def points(self, real: Tensor, generated: Tensor, uniform: Tensor) -> Tensor:
        """A point on the line between each real sample and a generated one."""
        return torch.lerp(generated, real, uniform.view(-1, *(1,) * (real.dim() - 1)))


class Dragan(_OneCentred):
    """``weight E[(|grad D(x + d)| - 1)^2]``, near the data only.

    Kodali, Abernethy, Hays and Kira, "On Convergence and Stability of GANs" (DRAGAN), 2017; their lambda is the
    weight, 10 in their experiments. The displacement is that of their code: ``d = a s u / 2`` with s the standard
    deviation of all the batch's elements, a uniform in [0, 1] for each sample and u for each element.
    """

    def uniforms(self, size: int) -> int:
        """One for the sample and one for each element."""
        return 1 + size

    def points(self, real: Tensor, generated: Tensor, uniform: Tensor) -> Tensor:
        """A point near each real sample."""
        displacement = 0.5 * real.std(correction=0) * uniform[:, :1] * uniform[:, 1:]
        return real + displacement.view(real.shape)
