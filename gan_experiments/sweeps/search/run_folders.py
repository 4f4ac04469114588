"""How far the runs of a sweep have come, and their scores, read from their folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean

from gan_experiments.errors import UserError
from gan_experiments.reports.ranking_metric import RankingMetric
from gan_experiments.reports.record import RunRecord, read_record
from gan_experiments.runs.how_far import saved_step
from gan_experiments.sweeps.membership import deliver
from gan_experiments.sweeps.search.schedule import Standing, Trial
from gan_experiments.tracking.journal import read
from gan_experiments.tracking.pruned import prune_paused
from gan_experiments.tracking.run_directory import read_json
from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory

_DIVERGED = "not finite"


class RunFolders:
    """What the runs of a sweep have done so far.

    What this process trains is known from what it says; at its start, only what a checkpoint has counts as done,
    because the steps after it will be done again. A run that has diverged would do so again, and has ended for good;
    one that failed otherwise is tried again.

    Args:
        sweep: The sweep's folder.
        goals: The metrics by which it is judged, the one for rungs first.
    """

    def __init__(self, sweep: SweepDirectory, goals: Mapping[str, RankingMetric]) -> None:
        self._sweep, self._goals = sweep, list(goals.values())
        self._folders = {folder.number(): folder for folder in sweep.jobs()}
        self._standings = {number: _at_start(folder) for number, folder in self._folders.items()}
        self._to_prune: list[tuple[JobDirectory, int, str]] = []

    def standing(self, number: int) -> Standing:
        """Return how far a run has come."""
        return self._standings.get(number, Standing())

    def score(self, trial: Trial, epoch: int) -> float | None:
        """Return a trial's score after an epoch: the mean over its seeds that have one."""
        return _mean(self._goals[0], self._records(trial, epoch))

    def values(self, trial: Trial) -> list[float] | None:
        """Return a trial's score for each goal after all epochs, or None if it has none for one of them."""
        records = self._records(trial, trial.length.epochs)
        values = [value for goal in self._goals if (value := _mean(goal, records)) is not None]
        return values if len(values) == len(self._goals) else None

    def worked(self, number: int, steps: int) -> None:
        """Note that a run at work has done so many steps."""
        self._standings[number] = Standing(steps)

    def read_again(self, number: int, ended: bool) -> Standing:
        """Read from a run's folder how far it has come; it has ended for good, or lost its slot."""
        folder = self._folder(number)
        if folder is None:  # it failed before it had one
            self._standings[number] = Standing(ended=ended, failed=ended)
        elif ended:
            self._standings[number] = _at_end(folder)
        else:
            self._standings[number] = Standing(saved_step(folder))
        return self._standings[number]

    def give_up(self, number: int, rung: int, reason: str) -> None:
        """End a run that waits at a rung."""
        folder = self._folder(number)
        assert folder is not None
        self._standings[number] = replace(self.standing(number), ended=True, pruned=rung)
        try:
            prune_paused(folder, rung, reason)
        except UserError:  # this process has not closed its records yet
            self._to_prune.append((folder, rung, reason))

    def finish(self) -> None:
        """Bring to an end what had to wait, when nothing is at work any more: records, and delivery."""
        for folder, rung, reason in self._to_prune:
            prune_paused(folder, rung, reason)
        self._to_prune = []
        pruned = [self._folders[number] for number, known in self._standings.items() if known.pruned is not None]
        deliver([folder for folder in pruned if _is_undelivered(folder)])

    def _records(self, trial: Trial, epoch: int) -> list[RunRecord]:
        """Return the records of a trial's runs up to an epoch, without those that have failed before its end."""
        found: list[RunRecord] = []
        for number in trial.runs:
            folder = self._folder(number)
            if folder is None:
                continue
            record = read_record(folder, number, {})
            if not self.standing(number).failed or record.at("epoch", epoch) is not None:
                found.append(_until(record, epoch))
        return found

    def _folder(self, number: int) -> JobDirectory | None:
        if number not in self._folders:
            usual = JobDirectory(self._sweep.path / str(number))
            if usual.job.is_file() and usual.number() == number:
                self._folders[number] = usual
            else:
                self._folders |= {folder.number(): folder for folder in self._sweep.jobs()}
        return self._folders.get(number)


def _at_start(folder: JobDirectory) -> Standing:
    found = outcome(folder)
    if found.finished or (found.state == "failed" and _DIVERGED in found.reason):
        return _at_end(folder)
    return Standing(saved_step(folder))


def _at_end(folder: JobDirectory) -> Standing:
    """Read how a run has ended, though its folder may still be claimed for the last pictures."""
    if not folder.journal.is_file():
        return Standing(ended=True, failed=True)
    last = [line.get("status") for line, _ in read(folder.journal) if line["kind"] in ("session", "status")]
    record = read_record(folder, folder.number(), {})
    return Standing(record.steps, True, last[-1:] != ["FINISHED"], record.pruned)


def _until(record: RunRecord, epoch: int) -> RunRecord:
    """Return what was known of a run after an epoch."""
    metrics = {name: [point for point in points if point[0] <= epoch] for name, points in record.metrics.items()}
    return replace(record, metrics={name: points for name, points in metrics.items() if points})


def _mean(goal: RankingMetric, records: list[RunRecord]) -> float | None:
    values = [value for record in records if (value := goal.value(record)) is not None]
    return fmean(values) if values else None


def _is_undelivered(folder: JobDirectory) -> bool:
    uri = read_json(folder.run)["uri"]
    return uri is not None and not folder.is_delivered(uri)
