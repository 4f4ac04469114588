"""The pair of networks that a run trains."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Networks:
    """A generator and a discriminator.

    A custom architecture is any function ``build(sample_shape, **keys_of_the_model_group)`` that
    returns one of these; ``model._target_`` names it.

    Attributes:
        generator: ``[B, latent_dim]`` -> ``[B, *sample_shape]`` in [-1, 1].
        discriminator: ``[B, *sample_shape]`` -> logits ``[B]`` or ``[B, 1]``, no sigmoid.
        latent_dim: Dimension of z ~ N(0, I).
        per_sample: Whether no sample's output depends on the others in its batch (no batch normalisation, no
            minibatch statistics). Where true, real and fake samples share one pass of the discriminator.
        constant_rows: Whether ``generator(z, constant_rows=n)`` works: no derivative of the first ``n`` samples is
            wanted. Where true, and ``per_sample``, all noise of a step shares one pass of the generator.
    """

    generator: nn.Module
    discriminator: nn.Module
    latent_dim: int
    per_sample: bool = False
    constant_rows: bool = False
