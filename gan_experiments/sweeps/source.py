"""Where a launcher with slots gets the runs of a sweep from, one by one, and whom it tells how far they have come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gan_experiments.tracking.run_events import Tally


@dataclass(frozen=True)
class Stint:
    """A run that may take a slot now.

    Attributes:
        number: Its number in the sweep.
        overrides: The job's own, as Hydra's launchers get them.
        rungs: Epochs, in order, after each of which it is scored and decided whether it goes on; empty for none.
        slot: The slot that it takes, counted from 0; None for any. In its own slot a run is the same bit for bit,
            in others within rounding.
    """

    number: int
    overrides: Sequence[str]
    rungs: Sequence[int] = ()
    slot: int | None = None


@dataclass(frozen=True)
class Leave:
    """What becomes of a run that leaves its slot at a rung.

    Attributes:
        reason: In one line: ``paused at rung 1, after 3 of 81 epochs``.
        pruned: The rung at which it is given up; None if it may go on later, from its checkpoint.
    """

    reason: str
    pruned: int | None = None


class Follower(Protocol):
    """A launcher with slots.

    Attributes:
        has_slots: Whether runs can join and leave while others train.
    """

    has_slots: bool

    def follow(self, source: Source) -> None:
        """Train everything that a source hands out, until nothing waits and nothing is at work.

        Raises:
            SystemExit: A signal stopped training, after a checkpoint of every run at work.
        """


class Source(Protocol):
    """Hands out runs to slots. All runs are known by their numbers in the sweep.

    A launcher asks for ``waiting`` runs whenever a slot is free, and trains them in that order as far as they fit
    together. When runs at work have reached a rung it asks which of them leave.
    """

    slots: int
    """Most runs that may be at work at once."""

    def outlook(self) -> Sequence[Stint]:
        """Return runs that show all that may come: each choice, and both ends of each range.

        Those that will not be run themselves have negative numbers.
        """
        ...

    def waiting(self) -> Sequence[Stint]:
        """Return the runs that may take a slot now and are not at work, the first ones first.

        Nothing here and nothing at work means that all is done.
        """
        ...

    def took(self, number: int) -> None:
        """Note that a run is at work."""

    def reached(self, number: int, epoch: int) -> None:
        """Note that a run at work has finished this epoch, a rung; its scores are in its journal."""

    def decide(self, steps: Mapping[int, int]) -> Mapping[int, Leave]:
        """Return those of the runs at work that leave their slots now.

        It is called after ``reached`` and ``ended`` were for all runs that reach a rung or end at the same moment,
        before ``waiting`` is: who takes the place of a run that has ended depends on how far the others are.

        Args:
            steps: Steps done by each of the runs at work.
        """
        ...

    def ended(self, number: int) -> None:
        """Note that a run has ended for good, well or not; how is told by its folder."""

    def returned(self, number: int) -> None:
        """Note that a run at work lost its slot without having ended; it waits again."""

    def tally(self) -> Tally:
        """Count the runs that wait, have ended, and were pruned."""
        ...
