from __future__ import annotations

import pytest
import torch

from gan_experiments.training.statistics import EpochStatistics, Window


def test_the_metrics_of_an_epoch_have_known_values() -> None:
    """Losses, D(x), D(G(z)) and D's accuracy: right are real samples above one half, and generated ones below."""
    statistics = EpochStatistics()
    even, three_quarters = 0.0, torch.log(torch.tensor(3.0)).item()  # logits of one half and of three quarters
    real = [three_quarters, three_quarters, three_quarters, -three_quarters]
    fake = [-three_quarters, three_quarters, three_quarters, even]
    statistics.add(Window(1, torch.tensor([[0.5, 2.0]]), torch.tensor([[real, fake]])), seconds=0.5)
    statistics.add(Window(2, torch.tensor([[1.5, 4.0]]), torch.tensor([[real, real]])), seconds=0.5)
    metrics = statistics.metrics()
    assert metrics == {
        "loss/discriminator": 1.0,
        "loss/generator": 3.0,
        "prob/real": pytest.approx((3 * 0.75 + 0.25) / 4),
        "prob/fake": pytest.approx(((0.25 + 2 * 0.75 + 0.5) + (3 * 0.75 + 0.25)) / 8),
        "accuracy/discriminator": pytest.approx(((3 / 4 + 1 / 4) / 2 + (3 / 4 + 1 / 4) / 2) / 2),
        "speed/steps_per_second": pytest.approx(2.0),
    }


@pytest.mark.parametrize(
    ("real", "fake", "accuracy"), [(3.0, -3.0, 1.0), (-3.0, 3.0, 0.0), (3.0, 3.0, 0.5), (-3.0, -3.0, 0.5)]
)
def test_d_is_right_about_real_samples_above_one_half_and_generated_ones_below(
    real: float, fake: float, accuracy: float
) -> None:
    statistics = EpochStatistics()
    statistics.add(Window(1, torch.ones(1, 2), torch.tensor([[[real] * 5, [fake] * 5]])), seconds=1.0)
    assert statistics.metrics()["accuracy/discriminator"] == accuracy
