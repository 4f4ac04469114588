"""The pair of networks that a run trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Networks:
    """A generator and a discriminator.

    A custom architecture is any function ``build(sample_shape, **keys_of_the_model_group)`` that
    returns one of these; ``model._target_`` names it. A function with an argument ``classes`` is told the number of
    classes of the data, or None where they have no labels.

    Attributes:
        generator: ``[B, latent_dim]`` -> ``[B, *sample_shape]`` in [-1, 1].
        discriminator: ``[B, *sample_shape]`` -> logits ``[B]`` or ``[B, 1]``, no sigmoid.
        latent_dim: Dimension of z ~ N(0, I).
        per_sample: Whether no sample's output depends on the others in its batch (no batch normalisation, no
            minibatch statistics). Where true, real and fake samples share one pass of the discriminator.
        constant_rows: Whether ``generator(z, constant_rows=n)`` works: no derivative of the first ``n`` samples is
            wanted. Where true, and ``per_sample``, all noise of a step shares one pass of the generator.
        classes: Number of classes of conditional networks, which are called with labels, int64 ``[B]``, as second
            argument: ``generator(z, y)`` and ``discriminator(x, y)``. The latter may return a pair: logits, and
            logits of classes ``[B, classes]``, from which a classification loss is added to both players' losses.
            None for networks without labels.
        auxiliary_weight: Factor of the classification loss.
    """

    generator: nn.Module
    discriminator: nn.Module
    latent_dim: int
    per_sample: bool = False
    constant_rows: bool = False
    classes: int | None = None
    auxiliary_weight: float = 1.0


def apply(network: Callable[..., Any], x: Tensor, y: Tensor | None, **options: Any) -> Any:
    """Call a network, with labels where there are any."""
    return network(x, **options) if y is None else network(x, y, **options)


def logits_of(output: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """Return the logits of a discriminator's output, which may have logits of classes beside them."""
    return output[0] if isinstance(output, tuple) else output
