"""Mixtures of equally likely 2-D Gaussians: the standard test of how many modes a generator finds.

The defaults in ``conf/data`` are the protocol of Lin, Khetan, Fanti and Oh, "PacGAN: The power of two samples in
generative adversarial networks" (NeurIPS 2018), after Srivastava et al., "VEEGAN" (NeurIPS 2017): eight modes
on a circle of radius 1 with standard deviation 0.01, or 25 modes at {-4, -2, 0, 2, 4}^2 with 0.05; 100,000 points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt, pi
from typing import Any

import torch
from omegaconf import MISSING
from torch import Tensor

from gan_experiments.configuration.fields import above, at_least, at_most, seeds, setting
from gan_experiments.data.dataset import Dataset, Mixture
from gan_experiments.errors import UserError


@dataclass
class MixtureDataConfig:
    """A mixture of equally likely 2-D Gaussians: one float tensor ``[N, 2]``."""

    _target_: str = setting(MISSING, "function that draws the data")
    name: str = setting(MISSING, "the data set's name, as it appears in run names and in MLflow")
    modes: int = setting(MISSING, "number of Gaussians; for grid a square number", at_least(1))
    extent: float = setting(MISSING, "ring: its radius; grid: half the side of the square of means", above(0))
    std: float = setting(MISSING, "standard deviation of each Gaussian, in the units of extent", above(0))
    samples: int = setting(100_000, "points drawn once, from data_seed", at_least(1))
    data_seed: int = setting(0, "seed of the points; apart from the run's, so that runs can share data", seeds())
    fraction: float = setting(
        1.0, "share of the points that is learnt, the same one under every seed", above(0) & at_most(1)
    )

    @staticmethod
    def sample_shape(keys: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the shape of one point."""
        return (2,)


def ring_means(modes: int, extent: float) -> Tensor:
    """Return means at equal distances on a circle, the first at (extent, 0): float32 ``[modes, 2]``."""
    angle = torch.arange(modes, dtype=torch.float64) * (2 * pi / modes)
    return (torch.stack((angle.cos(), angle.sin()), 1) * extent).float()


def grid_means(modes: int, extent: float) -> Tensor:
    """Return means on a square grid that spans [-extent, extent] in both coordinates: float32 ``[modes, 2]``.

    Raises:
        UserError: ``modes`` is not a square number.
    """
    side = isqrt(modes)
    if side**2 != modes:
        raise UserError(f"data.modes={modes}: must be a square number, such as {side**2} or {(side + 1) ** 2}")
    middle = (side - 1) / 2
    line = (torch.arange(side, dtype=torch.float64) - middle) * (extent / (middle or 1))
    return torch.cartesian_prod(line, line).float()


def ring(name: str, modes: int, extent: float, std: float, samples: int, data_seed: int) -> Dataset:
    """Draw points from Gaussians on a circle.

    Args:
        name: The data set's name.
        modes: Number of Gaussians.
        extent: The circle's radius.
        std: Standard deviation of each Gaussian, in the units of ``extent``.
        samples: Number of points.
        data_seed: Seed of the points.

    Returns:
        Points float32 ``[samples, 2]``; the labels are the rows of ``ring_means`` that they belong to.
    """
    return _draw(name, ring_means(modes, extent), extent, std, samples, data_seed)


def grid(name: str, modes: int, extent: float, std: float, samples: int, data_seed: int) -> Dataset:
    """Draw points from Gaussians on a square grid; as ``ring``, with ``extent`` half the side of the square.

    Raises:
        UserError: ``modes`` is not a square number.
    """
    return _draw(name, grid_means(modes, extent), extent, std, samples, data_seed)


def _draw(name: str, means: Tensor, extent: float, std: float, samples: int, data_seed: int) -> Dataset:
    generator = torch.Generator().manual_seed(data_seed)
    labels = torch.randint(len(means), (samples,), generator=generator)
    points = means[labels] + std * torch.randn(samples, 2, generator=generator)
    source = f"{samples} points from {len(means)} Gaussians, extent {extent}, std {std}, seed {data_seed}"
    # Four standard deviations beyond the outermost mean leave 3 coordinates in 100,000 out of Tanh's reach.
    return Dataset(name, points, labels, source, scale=extent + 4 * std, mixture=Mixture(means, std))
