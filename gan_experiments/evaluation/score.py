"""A measured value and its standard error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_GROUPS = 10


@dataclass(frozen=True)
class Score:
    """A measured value.

    Attributes:
        value: The value.
        error: Its standard error over the samples that it was measured on, for a fixed reference; None where it is
            unknown.
    """

    value: float
    error: float | None = None


def mean_score(values: Tensor) -> Score:
    """Return the mean of independent values ``[N]`` and its standard error, ``s / sqrt(N)``, in float64."""
    values = values.double()
    error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else None
    return Score(values.mean().item(), error)


def jackknife(statistic: Callable[[Tensor], float], rows: Tensor) -> Score:
    """Return a smooth statistic of independent rows and its standard error by the grouped jackknife.

    With ``t_i`` the statistic without the i-th of g = 10 equal groups, the variance is ``(g - 1) / g sum (t_i -
    mean t)^2`` (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11). Groups are drawn from a
    fixed seed, because rows may be ordered: MNIST's classes recur with period twenty.

    Args:
        statistic: A function of any number of rows.
        rows: ``[N, …]``; below 20 rows the error is None.
    """
    value = statistic(rows)
    if len(rows) < 2 * _GROUPS:
        return Score(value)
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).to(rows.device)
    without = torch.tensor(
        [statistic(rows[order % _GROUPS != group]) for group in range(_GROUPS)], dtype=torch.float64
    )
    variance = (_GROUPS - 1) / _GROUPS * (without - without.mean()).square().sum()
    return Score(value, variance.sqrt().item())
