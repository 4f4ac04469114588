"""Data that scores are tried on."""

from __future__ import annotations

import pytest
import torch

from gan_experiments.data import digits
from gan_experiments.data.dataset import Dataset


@pytest.fixture(scope="session")
def bundled() -> Dataset:
    return digits.load("digits", root="", image_size=28, download=False)


@pytest.fixture
def generator() -> torch.nn.Module:
    """A generator of 28 x 28 images that has learnt nothing."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        layers = [torch.nn.Linear(8, 784), torch.nn.Dropout(0.5), torch.nn.Tanh(), torch.nn.Unflatten(1, (1, 28, 28))]
        return torch.nn.Sequential(*layers).train()
