"""DCGAN: strided convolutions and batch normalisation.

Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", 2016. The paper's 64 x 64 networks are ``generator_widths=[1024, 512, 256, 128]`` and
``discriminator_widths=[128, 256, 512, 1024]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gan_experiments.configuration.fields import at_least, below, each, one_of, setting
from gan_experiments.errors import UserError
from gan_experiments.models.conditioning import (
    classes_for,
    head_output,
    head_width,
    labels_beside,
    unit_vectors,
)
from gan_experiments.models.dropout import Dropout
from gan_experiments.models.networks import Networks
from gan_experiments.models.spectral_norm import normalise_spectrum


@dataclass
class DCGANConfig:
    """Strided convolutions for both players, on images."""

    _target_: str = setting("gan_experiments.models.dcgan.build", "function that builds the networks")
    name: str = setting("dcgan", "the architecture's name", shared="nothing")
    latent_dim: int = setting(100, "dimension of z ~ N(0, I)", at_least(1), shared="nothing")
    generator_widths: list[int] = setting(
        [128, 64],
        "channels before each of G's convolutions, which double the image",
        each(at_least(1)),
        shared="length",
    )
    discriminator_widths: list[int] = setting(
        [64, 128],
        "channels after each of D's convolutions, which halve the image",
        each(at_least(1)),
        shared="length",
    )
    negative_slope: float = setting(0.2, "LeakyReLU's slope for negative inputs, in D", shared="nothing")
    dropout: float = setting(
        0.0, "probability that a hidden unit of D is dropped in training", at_least(0) & below(1), shared="nothing"
    )
    spectral_norm: bool = setting(False, "spectral normalisation of D in place of its batch norm")
    condition: str = setting(
        "none", "way of the data's labels into the networks", one_of("none", "concat", "projection", "auxiliary")
    )
    auxiliary_weight: float = setting(
        1.0, "factor of the classification loss of condition=auxiliary", at_least(0), shared="nothing"
    )

    @staticmethod
    def check_samples(
        sample_shape: Sequence[int],
        *,
        generator_widths: Sequence[int],
        discriminator_widths: Sequence[int],
        **other_keys: Any,
    ) -> None:
        """Make sure that samples can be halved in height and width once for every entry of both lists.

        Raises:
            UserError: They are not images, or their size is not divisible.
        """
        if len(sample_shape) != 3:
            raise UserError(
                f"model=dcgan: needs images, such as data=digits; these samples are points, {sample_shape[0]}-D"
            )
        _, height, width = sample_shape
        for key, widths in (("generator_widths", generator_widths), ("discriminator_widths", discriminator_widths)):
            factor = 2 ** len(widths)
            if height % factor or width % factor:
                raise UserError(
                    f"model.{key}={list(widths)}: each entry halves the image, so its sides must be multiples of "
                    f"{factor}; they are {height} and {width} (data.image_size)"
                )


class ConvolutionalGenerator(nn.Module):
    """z -> Linear, batch norm, ReLU -> (transposed convolution, batch norm, ReLU), … -> Tanh.

    Every transposed convolution doubles height and width (4 x 4, stride 2).

    Args:
        latent_dim: Dimension of z.
        widths: Channels before each transposed convolution.
        sample_shape: Shape of one sample, ``[C, H, W]``.
        classes: Number of classes whose labels it takes beside z; None for no labels.
    """

    pads_exactly: ClassVar[bool] = True
    """True: a channel without weights is zero behind every layer, its batch norm's included, and gets no gradient."""

    def __init__(
        self, latent_dim: int, widths: Sequence[int], sample_shape: Sequence[int], classes: int | None = None
    ) -> None:
        super().__init__()
        channels, height, width = sample_shape
        self.classes = classes
        height, width = height // 2 ** len(widths), width // 2 ** len(widths)
        # Batch normalisation has a bias of its own.
        stages: list[nn.Module] = [
            nn.Linear((classes or 0) + latent_dim, widths[0] * height * width, bias=False),
            nn.Unflatten(1, (-1, height, width)),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        for a, b in pairwise(widths):
            stages += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.stages = nn.Sequential(*stages, nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1), nn.Tanh())
        _initialise(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """``[B, latent_dim]``, and labels ``[B]`` -> images ``[B, C, H, W]`` in (-1, 1)."""
        return self.stages(labels_beside(z, y, self.classes))


class ConvolutionalDiscriminator(nn.Module):
    """x -> (convolution, batch norm, LeakyReLU, Dropout), … -> Linear -> one logit.

    Every convolution halves height and width (4 x 4, stride 2); the first has no batch norm.

    Args:
        sample_shape: Shape of one sample, ``[C, H, W]``.
        widths: Channels after each convolution.
        negative_slope: LeakyReLU's slope.
        dropout: Probability that a hidden unit is dropped in training.
        spectral_norm: Spectral normalisation of every layer in place of batch norm, as Miyato et al., 2018.
        condition: The way that labels take; ``concat`` gives the image a further channel for every class.
        classes: Number of classes; None for no labels.
    """

    pads_exactly: ClassVar[bool] = True

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
        channels, height, width = sample_shape
        self.condition = condition
        self.classes_beside = classes if condition == "concat" else None
        channels += self.classes_beside or 0
        stages: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise((channels, *widths))):
            batch_norm = i > 0 and not spectral_norm
            stages.append(nn.Conv2d(a, b, 4, 2, 1, bias=not batch_norm))
            stages += [nn.BatchNorm2d(b)] if batch_norm else []
            stages += [nn.LeakyReLU(negative_slope), Dropout(dropout)]
        left = (height // 2 ** len(widths)) * (width // 2 ** len(widths))
        head = nn.Linear(widths[-1] * left, head_width(condition, classes))
        self.stages = nn.Sequential(*stages, nn.Flatten(), head)
        _initialise(self)
        for layer in self.stages if spectral_norm else ():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                normalise_spectrum(layer)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """``[B, C, H, W]``, and labels ``[B]`` -> logits ``[B]``; see ``head_output``."""
        if self.classes_beside is not None:
            maps = unit_vectors(y, self.classes_beside, x.dtype)[..., None, None]
            x = torch.cat((x, maps.expand(*maps.shape[:-2], *x.shape[-2:])), -3)
        return head_output(self.condition, self.stages(x), y)


@torch.no_grad()
def _initialise(network: nn.Module) -> None:
    """Draw weights from N(0, 0.02), as in the paper, and set biases to 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            layer.weight.normal_(0, 0.02)
            if layer.bias is not None:
                layer.bias.zero_()


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
) -> Networks:
    """Build both networks, initialised from torch's global generator.

    Args:
        sample_shape: Shape of one sample of the data, ``[C, H, W]``.
        name: The architecture's name; for display.
        latent_dim: Dimension of z.
        generator_widths: Channels before each of the generator's transposed convolutions.
        discriminator_widths: Channels after each of the discriminator's convolutions.
        negative_slope: LeakyReLU's slope, in the discriminator.
        dropout: Dropout after every convolution of the discriminator.
        spectral_norm: Whether the discriminator has spectral normalisation in place of batch norm.
        condition: The way of labels into the networks.
        auxiliary_weight: Factor of the classification loss of ``auxiliary``.
        classes: Number of classes of the data, which conditional networks need.

    Raises:
        UserError: The samples are no images, or of a size that the stages do not divide; or the networks need
            labels, and the data have none.
    """
    DCGANConfig.check_samples(
        sample_shape, generator_widths=generator_widths, discriminator_widths=discriminator_widths
    )
    known = classes_for(condition, classes)
    return Networks(
        ConvolutionalGenerator(latent_dim, generator_widths, sample_shape, known),
        ConvolutionalDiscriminator(
            sample_shape, discriminator_widths, negative_slope, dropout, spectral_norm, condition, known
        ),
        latent_dim,
        classes=known,
        auxiliary_weight=auxiliary_weight,
    )
