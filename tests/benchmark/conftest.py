"""The article's recipe in small: the same contenders on fewer and narrower layers."""

import pytest
import torch

from gan_experiments.benchmark.recipe import Recipe
from gan_experiments.configuration.schema import TrainConfig
from gan_experiments.data.dataset import Dataset
from gan_experiments.models.mlp import MLPConfig


@pytest.fixture
def recipe():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (20, 1, 6, 6), generator=generator, dtype=torch.uint8)
    dataset = Dataset("tiny", images, labels=torch.arange(20) % 10)
    model = MLPConfig(latent_dim=5, generator_widths=[16, 24], discriminator_widths=[24, 16])
    return Recipe(dataset, torch.device("cpu"), model, TrainConfig(batch_size=8))
