"""The contract of a penalty: a term on the derivative of D with respect to its input, or on D's outputs.

A ``Penalty`` names the points at which the derivative is taken, and turns the derivative into a number; ``OnLogits``
makes a number of the outputs of an update. D is taken as it trains, dropout active, and its output is the logit,
never the sigmoid's.

A custom penalty is any class with the three methods of ``Penalty``, or a subclass of ``OnLogits``;
``penalty._target_`` names it, and the other keys of the group, except ``name``, are its arguments.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from omegaconf import MISSING
from torch import Tensor

from gan_experiments.configuration.fields import at_least, setting


@dataclass
class PenaltyConfig:
    """A term on D, on top of the objective's loss of D."""

    _target_: str = setting(MISSING, "class of the penalty")
    name: str = setting(MISSING, "the penalty's name")
    weight: float = setting(MISSING, "what the penalty is multiplied with", at_least(0))


class Penalty(ABC):
    """A term of D's loss.

    Args:
        name: The penalty's name; for display.
        weight: Factor of its mean over the batch.
    """

    def __init__(self, name: str, weight: float) -> None:
        self.name = name
        self.weight = weight

    def uniforms(self, size: int) -> int:
        """Return how many random numbers ``points`` needs for each sample, of ``size`` elements."""
        return 0

    @abstractmethod
    def points(self, real: Tensor, generated: Tensor, uniform: Tensor) -> Tensor:
        """Return the points at which the derivative is taken.

        Args:
            real: The batch that D is trained on, ``[B, *sample_shape]``.
            generated: The generated batch, of the same shape; detached.
            uniform: Uniform numbers in [0, 1], ``[B, uniforms]``: functions of the run's seed and the step.

        Returns:
            ``[N, *sample_shape]``, with N either B or 2 B.
        """

    @abstractmethod
    def value(self, gradient: Tensor) -> Tensor:
        """Return the term, a scalar, from the derivative of D at the points, ``[N, *sample_shape]``."""


class ZeroCentred(Penalty):
    """``weight / 2 E[|grad D|^2]``; subclasses choose the points."""

    def value(self, gradient: Tensor) -> Tensor:
        """``weight / 2`` times the mean squared norm of each sample's derivative."""
        return 0.5 * self.weight * gradient.flatten(1).square().sum(1).mean()


class OneCentred(Penalty):
    """``weight E[(|grad D| - 1)^2]``; subclasses choose the points."""

    def value(self, gradient: Tensor) -> Tensor:
        """``weight`` times the mean squared distance of each derivative's norm from 1."""
        # This norm's derivative at 0 is 0, where that of a square root of a sum would be NaN.
        return self.weight * (torch.linalg.vector_norm(gradient.flatten(1), dim=1) - 1).square().mean()


class OnLogits(ABC):
    """A term on D's logits instead of its derivative, which may depend on those of earlier updates.

    Args:
        name: The penalty's name; for display.
        weight: Factor of its mean over the batch.

    Attributes:
        changing: Attributes that change as it trains; in place of these numbers ``value`` and ``after`` find tensors.
    """

    changing: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str, weight: float) -> None:
        self.name = name
        self.weight = weight

    @abstractmethod
    def value(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the term, a scalar, from D's logits of an update, both ``[B]``; called after ``after``."""

    def after(self, real: Tensor, fake: Tensor) -> tuple[Tensor, ...]:
        """Return the new values of ``changing``, in its order, from an update's logits, detached."""
        return ()
