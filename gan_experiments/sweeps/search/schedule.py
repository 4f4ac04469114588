"""The schedule of a sweep with rungs: which trial is at work when, in logical time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

COMPLETE, FAILED, PRUNED = "complete", "failed", "pruned"
"""How a trial ends: it has a score of its whole length, or it has none, or it was given up at a rung."""


class Length(Protocol):
    """Steps and epochs of a run (``training/run_length.py``)."""

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        ...

    def end_of(self, epoch: float) -> int:
        """Return the number of steps after which an epoch is over."""
        ...

    def finished(self, step: int) -> int:
        """Return the number of epochs that are over after a number of steps."""
        ...


@dataclass(frozen=True)
class Standing:
    """How far a run has come.

    Attributes:
        steps: Steps that are done and will not be done again.
        ended: Whether it has ended for good, well or not, at this step.
        failed: Whether it has ended without a result.
        pruned: The rung at which it was given up, or None.
    """

    steps: int = 0
    ended: bool = False
    failed: bool = False
    pruned: int | None = None


@dataclass(frozen=True)
class Stint:
    """A trial's way from where it was to its next rung, or to its end.

    Attributes:
        begin: The logical time at which it began.
        first: Steps that each of its runs had done then.
        last: Steps that they will have done at the end of it.
        runs: The runs that take part.
        place: The place that it has, counted from 0.
    """

    begin: int
    first: int
    last: int
    runs: Sequence[int]
    place: int


@dataclass(eq=False)
class Trial:
    """A setting with all its seeds, which are judged together.

    Attributes:
        number: Its number, in the order in which trials begin.
        runs: Numbers of its runs in the sweep, one a seed.
        length: Their steps and epochs.
        passed: Rungs that it has reached.
        stint: What it is at work on, or None.
        end: How it ended, or None if it may still go on.
    """

    number: int
    runs: Sequence[int]
    length: Length
    passed: int = 0
    stint: Stint | None = field(default=None, repr=False)
    end: str | None = None


class Runs(Protocol):
    """What the runs have done so far."""

    def standing(self, number: int) -> Standing:
        """Return how far a run has come."""
        ...

    def score(self, trial: Trial, epoch: int) -> float | None:
        """Return a trial's score after an epoch that it has finished: the mean over its seeds that have one."""
        ...


class Trials(Protocol):
    """Where trials come from, and who hears of them."""

    def left(self) -> int:
        """Return how many have not begun yet."""
        ...

    def next(self) -> Trial | None:
        """Return the next one that has not begun, or None."""
        ...

    def reached(self, trial: Trial, epoch: int, score: float | None) -> None:
        """Hear of a trial's score at a rung."""

    def ended(self, trial: Trial, score: float | None) -> None:
        """Hear that a trial has ended, and the score of its whole length if it has one."""


class Policy(Protocol):
    """Decides which trials go on after a rung."""

    def reached(self, trial: Trial, score: float | None) -> None:
        """Note a trial's score at the rung ``trial.passed``; ``trial.end`` tells whether it ended before or there."""

    def goes_on(self, trial: Trial) -> bool:
        """Decide whether a trial that has reached a rung goes on in its place, before any new trial begins."""
        ...

    def hopeless(self, coming: Sequence[int]) -> list[Trial]:
        """Return the trials that wait at a rung and will never go on.

        Args:
            coming: For each rung, the trials that are on their way to it; new ones count for the first.
        """
        ...

    def promote(self) -> Trial | None:
        """Take a trial that waits at a rung, for a free place; None if none should go on now."""
        ...

    def ended(self, trial: Trial, score: float | None) -> None:
        """Note that a trial has ended by itself, and the score of its whole length if it has one."""

    @property
    def share(self) -> float:
        """About which share of the trials at a rung goes on."""
        ...


class NoRungs:
    """The policy of a sweep without rungs: a trial that has begun ends by itself."""

    share = 1.0

    def reached(self, trial: Trial, score: float | None) -> None:
        """Note nothing."""

    def goes_on(self, trial: Trial) -> bool:
        """Return True."""
        return True

    def hopeless(self, coming: Sequence[int]) -> list[Trial]:
        """Return none."""
        return []

    def promote(self) -> Trial | None:
        """Return None."""
        return None

    def ended(self, trial: Trial, score: float | None) -> None:
        """Note nothing."""


class Schedule:
    """The places of a sweep and what they are at work on, as a function of the runs' scores alone.

    Time is logical: every place does one step in one unit of it. A stint begins when its place becomes free, and ends
    as many units later as it has steps; trials that arrive at the same moment are all noted, in the order of their
    numbers, before anything is decided. A run that ends early, well or not, ends its stint with the epoch in which it
    does so, whenever that is noticed. Nothing is decided before no other trial can arrive earlier. So decisions
    depend neither on how fast runs are, nor on kills, nor on how many train at once. A sweep that goes on replays
    them from its runs' folders, and nothing else has to be kept but the number of places.

    (ASHA, Li et al., 2020, decides in wall-clock time, which is different each time.)

    Args:
        trials: Where trials come from.
        runs: What their runs have done.
        policy: Decides at rungs.
        places: How many trials are at work at once.
        rungs: Epochs, in order, after which it is decided; all are before the last one.
    """

    def __init__(self, trials: Trials, runs: Runs, policy: Policy, places: int, rungs: Sequence[int]) -> None:
        self._trials, self._runs, self._policy = trials, runs, policy
        self._places, self._rungs = places, rungs
        self._time = 0
        self._at_work: list[Trial] = []

    @property
    def at_work(self) -> Sequence[Trial]:
        """The trials that have a place, in the order in which they got it."""
        return self._at_work

    def advance(self) -> list[Trial]:
        """Decide all that can be decided with what the runs have done; return the trials that were given up."""
        given_up: list[Trial] = []
        self._fill({})
        while arrived := self._arrivals():
            # 1. Note all that happened at this moment.
            places = [self._arrive(trial) for trial in arrived]
            # 2. Some keep their places.
            self._at_work = [trial for trial in self._at_work if trial not in arrived]
            for trial, place in zip(arrived, places, strict=True):
                if trial.end is None and self._policy.goes_on(trial):
                    self._begin(trial, place)
            # 3. Give up the hopeless, and say so before new trials are asked for.
            for trial in self._policy.hopeless(self._coming()):
                self._end(trial, PRUNED)
                given_up.append(trial)
            # 4. Fill the other places.
            self._fill(dict(zip(arrived, places, strict=True)))
        return given_up

    def _fill(self, had: Mapping[Trial, int]) -> None:
        """Give free places to trials; those that had one until now keep it if they go on."""
        while chosen := self._choose():
            taken = {trial.stint.place for trial in self._at_work if trial.stint}
            kept = {trial: had[trial] for trial in chosen if trial in had and had[trial] not in taken}
            free = iter(sorted({*range(self._places)} - taken - {*kept.values()}))
            for trial in chosen:
                self._begin(trial, kept[trial] if trial in kept else next(free))

    def _choose(self) -> list[Trial]:
        chosen: list[Trial] = []
        while len(self._at_work) + len(chosen) < self._places:
            trial = self._trials.next() or self._policy.promote()
            if trial is None:
                break
            chosen.append(trial)
        return chosen

    def _begin(self, trial: Trial, place: int) -> None:
        first = trial.length.end_of(self._rungs[trial.passed - 1]) if trial.passed else 0
        last = trial.length.end_of(self._next_epoch(trial))
        runs = [run for run in trial.runs if not _over(self._runs.standing(run), first)] if first else [*trial.runs]
        if runs:
            trial.stint = Stint(self._time, first, last, runs, place)
            self._at_work.append(trial)
        else:  # it was given up in another process, or writing its last checkpoint has shown that it diverged
            pruned = any(self._runs.standing(run).pruned for run in trial.runs)
            self._end(trial, PRUNED if pruned else FAILED)
            self._policy.ended(trial, None)

    def _next_epoch(self, trial: Trial) -> int:
        return trial.length.epochs if trial.passed == len(self._rungs) else self._rungs[trial.passed]

    def _arrivals(self) -> list[Trial]:
        """Return the trials that arrive next, all at one moment, which becomes now; none if that is not certain."""
        certain: list[tuple[int, Trial]] = []
        earliest: float = math.inf
        for trial in self._at_work:
            time, known = self._arrival(trial)
            if known:
                certain.append((time, trial))
            else:
                earliest = min(earliest, time)
        now = min((time for time, _ in certain), default=math.inf)
        if earliest <= now:
            return []
        self._time = int(now)
        return sorted((trial for time, trial in certain if time == now), key=lambda trial: trial.number)

    def _arrival(self, trial: Trial) -> tuple[int, bool]:
        """Return when a trial arrives and True, or the earliest moment at which it may and False."""
        stint = trial.stint
        assert stint is not None
        end, known = stint.first, True
        for run in stint.runs:
            standing = self._runs.standing(run)
            if standing.ended:
                # What happens within an epoch counts as happening at its end.
                step = trial.length.end_of(trial.length.finished(max(standing.steps - 1, 0)) + 1)
            elif standing.steps >= stint.last and trial.passed < len(self._rungs):
                step = stint.last
            else:
                known = False
                step = trial.length.end_of(trial.length.finished(standing.steps) + 1)
            end = max(end, min(step, stint.last))
        return stint.begin + end - stint.first, known

    def _arrive(self, trial: Trial) -> int:
        """Note how far a trial has come; return the place that it had."""
        stint, epoch = trial.stint, self._next_epoch(trial)
        assert stint is not None
        trial.stint = None
        score = self._runs.score(trial, epoch)
        if trial.passed < len(self._rungs):
            trial.passed += 1
            self._trials.reached(trial, epoch, score)
            standings = [self._runs.standing(run) for run in trial.runs]
            if all(_over(standing, stint.last) and standing.pruned is None for standing in standings):
                failed = all(standing.failed for standing in standings)
                trial.end = FAILED if failed or score is None else COMPLETE
            self._policy.reached(trial, score)
        else:
            trial.end = FAILED if score is None else COMPLETE
        if trial.end is not None:
            self._end(trial, trial.end, score)
            self._policy.ended(trial, score)
        return stint.place

    def _end(self, trial: Trial, end: str, score: float | None = None) -> None:
        trial.end = end
        self._trials.ended(trial, score)

    def _coming(self) -> list[int]:
        coming = [0] * len(self._rungs)
        for trial in self._at_work:
            if trial.passed < len(self._rungs):
                coming[trial.passed] += 1
        if coming:
            coming[0] += self._trials.left()
        return coming


def _over(standing: Standing, step: int) -> bool:
    """Return whether a run has ended by a step, which is the end of an epoch."""
    return standing.ended and standing.steps <= step
