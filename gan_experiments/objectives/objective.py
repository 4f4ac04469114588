"""The contract of an objective: the losses of both players, on logits.

D(x) is the sigmoid of the logit r of a real sample, D(G(z)) that of the logit f of a generated one. With
``softplus(t) = log(1 + e^t)``: ``-log D(x) = softplus(-r)`` and ``-log(1 - D(G(z))) = softplus(f)``, which stay
exact where the sigmoid rounds to 0 or 1. Where D is no classifier but a critic (least squares, hinge, both
Wassersteins), r and f are its outputs as they are, and no sigmoid is part of the loss.

A custom objective is any class with ``discriminator_loss`` and ``generator_loss``; ``objective._target_`` names it,
and the other keys of the group, except ``name``, are its arguments.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from omegaconf import MISSING
from torch import Tensor

from gan_experiments.configuration.fields import setting
from gan_experiments.penalties import Penalty


@dataclass
class ObjectiveConfig:
    """Losses of the two players."""

    _target_: str = setting(MISSING, "class of the objective")
    name: str = setting(MISSING, "the objective's name")


class Objective(ABC):
    """A pair of losses, each a mean over the batch.

    Args:
        name: The objective's name; for display.

    Attributes:
        clip: After each of its updates D's weights are clamped to plus and minus this; None for no clamping.
        generator_sees_real: Whether G's loss needs D's logits of real samples as they are after D's update.
        logits_have_origin: Whether a logit of 0 means that D is undecided. False for Wasserstein critics, whose
            outputs are defined up to a constant: their sigmoid is no probability, and the size of G's loss means
            nothing.
    """

    clip: float | None = None
    generator_sees_real: bool = False
    logits_have_origin: bool = True

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def penalty(self) -> Penalty | None:
        """A penalty that belongs to the objective, in addition to the one that the ``penalty`` group chooses."""
        return None

    @abstractmethod
    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Loss of D, a scalar, from the logits ``[B]`` of real and of generated samples."""

    @abstractmethod
    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Loss of G, a scalar; ``fake`` carries the gradient to G, ``real`` is the latest real batch's logits.

        The latter are of D before its last update, or after it where ``generator_sees_real``.
        """
