"""R1 and R2 together, with one weight."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_experiments.penalties.penalty import ZeroCentred


class R1R2(ZeroCentred):
    """``weight / 2 (E_x[|grad D(x)|^2] + E_z[|grad D(G(z))|^2])``: R1 and R2 with one weight.

    Huang, Gokaslan, Kuleshov and Tompkin, "The GAN is dead; long live the GAN! A Modern Baseline GAN" (R3GAN),
    2024: together with the relativistic pairing objective.
    """

    def points(self, real: Tensor, generated: Tensor, uniform: Tensor) -> Tensor:
        """Return the real samples, then the generated ones."""
        return torch.cat((real, generated))  # [2 B, *sample_shape]

    def value(self, gradient: Tensor) -> Tensor:
        """Return the sum of two means: twice the mean over both halves."""
        return 2 * super().value(gradient)
