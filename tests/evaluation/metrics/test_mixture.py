"""Points of a mixture, beside what is known of it."""

from __future__ import annotations

import math

import pytest
import torch

from gan_experiments.data import mixtures
from gan_experiments.data.dataset import Mixture
from gan_experiments.evaluation.metrics.mixture import score

RING = Mixture(mixtures.ring_means(8, 1.0), 0.01)


@pytest.mark.parametrize("kind", ["ring", "grid"])
def test_the_mixture_itself(kind: str) -> None:
    load, modes = (mixtures.ring, 8) if kind == "ring" else (mixtures.grid, 25)
    data = load(kind, modes=modes, extent=1.0, std=0.01, samples=20_000, data_seed=1)
    assert data.mixture is not None
    measured = score(data.samples, data.mixture)
    assert measured["modes"].value == modes
    assert measured["high_quality"].value == pytest.approx(1 - math.exp(-4.5), abs=0.003)
    assert measured["mode_kl"].value < 3 * (modes - 1) / 40_000


def test_one_mode_alone() -> None:
    measured = score(RING.means[:1].repeat(300, 1), RING)
    assert [measured[name].value for name in ("modes", "high_quality")] == [1, 1]
    assert measured["mode_kl"].value == pytest.approx(math.log(8))


def test_points_between_the_modes() -> None:
    measured = score(torch.zeros(300, 2), RING)
    assert [measured[name].value for name in ("modes", "high_quality")] == [0, 0]
