"""Copies of training images are found out."""

from __future__ import annotations

import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from gan_experiments.evaluation.metrics.memorisation import nearest, score


def images(seed: int, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 1, 5, 5), generator=generator, dtype=torch.uint8)


def test_agrees_with_scikit_learn() -> None:
    training, samples = images(1, 500), images(2, 250)
    flat = (training.flatten(1).double() / 255).numpy()
    distances, found = (
        NearestNeighbors(n_neighbors=2).fit(flat).kneighbors((samples.flatten(1) / 255).double().numpy())
    )
    for rank in (1, 2):
        ours, indices = nearest(samples, training, rank)
        assert ours.numpy() == pytest.approx(distances[:, rank - 1], rel=1e-4)
        assert indices.tolist() == found[:, rank - 1].tolist()


def test_copies_and_inventions() -> None:
    training, unseen = images(1, 500), images(2, 200)
    real, _ = nearest(unseen, training)
    copies, _ = nearest(training[:100], training)
    assert score(copies, real)["memorised"].value == 1
    assert score(copies, real)["nearest_distance"].value == pytest.approx(0, abs=0.01)
    assert score(nearest(images(3, 200), training)[0], real)["memorised"].value < 0.05
