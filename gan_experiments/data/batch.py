"""A batch: what passes from the data through the step to the networks."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Inputs of a network and the condition that goes with them; in a stack both have the members in front.

    Attributes:
        x: Samples ``[B, *sample_shape]``, real or generated, or latents ``[B, latent_dim]``.
        y: Their labels, int64 ``[B]``; None for networks without labels.
    """

    x: Tensor
    y: Tensor | None = None
