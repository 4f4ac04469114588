"""Tell how far generators are from real data, so that the best of a bad lot is not praised."""

from __future__ import annotations

from collections.abc import Mapping

from gan_experiments.evaluation.metrics.frechet import DISTANCES
from gan_experiments.tracking.naming import in_words

_TIMES, _PART = 20, 0.1
_SHARES = ("coverage", "recall", "high_quality", "modes")
"""Scores that are near 0 for noise and for a generator that makes always the same."""


def far(scores: Mapping[str, float], floors: Mapping[str, float]) -> list[str]:
    """Return in words the scores that are far from those of real samples; none for a generator worth ranking.

    Far is a Fréchet distance of more than twenty times real data's, and a share (coverage, recall, modes found,
    points of high quality) of at most a tenth of real data's.

    Args:
        scores: The generator's, by name without group.
        floors: Those of real samples in its place.
    """
    known = [name for name in scores if name in floors]
    reasons = [
        f"{scores[name] / floors[name]:.0f} times as far"
        for name in known
        if name in DISTANCES and floors[name] > 0 and scores[name] > _TIMES * floors[name]
    ]
    return reasons + [
        f"{in_words(name)} {scores[name]:.2g}, real data {floors[name]:.2g}"
        for name in known
        if name in _SHARES and scores[name] <= _PART * floors[name]
    ]
