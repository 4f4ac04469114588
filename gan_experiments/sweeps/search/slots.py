"""Hands a sweep's runs to a launcher with slots, as the schedule has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from gan_experiments.sweeps.search.schedule import PRUNED, Policy, Runs, Schedule, Standing, Trial, Trials
from gan_experiments.sweeps.source import Leave, Stint
from gan_experiments.tracking.run_events import Tally


class Followed(Runs, Protocol):
    """What the runs have done so far, kept up to date while they train."""

    def worked(self, number: int, steps: int) -> None:
        """Note that a run at work has done so many steps."""

    def read_again(self, number: int, ended: bool) -> Standing:
        """Read from a run's folder how far it has come; it has ended for good, or lost its slot."""
        ...

    def give_up(self, number: int, rung: int, reason: str) -> None:
        """End a run that waits at a rung."""


class Offered(Trials, Protocol):
    """Where trials come from, with the jobs of their runs."""

    def overrides(self, number: int) -> Sequence[str]:
        """Return the overrides of a run of a trial that has begun."""
        ...

    def outlook(self) -> Mapping[int, Sequence[str]]:
        """Return overrides that show all that may come, by number; those of none of the runs have negative ones."""
        ...


class SlotSource:
    """A sweep's trials, for ``SweepLauncher.follow``.

    The launcher's slots and the schedule's places are two things: a run may be ahead of others that it is compared
    with, because it was further when the sweep was killed, or because there are fewer slots than the schedule has
    places for. At its rung it then leaves its slot, until the others are there.

    Args:
        trials: The trials.
        runs: What their runs have done.
        policy: Decides at rungs.
        places: How many trials are at work at once.
        rungs: Epochs after which it is decided.
        seeds: Most runs of a trial.

    Attributes:
        slots: Most runs that are at work at once.
    """

    def __init__(
        self, trials: Offered, runs: Followed, policy: Policy, places: int, rungs: Sequence[int], seeds: int = 1
    ) -> None:
        self._trials, self._runs, self._policy, self._rungs = trials, runs, policy, rungs
        self.slots, self._seeds = places * seeds, seeds
        self._schedule = Schedule(trials, runs, policy, places, rungs)
        self._trial_of: dict[int, Trial] = {}
        self._in_slots: set[int] = set()
        self._advance()

    def outlook(self) -> list[Stint]:
        """Return runs that show all that may come; those that are none of the runs have negative numbers."""
        return [Stint(number, job, self._rungs) for number, job in self._trials.outlook().items()]

    def waiting(self) -> list[Stint]:
        """Return the runs that may take a slot now and are not at work."""
        return [
            Stint(number, self._trials.overrides(number), self._rungs, self._slot(trial, number))
            for trial, number in self._due()
            if number not in self._in_slots
        ]

    def _slot(self, trial: Trial, number: int) -> int:
        """Return the slot of a run in its trial's place: the same after a kill, so that it goes on bit for bit."""
        assert trial.stint is not None
        return trial.stint.place * self._seeds + list(trial.runs).index(number)

    def took(self, number: int) -> None:
        """Note that a run is at work."""
        self._in_slots.add(number)

    def reached(self, number: int, epoch: int) -> None:
        """Note that a run at work has finished this epoch, a rung; its scores are in its journal."""
        self._runs.worked(number, self._trial_of[number].length.end_of(epoch))

    def decide(self, steps: Mapping[int, int]) -> dict[int, Leave]:
        """Return those of the runs at work that leave their slots now."""
        for number, done in steps.items():
            self._runs.worked(number, done)
        self._advance()
        stay = {number for _, number in self._due()}
        leave = {number: self._leave(number) for number in steps if number in self._in_slots - stay}
        self._in_slots -= leave.keys()
        return leave

    def ended(self, number: int) -> None:
        """Note that a run has ended for good, well or not; how is told by its folder."""
        self._in_slots.discard(number)
        self._runs.read_again(number, ended=True)
        self._advance()

    def returned(self, number: int) -> None:
        """Note that a run at work lost its slot without having ended; it waits again."""
        self._in_slots.discard(number)
        self._runs.read_again(number, ended=False)

    def tally(self) -> Tally:
        """Count the runs that wait, have ended, and were pruned."""
        waiting = [trial for trial, number in self._due() if number not in self._in_slots]
        first = next(iter(self._trial_of.values()), None)
        new = self._trials.left() * len(first.runs) if first is not None else 0
        each = self._expected(first, 0) if first is not None else 0.0
        return Tally(
            waiting=len(waiting) + new,
            done=sum(self._runs.standing(number).ended for number in self._trial_of),
            pruned=sum(trial.end == PRUNED for trial in self._trial_of.values()),
            steps=sum(self._expected(trial, trial.passed) for trial in waiting) + new * each,
        )

    def _due(self) -> list[tuple[Trial, int]]:
        """Return the runs that the schedule wants to be trained now, those first that others wait for longest."""
        due: list[tuple[Trial, int]] = []
        for trial in self._schedule.at_work:
            stint = trial.stint
            assert stint is not None
            final = trial.passed == len(self._rungs)  # then a run is over when it says so
            for number in stint.runs:
                standing = self._runs.standing(number)
                if not standing.ended and (final or standing.steps < stint.last):
                    due.append((trial, number))
        return due

    def _advance(self) -> None:
        for trial in self._schedule.advance():
            for number in trial.runs:
                if number not in self._in_slots and not self._runs.standing(number).ended:
                    self._runs.give_up(number, trial.passed, self._where("pruned", trial, trial.passed))
        for trial in self._schedule.at_work:
            self._trial_of |= dict.fromkeys(trial.runs, trial)

    def _leave(self, number: int) -> Leave:
        trial = self._trial_of[number]
        if trial.end == PRUNED:
            return Leave(self._where("pruned", trial, trial.passed), trial.passed)
        # A trial that waits for the decision is still on its way to its next rung.
        rung = trial.passed if trial.stint is None else trial.passed + 1
        return Leave(self._where("paused", trial, rung))

    def _where(self, what: str, trial: Trial, rung: int) -> str:
        return f"{what} at rung {rung}, after {self._rungs[rung - 1]} of {trial.length.epochs} epochs"

    def _expected(self, trial: Trial, passed: int) -> float:
        """Return about how many steps a run will do that has passed so many rungs."""
        ends = [0, *(trial.length.end_of(epoch) for epoch in (*self._rungs, trial.length.epochs))]
        parts = [b - a for a, b in zip(ends[passed:], ends[passed + 1 :], strict=False)]
        return sum(part * self._policy.share**rung for rung, part in enumerate(parts))
