"""ASHA: asynchronous successive halving."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gan_experiments.sweeps.search.schedule import Trial


class Asha:
    """Lets the best of each rung go on (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020).

    Of the n trials that have reached a rung, the floor(n / eta) best may go on to the next one; places go to trials
    of the highest rung first, and there to the best. Trials without a score are the worst of their rung. Of fewer
    than eta trials the best one goes on when no other can come.

    Algorithm 2 of the paper promotes a trial whenever it can, and begins a new one only where it cannot, because its
    trials have no end. Here their number is known, and new ones go first: no place is idle for that, because those
    that may be promoted wait for it, and fewer are promoted that turn out not to belong to the best. Also, those that
    can no longer be promoted, whatever the others do, are given up at once.

    Args:
        eta: One in so many goes on.
        rungs: How many rungs there are.
        larger_is_better: Whether a larger score is the better one.
    """

    def __init__(self, eta: int, rungs: int, larger_is_better: bool) -> None:
        self._eta, self._sign = eta, -1 if larger_is_better else 1
        self._arrived: list[list[tuple[float, int, Trial]]] = [[] for _ in range(rungs)]  # the best first
        self._waiting: list[set[Trial]] = [set() for _ in range(rungs)]
        self._least = [0] * rungs

    def reached(self, trial: Trial, score: float | None) -> None:
        """Note a trial's score at a rung."""
        rung = trial.passed - 1
        self._arrived[rung].append((math.inf if score is None else self._sign * score, trial.number, trial))
        self._arrived[rung].sort(key=lambda entry: entry[:2])
        if trial.end is None:
            self._waiting[rung].add(trial)

    def goes_on(self, trial: Trial) -> bool:
        """Return False: new trials go first."""
        return False

    def promote(self) -> Trial | None:
        """Take the best trial of the highest rung at which one may go on."""
        for rung in reversed(range(len(self._arrived))):
            for trial in self._first(rung, len(self._arrived[rung]), self._least[rung]):
                if trial in self._waiting[rung]:
                    self._waiting[rung].remove(trial)
                    return trial
        return None

    def hopeless(self, coming: Sequence[int]) -> list[Trial]:
        """Give up the trials that would not be among the best of their rung even if nobody better came.

        At a rung there will be at most those that have arrived, those on their way, and those that may still go on
        from the rung below.
        """
        given_up: list[Trial] = []
        from_below = 0
        for rung, waiting in enumerate(self._waiting):
            to_come = coming[rung] + from_below
            self._least[rung] = 0 if to_come else 1
            lost = waiting.difference(self._first(rung, len(self._arrived[rung]) + to_come, 1))
            waiting -= lost
            given_up += sorted(lost, key=lambda trial: trial.number)
            from_below = to_come + len(waiting)
        return given_up

    def ended(self, trial: Trial, score: float | None) -> None:
        """Note nothing: what a trial was at its rungs is known."""

    @property
    def share(self) -> float:
        """The share of the trials at a rung that goes on."""
        return 1 / self._eta

    def _first(self, rung: int, arrivals: int, least: int) -> list[Trial]:
        """Return the best trials of a rung, as many as may go on of so many arrivals, but at least ``least``."""
        most = max(least, arrivals // self._eta)
        return [trial for score, _, trial in self._arrived[rung][:most] if score < math.inf]
