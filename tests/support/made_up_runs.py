"""Runs that are made up, and a launcher with slots for them: what a sweep decides, without training anything."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gan_experiments.sweeps.search.schedule import Standing, Trial
from gan_experiments.sweeps.search.slots import SlotSource
from gan_experiments.training.run_length import RunLength


class KilledError(Exception):
    """The process is killed."""


@dataclass
class MadeUp:
    """A run: what will happen to it, and what its folder has.

    Attributes:
        length: Its steps and epochs.
        scores: Its score after each epoch.
        diverges: The step at which it diverges, if it does.
        stops: The epoch after which it stops early, if it does.
        steps: Steps done in this process.
        saved: Step of its checkpoint.
        state: How it ended, if it has.
        pruned: The rung at which it was given up, if it was.
        trained: Steps that were done in all processes together.
    """

    length: RunLength
    scores: Sequence[float]
    diverges: int | None = None
    stops: int | None = None
    steps: int = 0
    saved: int = 0
    state: str | None = None
    pruned: int | None = None
    trained: int = 0


class Folders:
    """What made-up runs have done, as their folders tell it to one process."""

    def __init__(self, runs: Mapping[int, MadeUp]) -> None:
        self._runs = runs
        self._known = {number: self._read(number) for number in runs}

    def _read(self, number: int) -> Standing:
        run = self._runs[number]
        if run.state is None:
            return Standing(run.saved)
        return Standing(run.steps, True, run.state == "failed", run.pruned)

    def standing(self, number: int) -> Standing:
        return self._known.get(number) or self._read(number)  # a search's runs are known when they are asked for

    def score(self, trial: Trial, epoch: int) -> float | None:
        scores = [self._runs[number].scores for number in trial.runs if self._has(number, epoch)]
        ends = [min(epoch, self._runs[number].stops or epoch) for number in trial.runs if self._has(number, epoch)]
        return sum(of[end - 1] for of, end in zip(scores, ends, strict=True)) / len(scores) if scores else None

    def _has(self, number: int, epoch: int) -> bool:
        run = self._runs[number]
        return run.diverges is None or run.length.end_of(epoch) < run.diverges

    def worked(self, number: int, steps: int) -> None:
        self._known[number] = Standing(steps)

    def read_again(self, number: int, ended: bool) -> Standing:
        self._known[number] = self._read(number)
        assert self._known[number].ended == ended
        return self._known[number]

    def give_up(self, number: int, rung: int, reason: str) -> None:
        run = self._runs[number]
        assert run.state is None
        run.state, run.pruned, run.steps = "finished", rung, run.saved
        self._known[number] = self._read(number)


@dataclass
class Listed:
    """Trials of given runs, and what is heard of them.

    Attributes:
        events: Everything, in order.
    """

    runs: Sequence[Sequence[int]]
    lengths: Sequence[RunLength]
    begun: int = 0
    events: list[tuple[object, ...]] = field(default_factory=list)

    def left(self) -> int:
        return len(self.runs) - self.begun

    def next(self) -> Trial | None:
        if not self.left():
            return None
        number = self.begun
        self.begun += 1
        self.events.append(("began", number))
        return Trial(number, self.runs[number], self.lengths[number])

    def reached(self, trial: Trial, epoch: int, score: float | None) -> None:
        self.events.append(("reached", trial.number, epoch, score))

    def ended(self, trial: Trial, score: float | None) -> None:
        self.events.append((trial.end, trial.number, score))

    def overrides(self, number: int) -> list[str]:
        return [f"run={number}"]

    def outlook(self) -> dict[int, list[str]]:
        return {number: self.overrides(number) for runs in self.runs for number in runs}


def follow(
    source: SlotSource,
    runs: Mapping[int, MadeUp],
    slots: int,
    chance: random.Random | None = None,
    group: int = 10**9,
) -> None:
    """Train everything that a source hands out, in steps of all slots together.

    Args:
        source: The source.
        runs: All runs.
        slots: How many train at once.
        chance: Draws the moment at which the process is killed, and how old each run's checkpoint then is.
        group: Only runs of the same ``number // group`` fit together.
    """
    at_work: list[int] = []
    rungs_of: dict[int, Sequence[int]] = {}
    while True:
        for stint in source.waiting():
            fits = not at_work or stint.number // group == at_work[0] // group
            if fits and len(at_work) < slots and stint.number not in at_work:
                run = runs[stint.number]
                assert run.state is None, f"run {stint.number} has ended, and is trained again"
                run.steps = run.saved
                at_work.append(stint.number)
                rungs_of[stint.number] = stint.rungs
                source.took(stint.number)
        if not at_work:
            assert not source.waiting()
            return
        # 1. All do the steps up to the next end of an epoch of one of them.
        ends = [(runs[number], runs[number].length) for number in at_work]
        steps = min(length.end_of(length.finished(run.steps) + 1) - run.steps for run, length in ends)
        over: list[int] = []
        rungs: list[tuple[int, int]] = []
        for number in at_work.copy():
            run = runs[number]
            run.steps += steps
            run.trained += steps
            epoch = run.length.finished(run.steps)
            at_end = run.steps == run.length.end_of(epoch)
            if run.diverges is not None and run.steps >= run.diverges:
                run.trained -= run.steps - run.diverges
                run.steps, run.state = run.diverges, "failed"
                over.append(number)
            elif at_end and epoch in (run.stops, run.length.epochs):
                run.state, run.saved = "finished", run.steps
                over.append(number)
            elif at_end and epoch in rungs_of[number]:
                rungs.append((number, epoch))
            if chance is not None and chance.random() < 0.2:
                run.saved = run.steps
        if chance is not None and chance.random() < 0.05:
            raise KilledError
        # 2. Tell what happened; some leave.
        for number in over:
            at_work.remove(number)
            source.ended(number)
        for number, epoch in rungs:
            source.reached(number, epoch)
        for number, leave in source.decide({number: runs[number].steps for number in at_work}).items():
            run = runs[number]
            run.saved = run.steps
            at_work.remove(number)
            if leave.pruned is not None:
                run.state, run.pruned = "finished", leave.pruned
                source.ended(number)
        if chance is not None and chance.random() < 0.05:
            raise KilledError
        if chance is not None and at_work and chance.random() < 0.02:  # out of memory
            number = at_work.pop()
            runs[number].steps = runs[number].saved
            source.returned(number)
