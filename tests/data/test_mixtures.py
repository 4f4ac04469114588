from __future__ import annotations

import pytest
import torch

from gan_experiments.data.mixtures import grid, grid_means, ring, ring_means
from gan_experiments.errors import UserError


def test_means_of_the_ring_are_evenly_spaced_on_its_circle() -> None:
    means = ring_means(8, 2.0)
    assert means.shape == (8, 2)
    assert means.dtype == torch.float32
    torch.testing.assert_close(means.norm(dim=1), torch.full((8,), 2.0))
    torch.testing.assert_close(means[:3], torch.tensor([[2, 0], [2**0.5, 2**0.5], [0, 2]]).float(), atol=1e-6, rtol=0)


def test_means_of_the_grid_are_those_of_the_protocol() -> None:
    line = [-4.0, -2.0, 0.0, 2.0, 4.0]
    assert grid_means(25, 4.0).tolist() == [[x, y] for x in line for y in line]


@pytest.mark.parametrize(("modes", "line"), [(1, [0.0]), (4, [-3.0, 3.0]), (9, [-3.0, 0.0, 3.0])])
def test_a_grid_spans_its_extent(modes: int, line: list[float]) -> None:
    assert grid_means(modes, 3.0).tolist() == [[x, y] for x in line for y in line]


def test_a_grid_that_is_no_square_is_refused() -> None:
    with pytest.raises(UserError, match=r"^data\.modes=24: must be a square number, such as 16 or 25$"):
        grid("grid", modes=24, extent=4.0, std=0.05, samples=10, data_seed=0)


@pytest.mark.parametrize(
    ("dataset", "means", "std"),
    [
        (ring("ring", 8, 1.0, 0.01, 20_000, 0), ring_means(8, 1.0), 0.01),
        (grid("grid", 25, 4.0, 0.05, 50_000, 0), grid_means(25, 4.0), 0.05),
    ],
    ids=["ring", "grid"],
)
def test_points_lie_around_the_mean_that_their_label_names(dataset, means: torch.Tensor, std: float) -> None:
    assert dataset.samples.dtype == torch.float32
    assert torch.equal(torch.cdist(dataset.samples, means).argmin(1), dataset.labels)
    away = (dataset.samples - means[dataset.labels]) / std
    for mode in range(len(means)):
        mine = away[dataset.labels == mode]
        assert len(mine) == pytest.approx(len(dataset) / len(means), rel=0.12)
        assert mine.mean(0).abs().max() < 0.12
        assert mine.std(0).tolist() == pytest.approx([1, 1], abs=0.08)
        assert mine.T.corrcoef()[0, 1].abs() < 0.12


@pytest.mark.parametrize("dataset", [ring("r", 8, 1.0, 0.01, 50_000, 0), grid("g", 25, 4.0, 0.05, 50_000, 0)])
def test_tanh_reaches_the_points(dataset) -> None:
    learnt = dataset.normalise(dataset.samples)
    assert (learnt.abs() < 1).float().mean() > 0.999
    assert learnt.abs().max() > 0.9


def test_points_are_a_function_of_their_seed() -> None:
    one, same, other = (ring("ring", 8, 1.0, 0.01, 100, seed) for seed in (0, 0, 1))
    assert torch.equal(one.samples, same.samples)
    assert not torch.equal(one.samples, other.samples)
