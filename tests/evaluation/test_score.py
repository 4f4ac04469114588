"""Standard errors are what repeating the measurement would show."""

from __future__ import annotations

import math

import pytest
import torch

from gan_experiments.evaluation.score import jackknife, mean_score


def test_of_a_mean() -> None:
    score = mean_score(torch.tensor([1.0, 2.0, 3.0, 6.0]))
    assert score.value == 3
    assert score.error == pytest.approx(math.sqrt(14 / 3) / 2)


def test_the_jackknife_gives_the_spread_over_repetitions() -> None:
    draws = torch.randn(200, 1000, generator=torch.Generator().manual_seed(0)).exp()
    scores = [jackknife(lambda rows: rows.var().log().item(), draw) for draw in draws]
    spread = torch.tensor([score.value for score in scores]).std().item()
    typical = torch.tensor([score.error or 0 for score in scores]).median().item()
    assert typical == pytest.approx(spread, rel=0.4)


def test_the_jackknife_does_not_mind_an_order_of_rows() -> None:
    rows = torch.arange(1000).remainder(10).double()  # period ten, as many as there are groups
    error = jackknife(lambda part: part.mean().item(), rows).error
    assert error == pytest.approx(rows.std().item() / math.sqrt(1000), rel=0.6)
