"""What the two players minimise, on logits.

D(x) is the sigmoid of the logit r of a real sample, D(G(z)) that of the logit f of a generated one. With
``softplus(t) = log(1 + e^t)``: ``-log D(x) = softplus(-r)`` and ``-log(1 - D(G(z))) = softplus(f)``, which stay
exact where the sigmoid rounds to 0 or 1.

An objective of a user's own is any class with these two methods; ``objective._target_`` names it, and the other
keys of the group, but for ``name``, are its arguments.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor
from torch.nn import functional as F


class Objective(ABC):
    """A pair of losses, each a mean over the batch.

    Args:
        name: The objective's name; for people.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Loss of D, a scalar, from the logits ``[B]`` of real and of generated samples."""

    @abstractmethod
    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Loss of G, a scalar; ``fake`` carries the gradient to G, ``real`` is the latest real batch's logits."""


class _ValueFunction(Objective):
    """D's side of the game ``min_G max_D E[log D(x)] + E[log(1 - D(G(z)))]`` (Goodfellow et al., 2014, eq. 1)."""

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-E[log D(x)] - E[log(1 - D(G(z)))]``: the sum of both cross-entropies, 2 log 2 at equilibrium."""
        return F.softplus(-real).mean() + F.softplus(fake).mean()


class NonSaturating(_ValueFunction):
    """G minimises ``-E[log D(G(z))]``: the article's flipped targets, BCE(D(G(z)), 1).

    Goodfellow et al., "Generative Adversarial Nets", 2014, section 3: the same fixed point as minimax, but with
    strong gradients early in learning. Many libraries call this one "minimax".
    """

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``-E[log D(G(z))]``; log 2 at equilibrium."""
        return F.softplus(-fake).mean()


class Minimax(_ValueFunction):
    """G minimises ``E[log(1 - D(G(z)))]``: the literal value function, which saturates where D is confident.

    Goodfellow et al., "Generative Adversarial Nets", 2014, eq. 1. This is not what the article trains.
    """

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """``E[log(1 - D(G(z)))]``; -log 2 at equilibrium."""
        return -F.softplus(fake).mean()
