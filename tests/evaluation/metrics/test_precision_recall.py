"""Precision, recall, density and coverage, beside scikit-learn's neighbours."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from gan_experiments.evaluation.metrics.precision_recall import score


def cloud(seed: int, count: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed)) + shift


@pytest.mark.parametrize("shift", [0.0, 1.0, 8.0])
def test_agrees_with_scikit_learn(shift: float) -> None:
    real, fake, k = cloud(1, 1300), cloud(2, 1100, shift), 5
    r, f = real.double().numpy(), fake.double().numpy()
    real_radii = NearestNeighbors(n_neighbors=k).fit(r).kneighbors()[0][:, -1]
    fake_radii = NearestNeighbors(n_neighbors=k).fit(f).kneighbors()[0][:, -1]
    distances = ((r[:, None] - f[None]) ** 2).sum(2) ** 0.5
    inside = distances < real_radii[:, None]
    measured = score(fake, real, k)
    assert measured["precision"].value == pytest.approx(inside.any(0).mean())
    assert measured["recall"].value == pytest.approx((distances < fake_radii[None]).any(1).mean())
    assert measured["density"].value == pytest.approx(inside.sum(0).mean() / k)
    assert measured["coverage"].value == pytest.approx(inside.any(1).mean())
    share = measured["precision"].value
    assert measured["precision"].error == pytest.approx(math.sqrt(share * (1 - share) / 1099))


def test_one_image_repeated_is_precise_and_covers_nothing() -> None:
    real = cloud(1, 500)
    measured = score(real[:1].repeat(500, 1), real)
    assert measured["precision"].value == 1
    assert measured["recall"].value == 0
    assert measured["coverage"].value < 0.05
