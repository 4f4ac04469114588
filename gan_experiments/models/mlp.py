"""The article's networks: multi-layer perceptrons with LeakyReLU, and dropout in the discriminator.

Both also compute a whole stack of runs at once, where their parameters, slopes and inputs have one more dimension
in front (``models.stacking``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from gan_experiments.configuration.fields import above, at_least, below, each, one_of, setting
from gan_experiments.models.conditioning import classes_for, head_output, head_width, labels_beside
from gan_experiments.models.dense import dense_layer, dense_stack
from gan_experiments.models.dropout import Dropout
from gan_experiments.models.networks import Networks
from gan_experiments.models.spectral_norm import normalise_spectrum


@dataclass
class MLPConfig:
    """Multi-layer perceptrons for both players; LeakyReLU between layers."""

    _target_: str = setting("gan_experiments.models.mlp.build", "function that builds the networks")
    name: str = setting("mlp", "the architecture's name", shared="nothing")
    latent_dim: int = setting(100, "dimension of z ~ N(0, I)", at_least(1), shared="nothing")
    generator_widths: list[int] = setting(
        [256, 512, 1024], "hidden widths from z to the sample; Tanh closes", each(at_least(1)), shared="length"
    )
    discriminator_widths: list[int] = setting(
        [1024, 512, 256], "hidden widths from the sample to the one logit", each(at_least(1)), shared="length"
    )
    negative_slope: float = setting(0.2, "LeakyReLU's slope for negative inputs", shared="nothing")
    dropout: float = setting(
        0.3, "probability that a hidden unit of D is dropped in training", at_least(0) & below(1), shared="nothing"
    )
    generator_gain: float = setting(
        1.0, "factor of G's first weights, which torch draws small; 2 lets G learn sooner", above(0), shared="nothing"
    )
    spectral_norm: bool = setting(False, "whether D's weights are divided by their largest singular value")
    condition: str = setting(
        "none", "way of the data's labels into the networks", one_of("none", "concat", "projection", "auxiliary")
    )
    auxiliary_weight: float = setting(
        1.0, "factor of the classification loss of condition=auxiliary", at_least(0), shared="nothing"
    )


class Generator(nn.Module):
    """z -> Linear, LeakyReLU, … -> Linear -> Tanh; ``dense_stack`` computes it.

    Args:
        latent_dim: Dimension of z.
        widths: Hidden widths.
        sample_shape: Shape of one sample.
        negative_slope: LeakyReLU's slope.
        classes: Number of classes whose labels it takes beside z; None for no labels.
        gain: Factor of the first weights. ``nn.Linear`` draws them from U(-1/sqrt(in), 1/sqrt(in)), with which units
            keep less than half of their size from layer to layer; 2.4 keeps it (He et al., 2015).
    """

    def __init__(
        self,
        latent_dim: int,
        widths: Sequence[int],
        sample_shape: Sequence[int],
        negative_slope: float,
        classes: int | None = None,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.sample_shape = tuple(sample_shape)
        self.negative_slope: float | Tensor = float(negative_slope)
        self.classes = classes
        sizes = ((classes or 0) + latent_dim, *widths, math.prod(sample_shape))
        self.layers = nn.ModuleList(dense_layer(a, b) for a, b in pairwise(sizes))
        with torch.no_grad():
            for weight in _parameters(self.layers)[0]:
                weight.mul_(gain)

    def forward(self, z: Tensor, y: Tensor | None = None, constant_rows: int = 0) -> Tensor:
        """``[B, latent_dim]``, and labels ``[B]`` -> samples ``[B, *sample_shape]`` in (-1, 1).

        No derivative of the first ``constant_rows`` samples is wanted.
        """
        inputs = labels_beside(z, y, self.classes)
        flat = dense_stack(inputs, *_parameters(self.layers), self.negative_slope, constant_rows=constant_rows)
        if flat.dtype == torch.bfloat16:
            flat = flat.float()  # on a CPU the tangent takes a sixth of the time
        return torch.tanh(flat).unflatten(-1, self.sample_shape)


class Discriminator(nn.Module):
    """x -> (Linear, LeakyReLU, Dropout), … -> Linear -> one logit; ``dense_stack`` computes it.

    Args:
        sample_shape: Shape of one sample.
        widths: Hidden widths.
        negative_slope: LeakyReLU's slope.
        dropout: Probability that a hidden unit is dropped in training.
        spectral_norm: Whether every layer's weight is divided by its largest singular value.
        condition: The way that labels take.
        classes: Number of classes; None for no labels.
    """

    def __init__(
        self,
        sample_shape: Sequence[int],
        widths: Sequence[int],
        negative_slope: float,
        dropout: float,
        spectral_norm: bool,
        condition: str = "none",
        classes: int | None = None,
    ) -> None:
        super().__init__()
        self.sample_shape = tuple(sample_shape)
        self.negative_slope: float | Tensor = float(negative_slope)
        self.condition = condition
        self.classes_beside = classes if condition == "concat" else None
        sizes = ((self.classes_beside or 0) + math.prod(sample_shape), *widths, head_width(condition, classes))
        self.layers = nn.ModuleList(dense_layer(a, b) for a, b in pairwise(sizes))
        self.dropouts = nn.ModuleList(Dropout(dropout) for _ in widths)
        for layer in self.layers if spectral_norm else ():
            normalise_spectrum(layer)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """``[B, *sample_shape]``, and labels ``[B]`` -> logits ``[B]``; see ``head_output``."""
        x = labels_beside(x.flatten(-len(self.sample_shape)), y, self.classes_beside)
        weights, biases = _parameters(self.layers)
        dropouts = cast("Iterable[Dropout]", self.dropouts)
        masks = [dropout.multiplier(x, bias.shape[-1]) for dropout, bias in zip(dropouts, biases, strict=False)]
        return head_output(self.condition, dense_stack(x, weights, biases, self.negative_slope, masks), y)


def _parameters(layers: nn.ModuleList) -> tuple[list[Tensor], list[Tensor]]:
    linear = cast("Sequence[nn.Linear]", layers)
    return [layer.weight for layer in linear], [layer.bias for layer in linear]


def build(
    sample_shape: Sequence[int],
    name: str,
    latent_dim: int,
    generator_widths: Sequence[int],
    discriminator_widths: Sequence[int],
    negative_slope: float,
    dropout: float,
    spectral_norm: bool = False,
    condition: str = "none",
    auxiliary_weight: float = 1.0,
    classes: int | None = None,
    generator_gain: float = 1.0,
) -> Networks:
    """Build both perceptrons, initialised as ``nn.Linear`` is but for G's gain, from torch's global generator.

    Args:
        sample_shape: Shape of one sample of the data.
        name: The architecture's name; for display.
        latent_dim: Dimension of z.
        generator_widths: Hidden widths of the generator.
        discriminator_widths: Hidden widths of the discriminator.
        negative_slope: LeakyReLU's slope, in both.
        dropout: Dropout after every hidden layer of the discriminator.
        spectral_norm: Whether the discriminator has spectral normalisation.
        condition: The way of labels into the networks.
        auxiliary_weight: Factor of the classification loss of ``auxiliary``.
        classes: Number of classes of the data, which conditional networks need.
        generator_gain: Factor of the generator's first weights.

    Raises:
        UserError: They need labels, and the data have none.
    """
    known = classes_for(condition, classes)
    return Networks(
        generator=Generator(latent_dim, generator_widths, sample_shape, negative_slope, known, generator_gain),
        discriminator=Discriminator(
            sample_shape, discriminator_widths, negative_slope, dropout, spectral_norm, condition, known
        ),
        latent_dim=latent_dim,
        per_sample=True,
        constant_rows=True,
        classes=known,
        auxiliary_weight=auxiliary_weight,
    )
