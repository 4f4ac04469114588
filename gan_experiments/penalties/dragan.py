"""DRAGAN: the norm of D's derivative around real samples is held near 1."""

from __future__ import annotations

from torch import Tensor

from gan_experiments.penalties.penalty import OneCentred


class Dragan(OneCentred):
    """``weight E[(|grad D(x + d)| - 1)^2]``, near the data only.

    Kodali, Abernethy, Hays and Kira, "On Convergence and Stability of GANs" (DRAGAN), 2017; their lambda is the
    weight, 10 in their experiments. The displacement is that of their code: ``d = a s u / 2`` with s the standard
    deviation of all the batch's elements, a uniform in [0, 1] for each sample and u for each element.
    """

    def uniforms(self, size: int) -> int:
        """One for the sample and one for each element."""
        return 1 + size

    def points(self, real: Tensor, generated: Tensor, uniform: Tensor) -> Tensor:
        """Return a point near each real sample."""
        displacement = 0.5 * real.std(correction=0) * uniform[:, :1] * uniform[:, 1:]
        return real + displacement.view(real.shape)
