"""How fast runs that train together get on, by the clock, and how long what is left will take."""

from __future__ import annotations

import time
from collections.abc import Collection


class Pace:
    """Counts the steps of all runs together, and the time that they take with all that comes between them.

    The first steps also compile, capture and fill caches: time counts from their end.

    Attributes:
        done: Steps of all runs so far.
        rate: Steps a second of each run, as training measured it last.
    """

    def __init__(self) -> None:
        self.done, self.rate = 0, 0.0
        self._started = self._came = time.monotonic()
        self._measured_from: float | None = None
        self._first: set[int] = set()
        self._steps = 0
        self._together = 0.0

    def note(self, k: int, steps: int, rate: float, present: Collection[int]) -> None:
        """Take in that run ``k``, of those that are present, has taken some more steps, at a rate for each run."""
        self._came, self.rate = time.monotonic(), rate
        self.done += steps
        if self._measured_from is None:
            self._measured_from, self._first, self._together = self._came, {*present}, rate * len(present)
        if k in self._first:
            self._first.discard(k)
        else:
            self._steps += steps

    @property
    def measured(self) -> float:
        """Seconds from the end of the first steps to the last ones."""
        return 0.0 if self._measured_from is None else self._came - self._measured_from

    @property
    def passed(self) -> float:
        """Seconds from the beginning to the last steps."""
        return self._came - self._started

    def left(self, steps: float, longest: int) -> float:
        """Return how many seconds the runs will take from now.

        Args:
            steps: Steps that all runs have left together, those that wait included.
            longest: Steps that one of them has left at most: runs side by side are no faster than one.
        """
        if not self.rate or not steps:
            return 0.0
        together = self._steps / max(self.measured, 1e-9) if self._steps else self._together
        return max(0.0, max(steps / together, longest / self.rate) - (time.monotonic() - self._came))
