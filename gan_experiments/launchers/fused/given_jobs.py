"""A sweep's jobs as a source of runs: all are known, and each trains to its end."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from gan_experiments.sweeps.source import Leave, Stint
from gan_experiments.tracking.run_events import Tally


class GivenJobs:
    """Hands out jobs in their order.

    Args:
        stints: The jobs.
        finished: Numbers of those that have ended before.

    Attributes:
        slots: As many as there are jobs.
    """

    def __init__(self, stints: Sequence[Stint], finished: Collection[int] = ()) -> None:
        self.slots = len(stints)
        self._all = {stint.number: stint for stint in stints}
        self._waiting = {number: stint for number, stint in self._all.items() if number not in finished}
        self._done = len(finished)

    def outlook(self) -> Sequence[Stint]:
        """Return all jobs, also those that have ended: what a sweep goes on in is as large as it was."""
        return list(self._all.values())

    def waiting(self) -> Sequence[Stint]:
        """Return the jobs that have not begun."""
        return list(self._waiting.values())

    def took(self, number: int) -> None:
        """Note that a job is at work."""
        del self._waiting[number]

    def reached(self, number: int, epoch: int) -> None:
        """Do nothing: jobs have no rungs."""

    def decide(self, steps: Mapping[int, int]) -> Mapping[int, Leave]:
        """Return none: no job leaves before its end."""
        return {}

    def ended(self, number: int) -> None:
        """Note that a job has ended."""
        self._done += 1

    def returned(self, number: int) -> None:
        """Let a job wait again, before those that have not begun."""
        self._waiting = dict(sorted({number: self._all[number], **self._waiting}.items()))

    def tally(self) -> Tally:
        """Count the jobs that wait and have ended."""
        return Tally(waiting=len(self._waiting), done=self._done)
