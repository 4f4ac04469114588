"""How much of the differences among runs each factor accounts for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from gan_experiments.reports.factors import Factor
from gan_experiments.reports.ranking import Ranked

_LEVELS = 8
"""A factor with more levels than this is cut into quarters: a level of its own for each run would explain all."""
COMBINED, NOISE, EITHER = "factors combined", "seed noise", "combined, or seed noise"


@dataclass(frozen=True)
class Share:
    """A part of the variance of the measure over all runs, 0 to 1, and what accounts for it."""

    label: str
    share: float


def importance(ranked: Sequence[Ranked], factors: Sequence[Factor]) -> list[Share]:
    """The analysis of variance, as shares of the sum of squares over all runs (eta squared).

    For each factor, the variance of its levels' means; what seeds do within settings is noise; what is left of the
    rest is owed to factors that work together. Where no setting has a second seed the two can't be told apart, and of
    a single factor there is nothing to say. Exact where every combination has as many runs as every other; else
    factors share what they have in common, and the shares need not add up to 1.
    """
    repeated = any(len(place.values) > 1 for place in ranked)
    values = np.array([value for place in ranked for value in place.values])
    total = float(((values - values.mean()) ** 2).sum()) if len(values) else 0.0
    if total == 0.0 or (len(factors) < 2 and not repeated):
        return []
    shares = [Share(factor.label, _between(ranked, factor, values.mean()) / total) for factor in factors]
    shares.sort(key=lambda share: -share.share)
    within = sum(float(((np.array(place.values) - place.mean) ** 2).sum()) for place in ranked) / total
    combined = max(0.0, 1 - within - sum(share.share for share in shares))
    if not repeated:
        return [*shares, Share(EITHER, combined)]
    if len(factors) > 1:
        shares.append(Share(COMBINED, combined))
    return [*shares, Share(NOISE, within)]


def _between(ranked: Sequence[Ranked], factor: Factor, mean: float) -> float:
    """Sum of squares between a factor's levels."""
    groups: dict[Hashable, list[float]] = defaultdict(list)
    for place in ranked:
        groups[_level(place.setting.values[factor.key], factor)] += place.values
    return sum(len(group) * (float(np.mean(group)) - mean) ** 2 for group in groups.values())


def _level(value: str, factor: Factor) -> Hashable:
    numbers = factor.numbers
    if numbers is None or len(numbers) <= _LEVELS:
        return value
    return int(np.searchsorted(np.quantile(numbers, (0.25, 0.5, 0.75)), float(value)))
