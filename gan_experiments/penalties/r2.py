"""R2: the derivative of D at generated samples is held near 0."""

from __future__ import annotations

from torch import Tensor

from gan_experiments.penalties.penalty import ZeroCentred


class R2(ZeroCentred):
    """``weight / 2 E_z[|grad D(G(z))|^2]`` at generated samples.

    Mescheder, Geiger and Nowozin, "Which Training Methods for GANs do actually Converge?", 2018, eq. 10.
    """

    def points(self, real: Tensor, generated: Tensor, uniform: Tensor) -> Tensor:
        """Return the generated samples."""
        return generated
