"""The runs that pass through the slots of one stack: in which order they come, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from gan_experiments.errors import RunFailedError, UserError
from gan_experiments.runs.run import Run
from gan_experiments.tracking.run_events import Ended, Tally
from gan_experiments.training.member import Member
from gan_experiments.training.slots import Use

Result = float | RunFailedError | UserError | None
"""What a run leaves: G's mean loss over its last epoch, an error if it diverged or could not begin; None if it was
paused or broken off."""


class RunQueue(Protocol):
    """Hands runs to slots. They agree in everything that members of a stack must share.

    Attributes:
        slots: Most runs that train at once.
    """

    slots: int

    def outlook(self) -> Sequence[Member]:
        """Return members like all that may come; of their networks only the largest shapes matter."""
        ...

    def next(self, slot: int, check: Callable[[Member], object]) -> tuple[int, Run] | None:
        """Return the number of the run that takes a slot, and the run, or None if there is none at the moment.

        Args:
            slot: The slot, counted from 0.
            check: Raises ``UnstackableError`` for a member that the stack has no room for.
        """

    def tally(self) -> Tally:
        """Count the runs that wait, have ended, and were pruned."""
        ...

    def reached(self, number: int, epoch: int) -> None:
        """Note that a run has finished an epoch that is one of its rungs; its scores are in its journal."""

    def leaving(self, steps: Mapping[int, int]) -> Mapping[int, Ended]:
        """Return those of the runs at work that leave their slots now, and how they end.

        Args:
            steps: Steps done by each run at work, by number.
        """
        ...

    def ended(self, number: int, end: Ended, result: Result) -> None:
        """Note that a run has left its slot."""

    def note(self, use: Use) -> None:
        """Take note of what the slots have been used for."""


class TheseRuns:
    """A queue of some runs that begin together, and of no others; the first ones have the numbers from 0 on.

    Args:
        runs: At least one.

    Attributes:
        slots: As many as there are runs.
        results: What each has left.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.slots = len(runs)
        self._waiting = list(enumerate(runs))
        self._results: dict[int, Result] = {}

    @property
    def results(self) -> list[Result]:
        """What each run has left, in their order."""
        return [self._results[number] for number in sorted(self._results)]

    def outlook(self) -> Sequence[Member]:
        """Return none: all are here."""
        return ()

    def next(self, slot: int, check: Callable[[Member], object]) -> tuple[int, Run] | None:
        """Return the next of them."""
        return self._waiting.pop(0) if self._waiting else None

    def tally(self) -> Tally:
        """Count those that have ended."""
        return Tally(done=len(self._results))

    def reached(self, number: int, epoch: int) -> None:
        """Do nothing: these runs have no rungs."""

    def leaving(self, steps: Mapping[int, int]) -> Mapping[int, Ended]:
        """Return none."""
        return {}

    def ended(self, number: int, end: Ended, result: Result) -> None:
        """Keep the result."""
        self._results[number] = result

    def note(self, use: Use) -> None:
        """Do nothing: nobody waited."""
