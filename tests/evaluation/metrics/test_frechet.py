"""The Fréchet distance, beside its closed form and torchmetrics."""

from __future__ import annotations

import pytest
import torch
from torchmetrics.image.fid import _compute_fid

from gan_experiments.evaluation.metrics.frechet import Moments, frechet_distance, score


def normal(seed: int, count: int = 400, width: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(width, width, generator=generator)
    return torch.randn(count, width, generator=generator) @ mix + seed


def test_of_independent_normal_variables() -> None:
    a = Moments(torch.tensor([0.0, 1.0]).double(), torch.diag(torch.tensor([4.0, 9.0]).double()))
    b = Moments(torch.tensor([3.0, 1.0]).double(), torch.diag(torch.tensor([1.0, 25.0]).double()))
    assert frechet_distance(a, b) == pytest.approx(9 + (2 - 1) ** 2 + (3 - 5) ** 2)


def test_agrees_with_torchmetrics() -> None:
    a, b = Moments.of(normal(1)), Moments.of(normal(2))
    theirs = _compute_fid(a.mean, a.covariance, b.mean, b.covariance).item()
    assert frechet_distance(a, b) == pytest.approx(theirs, rel=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_of_the_same_features_is_nothing() -> None:
    assert frechet_distance(Moments.of(normal(1)), Moments.of(normal(1))) == pytest.approx(0, abs=1e-9)


def test_features_that_never_vary_do_no_harm() -> None:
    one = normal(1)[:1].repeat(200, 1)
    reference = Moments.of(normal(2))
    measured = score(one, reference)
    expected = (one[0].double() - reference.mean).square().sum() + reference.covariance.trace()
    assert measured.value == pytest.approx(expected.item())
    assert measured.error == pytest.approx(0, abs=1e-6)


def test_the_error_is_the_spread_over_samples() -> None:
    reference = Moments.of(normal(1, 20_000))
    scores = [score(normal(1, 20_000)[i * 1000 : (i + 1) * 1000] + 0.5, reference) for i in range(20)]
    spread = torch.tensor([each.value for each in scores]).std().item()
    assert torch.tensor([each.error or 0 for each in scores]).median().item() == pytest.approx(spread, rel=0.5)
