"""The article's recipe, which every contender follows, and its networks in plain torch layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data import digits, idx
from gan_experiments.data.dataset import Dataset
from gan_experiments.models.mlp import MLPConfig

IMAGE_SIZE = 28


@dataclass(frozen=True)
class Recipe:
    """The article's values, from the schema's defaults, on some data and a device.

    Attributes:
        dataset: The data set to learn.
        device: The device of data and networks.
        model: The networks' sizes.
        train: Batch size, learning rate, betas.
    """

    dataset: Dataset
    device: torch.device
    model: MLPConfig
    train: TrainConfig

    @classmethod
    def on(cls, data: str, root: str, device: torch.device) -> Recipe:
        """Return the recipe on the digits of scikit-learn, or on MNIST.

        Raises:
            UserError: The data is not available.
        """
        load = digits.load if data == "digits" else idx.load
        dataset = load(name=data, root=root, image_size=IMAGE_SIZE, download=True)
        return cls(dataset, device, MLPConfig(), TrainConfig())

    def smaller(self) -> dict[str, Recipe]:
        """Return recipes of smaller networks by name: with the article's settings, and with a default run's."""
        small = replace(self.model, generator_widths=[64, 128, 256], discriminator_widths=[256, 128, 64])
        medium = replace(
            self.model, latent_dim=20, generator_widths=[128, 256, 512], discriminator_widths=[512, 256, 128]
        )
        minute = replace(
            self.train,
            batch_size=16,
            lr=5e-4,
            betas=[0.5, 0.999],
            ema=0.999,
            instance_noise=0.2,
            instance_noise_epochs=70,
        )
        return {
            "mlp_small": replace(self, model=small),
            "mlp_small, train=minute": replace(self, model=small, train=minute),
            "the default run (mlp_medium, train=minute)": replace(self, model=medium, train=minute),
        }

    @property
    def generator_sizes(self) -> list[int]:
        """Widths of G from z to the sample."""
        return [self.model.latent_dim, *self.model.generator_widths, prod(self.dataset.sample_shape)]

    @property
    def discriminator_sizes(self) -> list[int]:
        """Widths of D from the sample to the logit."""
        return [prod(self.dataset.sample_shape), *self.model.discriminator_widths, 1]

    def networks(self, sigmoid: bool) -> tuple[nn.Module, nn.Module]:
        """Build G and D from torch's layers, on the device; D ends in a sigmoid, as in the article, or in logits."""
        slope = self.model.negative_slope
        generator: list[nn.Module] = []
        for a, b in pairwise(self.generator_sizes):
            generator += [nn.Linear(a, b), nn.LeakyReLU(slope)]
        generator[-1:] = [nn.Tanh(), nn.Unflatten(1, self.dataset.sample_shape)]
        discriminator: list[nn.Module] = [nn.Flatten()]
        for a, b in pairwise(self.discriminator_sizes):
            discriminator += [nn.Linear(a, b), nn.LeakyReLU(slope), nn.Dropout(self.model.dropout)]
        discriminator[-2:] = [nn.Sigmoid()] if sigmoid else []
        return nn.Sequential(*generator).to(self.device), nn.Sequential(*discriminator).to(self.device)

    def loader(self) -> DataLoader[Any]:
        """Return the article's shuffled batches: each image is opened and transformed when its turn comes."""
        from torchvision import transforms

        transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
        return DataLoader(Pictures(self.dataset, transform), batch_size=self.train.batch_size, shuffle=True)


class Pictures(torch.utils.data.Dataset[Any]):
    """Images one by one, as in ``torchvision.datasets.MNIST``: from a uint8 tensor, through PIL.

    Args:
        dataset: Grey images.
        transform: From a PIL image to a tensor.
    """

    def __init__(self, dataset: Dataset, transform: Any) -> None:
        assert dataset.labels is not None
        self._images, self._labels, self._transform = dataset.samples[:, 0], dataset.labels, transform

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return an image and its label."""
        image = Image.fromarray(self._images[index].numpy(), mode="L")
        return self._transform(image), int(self._labels[index])
