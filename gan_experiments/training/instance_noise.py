"""Instance noise: blurs all samples that D sees, so that real and generated ones overlap."""

from __future__ import annotations

from torch import Tensor


def instance_noise(normal: Tensor, std: Tensor) -> Tensor:
    """Return what is added to every sample that D sees, real or generated, in D's updates and in G's.

    ``D(x + s_t n)`` and ``D(G(z) + s_t n)`` with n ~ N(0, I): Sonderby et al., "Amortised MAP Inference for Image
    Super-resolution", 2016, and Arjovsky and Bottou, "Towards Principled Methods for Training Generative
    Adversarial Networks", 2017.

    Args:
        normal: Standard normal numbers ``[...]``; for a stack ``[K, ...]``.
        std: Each member's standard deviation in this step, ``[K]`` (``Schedules``).
    """
    return normal * std.view(-1, *(1,) * (normal.dim() - 1)) if len(std) > 1 else normal * std
