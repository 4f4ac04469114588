"""Keys of the exchangeable parts of an experiment: data, model, objective and penalty.

A user's own part has the arguments of its target for keys, and needs no class here.
"""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import MISSING

from gan_experiments.configuration.fields import above, at_least, below, each, one_of, seeds, setting


@dataclass
class ImageDataConfig:
    """Images: one uint8 tensor ``[N, C, H, W]``."""

    _target_: str = setting(MISSING, "function that loads the data")
    name: str = setting(MISSING, "the data set's name, as it appears in run names and in MLflow")
    root: str = setting("data", "folder of the files, or where a download puts them (digits need none)")
    image_size: int = setting(28, "height and width in pixels; other images are resized (antialiased)", at_least(1))
    download: bool = setting(True, "whether missing files may be fetched from the network")


@dataclass
class IdxDataConfig(ImageDataConfig):
    """MNIST and the sets in its format."""

    _target_: str = setting("gan_experiments.data.idx.load", "function that loads the data")
    validation: int = setting(
        0,
        "training images, the last ones, that are not learnt; Parzen's width is chosen on them",
        at_least(0) & below(60_000),
    )


@dataclass
class StackedDataConfig(ImageDataConfig):
    """Three of MNIST's digits as the channels of one image."""

    _target_: str = setting("gan_experiments.data.stacked.load", "function that draws the data")
    samples: int = setting(128_000, "images drawn once, from data_seed", at_least(1))
    data_seed: int = setting(0, "seed of the triples; apart from the run's, so that runs can share data", seeds())


@dataclass
class ImageFolderDataConfig:
    """Any folder of pictures, searched recursively."""

    _target_: str = setting("gan_experiments.data.image_folder.load", "function that loads the data")
    name: str = setting("image_folder", "the data set's name, as it appears in run names and in MLflow")
    root: str = setting(MISSING, "the folder of pictures; a cache is kept beside them, keyed by their content")
    image_size: int = setting(28, "pixels; the shorter side is resized to it and the centre cropped", at_least(1))
    channels: int = setting(3, "1 for grey, 3 for colour", one_of(1, 3))
    download: bool = setting(False, "without effect: a folder is never downloaded")


@dataclass
class MixtureDataConfig:
    """A mixture of equally likely 2-D Gaussians: one float tensor ``[N, 2]``."""

    _target_: str = setting(MISSING, "function that draws the data")
    name: str = setting(MISSING, "the data set's name, as it appears in run names and in MLflow")
    modes: int = setting(MISSING, "number of Gaussians; for grid a square number", at_least(1))
    extent: float = setting(MISSING, "ring: its radius; grid: half the side of the square of means", above(0))
    std: float = setting(MISSING, "standard deviation of each Gaussian, in the units of extent", above(0))
    samples: int = setting(100_000, "points drawn once, from data_seed", at_least(1))
    data_seed: int = setting(0, "seed of the points; apart from the run's, so that runs can share data", seeds())


@dataclass
class MLPConfig:
    """Multi-layer perceptrons for both players; LeakyReLU between layers."""

    _target_: str = setting("gan_experiments.models.mlp.build", "function that builds the networks")
    name: str = setting("mlp", "the architecture's name")
    latent_dim: int = setting(100, "dimension of z ~ N(0, I)", at_least(1))
    generator_widths: list[int] = setting(
        [256, 512, 1024], "hidden widths from z to the sample; Tanh closes", each(at_least(1))
    )
    discriminator_widths: list[int] = setting(
        [1024, 512, 256], "hidden widths from the sample to the one logit", each(at_least(1))
    )
    negative_slope: float = setting(0.2, "LeakyReLU's slope for negative inputs")
    dropout: float = setting(
        0.3, "probability that a hidden unit of D is dropped in training", at_least(0) & below(1)
    )
    spectral_norm: bool = setting(False, "whether D's weights are divided by their largest singular value")


@dataclass
class DCGANConfig:
    """Strided convolutions for both players, on images."""

    _target_: str = setting("gan_experiments.models.dcgan.build", "function that builds the networks")
    name: str = setting("dcgan", "the architecture's name")
    latent_dim: int = setting(100, "dimension of z ~ N(0, I)", at_least(1))
    generator_widths: list[int] = setting(
        [128, 64], "channels before each of G's convolutions, which double the image", each(at_least(1))
    )
    discriminator_widths: list[int] = setting(
        [64, 128], "channels after each of D's convolutions, which halve the image", each(at_least(1))
    )
    negative_slope: float = setting(0.2, "LeakyReLU's slope for negative inputs, in D")
    dropout: float = setting(
        0.0, "probability that a hidden unit of D is dropped in training", at_least(0) & below(1)
    )
    spectral_norm: bool = setting(False, "spectral normalisation of D in place of its batch norm")


@dataclass
class ObjectiveConfig:
    """What the two players minimise."""

    _target_: str = setting(MISSING, "class of the objective")
    name: str = setting(MISSING, "the objective's name")


@dataclass
class ValueFunctionConfig(ObjectiveConfig):
    """The 2014 paper's value function."""

    label_smoothing: float = setting(
        0.0, "one-sided: D's target for real samples is 1 minus this", at_least(0) & below(1)
    )


@dataclass
class LeastSquaresConfig(ObjectiveConfig):
    """Squared distances from targets."""

    real_target: float = setting(1.0, "what D should say of real samples; b in the paper")
    fake_target: float = setting(0.0, "what D should say of generated samples; a in the paper")
    generator_target: float = setting(1.0, "what G wants D to say of generated samples; c in the paper")


@dataclass
class WassersteinConfig(ObjectiveConfig):
    """The dual form of the Wasserstein distance, with clipped weights."""

    clip: float | None = setting(
        0.01, "D's weights are kept within plus and minus this; null for no clipping", above(0)
    )


@dataclass
class WassersteinGPConfig(ObjectiveConfig):
    """The dual form of the Wasserstein distance, with a gradient penalty of its own."""

    gradient_penalty: float = setting(10.0, "weight of the gradient penalty; lambda in the paper", at_least(0))


@dataclass
class RelativisticConfig(ObjectiveConfig):
    """Real samples judged against generated ones."""

    pairing: str = setting(
        "pairs", "whether a sample is held against one of the other kind or their mean", one_of("pairs", "mean")
    )


@dataclass
class PenaltyConfig:
    """A term on the derivative of D, on top of the objective's loss of D."""

    _target_: str = setting(MISSING, "class of the penalty")
    name: str = setting(MISSING, "the penalty's name")
    weight: float = setting(MISSING, "what the penalty is multiplied with", at_least(0))


@dataclass
class NoPenaltyConfig:
    """The objective's loss of D alone."""

    _target_: str = setting("gan_experiments.penalties.none", "function that returns None")
    name: str = setting("none", "the penalty's name")
