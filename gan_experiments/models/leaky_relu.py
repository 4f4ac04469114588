"""LeakyReLU with a slope of its own for every member of a stack."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class StackedLeakyReLU(nn.Module):
    """``x`` where it is positive, else ``slope x``, applied to one member under ``torch.vmap``.

    Args:
        slopes: Each member's slope.

    Attributes:
        negative_slope: ``[K]``; under ``torch.vmap`` a scalar, the member's.
    """

    negative_slope: Tensor

    def __init__(self, slopes: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("negative_slope", torch.tensor(slopes), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, ...]`` -> ``[B, ...]``, in ``x``'s type."""
        # A factor without a graph: the slope is locally constant, so the second derivative is zero.
        slope = self.negative_slope.to(x.dtype)
        return x * ((x.detach() > 0).to(x.dtype) * (1 - slope) + slope)
