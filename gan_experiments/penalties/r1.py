"""R1: the derivative of D at real samples is held near 0."""

from __future__ import annotations

from torch import Tensor

from gan_experiments.penalties.penalty import ZeroCentred


class R1(ZeroCentred):
    """``weight / 2 E_x[|grad D(x)|^2]`` at real samples.

    Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do actually Converge?", 2018, eq. 9; their gamma
    is the weight, 10 in their experiments.
    """

    def points(self, real: Tensor, generated: Tensor, uniform: Tensor) -> Tensor:
        """Return the real samples."""
        return real
