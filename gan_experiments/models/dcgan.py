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

from gan_experiments.configuration.fields import at_least, below, each, setting
from gan_experiments.errors import UserError
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
    """

    pads_exactly: ClassVar[bool] = True
    """True: a channel without weights is zero behind every layer, its batch norm's included, and gets no gradient."""

    def __init__(self, latent_dim: int, widths: Sequence[int], sample_shape: Sequence[int]) -> None:
        super().__init__()
        channels, height, width = sample_shape
        height, width = height // 2 ** len(widths), width // 2 ** len(widths)
        # Batch normalisation has a bias of its own.
        stages: list[nn.Module] = [
            nn.Linear(latent_dim, widths[0] * height * width, bias=False),
            nn.Unflatten(1, (-1, height, width)),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        for a, b in pairwise(widths):
            stages += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
        self.stages = nn.Sequential(*stages, nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1), nn.Tanh())
        _initialise(self)

    def forward(self, z: Tensor) -> Tensor:
        """``[B, latent_dim]`` -> images ``[B, C, H, W]`` in (-1, 1)."""
        return self.stages(z)


class ConvolutionalDiscriminator(nn.Module):
    """x -> (convolution, batch norm, LeakyReLU, Dropout), … -> Linear -> one logit.

    Every convolution halves height and width (4 x 4, stride 2); the first has no batch norm.

    Args:
        sample_shape: Shape of one sample, ``[C, H, W]``.
        widths: Channels after each convolution.
        negative_slope: LeakyReLU's slope.
        dropout: Probability that a hidden unit is dropped in training.
        spectral_norm: Spectral normalisation of every layer in place of batch norm, as Miyato et al., 2018.
    """

    pads_exactly: ClassVar[bool] = True

    def __init__(
        self,
        sample_shape: Sequence[int],
        widths: Sequence[int],
        negative_slope: float,
        dropout: float,
        spectral_norm: bool,
    ) -> None:
        super().__init__()
        channels, height, width = sample_shape
        stages: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise((channels, *widths))):
            batch_norm = i > 0 and not spectral_norm
            stages.append(nn.Conv2d(a, b, 4, 2, 1, bias=not batch_norm))
            stages += [nn.BatchNorm2d(b)] if batch_norm else []
            stages += [nn.LeakyReLU(negative_slope), Dropout(dropout)]
        left = (height // 2 ** len(widths)) * (width // 2 ** len(widths))
        self.stages = nn.Sequential(*stages, nn.Flatten(), nn.Linear(widths[-1] * left, 1), nn.Flatten(0))
        _initialise(self)
        for layer in self.stages if spectral_norm else ():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                normalise_spectrum(layer)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` -> logits ``[B]``."""
        return self.stages(x)


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

    Raises:
        UserError: The samples are no images, or of a size that the stages do not divide.
    """
    DCGANConfig.check_samples(
        sample_shape, generator_widths=generator_widths, discriminator_widths=discriminator_widths
    )
    return Networks(
        ConvolutionalGenerator(latent_dim, generator_widths, sample_shape),
        ConvolutionalDiscriminator(sample_shape, discriminator_widths, negative_slope, dropout, spectral_norm),
        latent_dim,
    )
