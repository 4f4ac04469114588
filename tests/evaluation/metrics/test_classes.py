"""Shares of classes and the classifier score, beside their closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import entropy

from gan_experiments.evaluation.metrics.classes import score


def sure(labels: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(labels, 10).double()


EQUAL = sure(torch.arange(1000).remainder(10))


def test_equal_shares_of_sure_classes() -> None:
    measured = score(EQUAL, EQUAL)
    assert measured["modes"].value == 10
    assert measured["class_kl"].value == pytest.approx(0, abs=1e-12)
    assert measured["classifier_score"].value == pytest.approx(10)


def test_half_of_the_classes() -> None:
    measured = score(sure(torch.arange(1000).remainder(5)), EQUAL)
    assert measured["modes"].value == 5
    assert measured["class_kl"].value == pytest.approx(math.log(2))
    assert measured["classifier_score"].value == pytest.approx(5)


def test_a_class_with_too_small_a_share_is_not_covered() -> None:
    labels = torch.zeros(1000, dtype=torch.long)
    labels[:10], labels[10:19] = 1, 2
    assert score(sure(labels), EQUAL)["modes"].value == 2  # 0.9% is less than a tenth of a tenth


def test_agrees_with_scipy() -> None:
    logits = torch.randn(300, 10, generator=torch.Generator().manual_seed(0)).double()
    probabilities = (3 * logits).softmax(1)
    measured = score(probabilities, EQUAL)
    p = probabilities.numpy()
    assert measured["classifier_score"].value == pytest.approx(math.exp(entropy(p, p.mean(0)[None], axis=1).mean()))
    shares = p.argmax(1)
    assert measured["class_kl"].value == pytest.approx(entropy([(shares == k).mean() for k in range(10)], [0.1] * 10))


def test_samples_of_no_class_score_one() -> None:
    assert score(torch.full((100, 10), 0.1).double(), EQUAL)["classifier_score"].value == pytest.approx(1)


def test_without_a_reference_one_sample_covers_a_class() -> None:
    labels = torch.zeros(1000, dtype=torch.long)
    labels[:10], labels[10:19], labels[19] = 1, 2, 3
    measured = score(sure(labels), None)
    assert measured["modes"].value == 4
    shares = [0.98, 0.01, 0.009, 0.001, *([0] * 6)]
    assert measured["class_kl"].value == pytest.approx(entropy(shares, [0.1] * 10))
