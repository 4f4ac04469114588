"""The Parzen-window log-likelihood, beside scikit-learn's kernel density."""

from __future__ import annotations

import pytest
import torch
from sklearn.neighbors import KernelDensity

from gan_experiments.evaluation.metrics.parzen import SIGMAS, log_likelihood, score


def unit(seed: int, count: int) -> torch.Tensor:
    return torch.rand(count, 20, generator=torch.Generator().manual_seed(seed))


def test_agrees_with_scikit_learn() -> None:
    samples, held_out, test = unit(1, 300), unit(2, 150), unit(3, 700)
    widths = [
        KernelDensity(bandwidth=sigma).fit(samples.numpy()).score_samples(held_out.numpy()).mean()
        for sigma in SIGMAS.tolist()
    ]
    best = SIGMAS.tolist()[widths.index(max(widths))]
    theirs = KernelDensity(bandwidth=best).fit(samples.numpy()).score_samples(test.numpy())
    measured = score(samples, held_out, test)
    assert measured["parzen_sigma"].value == pytest.approx(best)
    assert measured["parzen_log_likelihood"].value == pytest.approx(theirs.mean(), rel=1e-6)
    assert measured["parzen_log_likelihood"].error == pytest.approx(theirs.std(ddof=1) / 700**0.5, rel=1e-6)


def test_of_one_sample_it_is_the_normal_density() -> None:
    ours = log_likelihood(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]), torch.tensor([2.0]).double())
    expected = torch.distributions.Normal(0, 2).log_prob(torch.tensor([3.0, 4.0])).sum()
    assert ours.item() == pytest.approx(expected.item())
