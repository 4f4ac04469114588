"""The real files, where this machine has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gan_experiments.data.idx import RELEASES, load


@pytest.mark.skipif(
    not Path(os.environ.get("GAN_EXPERIMENTS_MNIST", ""), "MNIST/raw").is_dir(),
    reason="GAN_EXPERIMENTS_MNIST names no folder that holds MNIST/raw",
)
def test_mnist_as_published() -> None:
    dataset = load("mnist", root=os.environ["GAN_EXPERIMENTS_MNIST"], image_size=28, download=False)
    assert dataset.samples.shape == (60_000, 1, 28, 28)
    assert dataset.labels is not None
    assert dataset.labels[:8].tolist() == [5, 0, 4, 1, 9, 2, 1, 3]
    assert dataset.labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert dataset.samples.float().mean().item() / 255 == pytest.approx(0.1307, abs=1e-4)


@pytest.mark.skipif(
    not Path(os.environ.get("GAN_EXPERIMENTS_MNIST", ""), "MNIST/raw").is_dir(),
    reason="GAN_EXPERIMENTS_MNIST names no folder that holds MNIST/raw",
)
def test_mnists_test_set_as_published() -> None:
    test = load("mnist", root=os.environ["GAN_EXPERIMENTS_MNIST"], image_size=28, download=False).test
    assert test is not None
    dataset = test()
    assert dataset.samples.shape == (10_000, 1, 28, 28)
    assert dataset.labels is not None
    assert dataset.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(),
    reason="Debian's package dataset-fashion-mnist is not installed",
)
def test_fashion_mnist_as_debian_has_it(tmp_path: Path) -> None:
    dataset = load("fashion_mnist", root=str(tmp_path), image_size=28, download=False)
    assert dataset.source == str(RELEASES["fashion_mnist"].installed)
    assert dataset.labels is not None
    assert dataset.labels.bincount().tolist() == [6000] * 10
    assert dataset.test is not None
    assert len(dataset.test()) == 10_000
    assert dataset.class_names is not None
    assert dataset.class_names[9] == "Ankle boot"
