"""Dropout whose mask can be handed in."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Dropout (Srivastava et al., 2014): ``y = x * m / (1 - p)`` with ``m ~ Bernoulli(1 - p)`` in training.

    Training hands in the multiplier ``m / (1 - p)`` as ``mask``, drawn for all sites of a step at once, so that
    it depends on the run's seed and the step alone. Without one, as in any code that uses a network by itself,
    the multiplier is drawn from torch's global generator.

    Attributes:
        p: Probability that a unit is dropped, in [0, 1).
        p_of_members: For a stack of runs, each member's own.
        mask: The multiplier, of the input's shape, or None.
        shape: Shape of the multiplier as last asked for without a mask; empty before.
    """

    mask: Tensor | None
    """The slot into which the trainer puts the multiplier for the duration of a pass."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.p_of_members: list[float] | None = None
        self.mask = None
        self.shape: torch.Size = torch.Size()

    def multiplier(self, like: Tensor, width: int | None = None) -> Tensor | None:
        """Return the multiplier for ``like`` (its last dimension replaced by ``width``), or None for the identity."""
        if not self.training:
            return None
        if self.mask is not None:
            return self.mask
        self.shape = like.shape if width is None else torch.Size((*like.shape[:-1], width))
        if self.p == 0:
            return None
        keep = 1 - self.p
        return torch.full(self.shape, keep, dtype=torch.float32, device=like.device).bernoulli().div_(keep)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` times the multiplier, in ``x``'s type."""
        multiplier = self.multiplier(x)
        return x if multiplier is None else x * multiplier.to(x.dtype)

    def extra_repr(self) -> str:
        """Return the probability, as ``nn.Dropout`` shows it."""
        return f"p={self.p}"
