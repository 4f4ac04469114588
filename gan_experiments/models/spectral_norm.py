"""Spectral normalisation of a layer's weight, alone or stacked."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

_WARM_UP = 15
"""Iterations before training, so that the first step's norm is near the true one."""


class SpectralNorm(nn.Module):
    """``W / s(W)``, with s(W) the largest singular value of W as a matrix ``[out, rest]``.

    Miyato, Kataoka, Koyama and Yoshida, "Spectral Normalization for Generative Adversarial Networks", 2018: one
    power iteration at every use in training, ``v <- W^T u / |W^T u|``, ``u <- W v / |W v|``, and ``s = u^T W v``.
    Torch's own would read a stack's members as rows of one matrix; this one knows them by the dimensions of ``u``.

    Args:
        weight: The weight, ``[out, ...]``.

    Attributes:
        u: Estimate of the first left singular vector, ``[out]``; for a stack ``[K, out]``.
    """

    u: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("u", torch.randn(len(weight)))
        with torch.no_grad():
            for _ in range(_WARM_UP):
                self(weight)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the normalised weight, of the same shape."""
        matrix = weight.flatten(self.u.dim())  # [out, rest], or [K, out, rest]
        with torch.no_grad():
            v = F.normalize(torch.matmul(matrix.mT, self.u.unsqueeze(-1)), dim=-2)
            if self.training:
                self.u.copy_(F.normalize(torch.matmul(matrix, v), dim=-2).squeeze(-1))
            # A copy: the next use writes over u, which this one's derivative needs.
            u = self.u.clone().unsqueeze(-2)
        return weight / torch.matmul(torch.matmul(u, matrix), v).view(
            *u.shape[:-2], *(1,) * (weight.dim() - u.dim() + 2)
        )


def normalise_spectrum(layer: nn.Module) -> None:
    """Make ``layer.weight`` the normalised weight; the trained parameter becomes its original."""
    assert isinstance(layer.weight, Tensor)
    parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight))
