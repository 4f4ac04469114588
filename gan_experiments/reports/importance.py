"""The share of the differences among runs that each factor accounts for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from gan_experiments.reports.factors import Factor
from gan_experiments.reports.ranking import RankedSetting

_LEVELS = 8
"""A factor with more levels is cut into quarters: with a level for each run it would explain everything."""
COMBINED, NOISE, EITHER = "combinations", "seeds", "combinations or seeds"


@dataclass(frozen=True)
class Share:
    """A share of the metric's variance over all runs, 0 to 1, and the factor that accounts for it."""

    label: str
    share: float


def importance(ranked: Sequence[RankedSetting], factors: Sequence[Factor]) -> list[Share]:
    """Analyse the variance: shares of the sum of squares over all runs (eta squared).

    A factor accounts for the variance of its levels' means, seeds for the variance within settings (noise), and
    combinations of factors for the rest. If no setting has a second seed, the last two cannot be told apart, and with
    a single factor nothing is returned. Shares are exact if every combination has the same number of runs; otherwise
    factors overlap, and the shares need not add up to 1.
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


def _between(ranked: Sequence[RankedSetting], factor: Factor, mean: float) -> float:
    """Return the sum of squares between a factor's levels."""
    groups: dict[Hashable, list[float]] = defaultdict(list)
    for place in ranked:
        groups[_level(place.setting.values[factor.key], factor)] += place.values
    return sum(len(group) * (float(np.mean(group)) - mean) ** 2 for group in groups.values())


def _level(value: str, factor: Factor) -> Hashable:
    numbers = factor.numbers
    if numbers is None or len(numbers) <= _LEVELS:
        return value
    return int(np.searchsorted(np.quantile(numbers, (0.25, 0.5, 0.75)), float(value)))
