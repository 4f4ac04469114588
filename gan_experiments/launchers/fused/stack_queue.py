"""The runs of one structure, as they pass through a stack: prepared when a slot is free, ended when they leave it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from gan_experiments.launchers.fused.groups import ComposedJob
from gan_experiments.launchers.fused.slot_record import SlotRecord
from gan_experiments.models.stacking import UnstackableError
from gan_experiments.runs.run import Run
from gan_experiments.runs.run_queue import Result
from gan_experiments.sweeps.source import Source, Stint
from gan_experiments.tracking.run_events import Ended, Tally
from gan_experiments.training.member import Member
from gan_experiments.training.slots import Use


class Jobs(Protocol):
    """What a stack's queue needs of the jobs of Hydra that its runs are."""

    def of(self, stint: Stint) -> ComposedJob:
        """Return the job of a run."""
        ...

    def prepare(self, job: ComposedJob, rungs: Sequence[int]) -> Exception | None:
        """Set up a job's run, from its checkpoint if it has one; return what is wrong with it, if anything."""
        ...

    def begin(self, job: ComposedJob) -> None:
        """Do all that Hydra does before a job's task."""
        ...

    def end(self, job: ComposedJob, outcome: float | Exception) -> None:
        """Do all that Hydra does after a job's task."""
        ...


class StackQueue:
    """Hands the waiting runs of one structure to the slots of a stack.

    Args:
        source: Where the runs come from.
        jobs: Their jobs.
        structure: What they have in common.
        slots: Most runs that train at once.
        members: Members like all that may come.
        record: Adds up what the slots are used for.

    Attributes:
        slots: As given.
        broken_off: Runs that lost their slots without having ended.
    """

    def __init__(
        self,
        source: Source,
        jobs: Jobs,
        structure: str,
        slots: int,
        members: Sequence[Member],
        record: SlotRecord,
    ) -> None:
        self._source, self._jobs, self._structure = source, jobs, structure
        self.slots, self._members, self._record = slots, members, record
        self._at_work: dict[int, ComposedJob] = {}
        self._misfits: set[int] = set()
        self._is_begun = False
        self.broken_off: list[ComposedJob] = []

    def outlook(self) -> Sequence[Member]:
        """Return members like all that may come."""
        return self._members

    def next(self, slot: int, check: Callable[[Member], object]) -> tuple[int, Run] | None:
        """Return the next run that is in order, for this slot, and that the stack has room for; or None."""
        for stint in self._source.waiting():
            job = self._jobs.of(stint)
            elsewhere = stint.slot is not None and stint.slot % self.slots != slot
            if elsewhere or job.structure != self._structure or stint.number in self._misfits:
                continue
            error = self._jobs.prepare(job, stint.rungs)
            if error is None and job.run is not None:
                try:
                    check(job.run.member)
                except UnstackableError:  # it is for the next stack
                    self._misfits.add(stint.number)
                    job.close()
                    continue
            self._source.took(stint.number)
            self._jobs.begin(job)
            if error is not None or job.run is None:
                self._jobs.end(job, error or AssertionError())
                self._source.ended(stint.number)
                return self.next(slot, check)  # what waits may have changed
            if not self._is_begun:
                self._record.begin(self.slots)
                self._is_begun = True
            if not job.run.directory.journal.exists():
                self._record.took(stint.number)
            self._at_work[stint.number] = job
            return stint.number, job.run
        return None

    def tally(self) -> Tally:
        """Count the runs that wait, have ended, and were pruned."""
        return self._source.tally()

    def reached(self, number: int, epoch: int) -> None:
        """Pass on that a run is at a rung."""
        self._source.reached(number, epoch)

    def leaving(self, steps: Mapping[int, int]) -> Mapping[int, Ended]:
        """Return those of the runs at work that leave now, and how."""
        found = self._source.decide(steps)
        return {
            number: Ended("PAUSED" if leave.pruned is None else "FINISHED", leave.reason, leave.pruned)
            for number, leave in found.items()
        }

    def note(self, use: Use) -> None:
        """Take note of what the slots have been used for."""
        self._record.note(use)

    def ended(self, number: int, end: Ended, result: Result) -> None:
        """End a run's job, or keep it where it was broken off."""
        job = self._at_work.pop(number)
        job.run = None  # frees the networks
        if result is not None:
            self._jobs.end(job, result)
            self._source.ended(number)
        elif end.status == "PAUSED":
            job.close()
        else:
            self.broken_off.append(job)
