"""Which of a generator's scores tells most, and which way is better."""

from __future__ import annotations

from collections.abc import Iterable

_FIRST = ("frechet_classifier_distance", "frechet_inception_distance", "mode_kl", "class_kl", "classifier_score")
"""The most telling one first."""
_LARGER = (
    *("precision", "recall", "density", "coverage", "modes", "high_quality"),
    *("classifier_score", "parzen_log_likelihood", "nearest_distance"),
)
ERROR = "_error"
"""Ending of the names of scores' own errors."""


def headline(names: Iterable[str]) -> str | None:
    """The score to judge by among those with these names, without ``eval/``; None where there is none."""
    scores = [name for name in names if not name.endswith(ERROR)]
    return min(scores, key=lambda name: (*(word != name for word in _FIRST), name), default=None)


def larger_is_better(name: str) -> bool:
    """Whether more of a score is better; of most, less is."""
    return name in _LARGER
