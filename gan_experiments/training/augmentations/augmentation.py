"""The contract of an augmentation: random changes of all that D sees, real and generated, in D's updates and in G's.

D has to tell apart ``T(x)`` and ``T(G(z))``, never x and G(z), so it cannot learn a few images by heart; and because
T can be differentiated, G learns through it, and not to draw its results (Zhao et al., 2020; Karras et al., 2020).

A custom augmentation is any class with ``uniforms`` and ``apply``; ``augment._target_`` names it, and the other keys
of the group are its arguments. One that changes as it trains has ``changing`` and ``after`` too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor


class Augmentation(ABC):
    """Random changes of images, of which every number among the attributes is a coefficient, each member's own.

    Args:
        name: The augmentation's name; for display.

    Attributes:
        changing: Attributes that change as it trains; in place of these numbers all methods find tensors.
        metrics: Those of them that are recorded at every epoch's end, as ``augment/NAME``.
    """

    changing: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[str, ...]] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def uniforms(self, sample_shape: Sequence[int]) -> int:
        """Return how many random numbers ``apply`` needs for each sample; a function of the shape alone."""

    @abstractmethod
    def apply(self, x: Tensor, uniform: Tensor) -> Tensor:
        """Return the images, changed: a pure function, which ``torch.vmap`` and autograd can follow.

        Args:
            x: Images in [-1, 1], ``[B, C, H, W]``.
            uniform: Uniform numbers in [0, 1), ``[B, uniforms]``: functions of the run's seed and the step.

        Returns:
            Images of the same shape.
        """

    def after(self, real_logits: Tensor) -> tuple[Tensor, ...]:
        """Return the new values of ``changing``, in its order.

        Args:
            real_logits: D's of the real samples of an update, ``[B]``, augmented and before the update.
        """
        return ()
