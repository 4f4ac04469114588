"""Stacked MNIST: three digits in the colours of one image, so that there are a thousand modes to find.

L. Metz et al., "Unrolled generative adversarial networks" (2017); the protocol is that of Z. Lin et al., "PacGAN: The
power of two samples in generative adversarial networks" (2018), after A. Srivastava et al., "VEEGAN" (2017): 128,000
training images, and 26,000 samples of the generator, of which a classifier tells the digit in each channel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from gan_experiments.configuration.fields import at_least, seeds, setting
from gan_experiments.data import idx
from gan_experiments.data.dataset import Dataset, ImageDataConfig
from gan_experiments.data.memory import check_fits

_TEST_SAMPLES = 26_000


@dataclass
class StackedDataConfig(ImageDataConfig):
    """Three of MNIST's digits as the channels of one image."""

    _target_: str = setting("gan_experiments.data.stacked.load", "function that draws the data")
    samples: int = setting(128_000, "images drawn once, from data_seed", at_least(1))
    data_seed: int = setting(0, "seed of the triples; apart from the run's, so that runs can share data", seeds())


def load(name: str, root: str, image_size: int, download: bool, samples: int, data_seed: int) -> Dataset:
    """Draw triples of MNIST's digits, each equally likely, and lay them over one another as red, green and blue.

    Args:
        name: The data set's name.
        root: The folder above ``MNIST``; a download makes it.
        image_size: Height and width in pixels.
        download: Whether MNIST's files may be fetched where they are missing.
        samples: Number of training images.
        data_seed: Seed of the triples, of the training and of the test set.

    Returns:
        Images uint8 ``[samples, 3, image_size, image_size]`` with labels 0..999, the three digits read as one number.
        Its ``test`` draws 26,000 images from MNIST's test set.

    Raises:
        UserError: MNIST can't be had, as ``idx.load`` says.
    """
    check_fits(name, samples, (3, image_size, image_size))
    digits = idx.load("mnist", root, image_size, download)

    def test() -> Dataset:
        assert digits.test is not None
        return _stack(name, digits.test(), _TEST_SAMPLES, data_seed)

    return replace(_stack(name, digits, samples, data_seed), test=test)


def _stack(name: str, digits: Dataset, samples: int, data_seed: int) -> Dataset:
    assert digits.labels is not None
    drawn = torch.randint(len(digits), (samples, 3), generator=torch.Generator().manual_seed(data_seed))
    labels = (digits.labels[drawn] * torch.tensor([100, 10, 1])).sum(1)
    return Dataset(
        name,
        digits.samples.squeeze(1)[drawn],
        labels,
        source=f"{digits.source}, in triples",
        class_names=tuple(f"{triple:03d}" for triple in range(1000)),
    )
