"""The gradient penalty of WGAN-GP: the norm of D's derivative between real and generated samples is held near 1."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_experiments.penalties.penalty import OneCentred


class Gradient(OneCentred):
    """``weight E[(|grad D(e x + (1 - e) G(z))| - 1)^2]``, with e uniform in [0, 1] for each pair of samples.

    Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville, "Improved Training of Wasserstein GANs", 2017, eq. 3; their
    lambda is the weight, 10 in their experiments. They advise against batch normalisation in D, under which a
    logit depends on other samples too.
    """

    def uniforms(self, size: int) -> int:
        """One, for the place between a real and a generated sample."""
        return 1

    def points(self, real: Tensor, generated: Tensor, uniform: Tensor) -> Tensor:
        """Return a point on the line between each real sample and a generated one."""
        return torch.lerp(generated, real, uniform.view(-1, *(1,) * (real.dim() - 1)))
