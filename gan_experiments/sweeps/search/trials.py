"""The trials of a search: their runs, and their scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from gan_experiments.reports.ranking_metric import RankingMetric
from gan_experiments.reports.record import read_record
from gan_experiments.tracking.sweep_directory import JobDirectory

_ATTRIBUTE = "runs"
"""Name of an attribute of a trial: its sweep and its runs."""


@dataclass(frozen=True)
class TrialRuns:
    """A trial and its runs in the sweep.

    Attributes:
        trial: The trial as Optuna has it.
        first: Number of the first of its runs.
        count: Number of its runs, one for each seed.
    """

    trial: FrozenTrial
    first: int
    count: int

    @property
    def numbers(self) -> range:
        """Numbers of its runs."""
        return range(self.first, self.first + self.count)


def mark(study: Study, trial: Trial, sweep: str, first: int, count: int) -> TrialRuns:
    """Mark a new trial with its sweep, so that a search that was killed finds it again."""
    trial.set_user_attr(_ATTRIBUTE, {"sweep": sweep, "first": first, "count": count})
    return TrialRuns(study.get_trials(deepcopy=False)[trial.number], first, count)


def of_sweep(study: Study, sweep: str) -> list[TrialRuns]:
    """Return a sweep's trials in a study, by their runs' numbers; a retried trial appears once, with its success."""
    found: dict[int, TrialRuns] = {}
    for trial in study.get_trials(deepcopy=False):
        runs = trial.user_attrs.get(_ATTRIBUTE)
        if runs is not None and runs["sweep"] == sweep:
            found[runs["first"]] = TrialRuns(trial, runs["first"], runs["count"])  # what succeeded came later
    return [found[first] for first in sorted(found)]


def of_others(study: Study, sweep: str) -> list[FrozenTrial]:
    """Return the trials of a study that other programs have brought to an end."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return [trial for trial in ended if trial.user_attrs.get(_ATTRIBUTE, {}).get("sweep") != sweep]


def count_ended(study: Study) -> int:
    """Count the trials of a study that have ended, whichever program ran them; a retried trial counts once."""
    return _count([trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()])


def count_asked(study: Study) -> int:
    """Count the trials that have ended or are marked; those that a killed process never marked are not counted."""
    known = study.get_trials(deepcopy=False)
    return _count([trial for trial in known if trial.state.is_finished() or _ATTRIBUTE in trial.user_attrs])


def _count(trials: Iterable[FrozenTrial]) -> int:
    runs = [trial.user_attrs.get(_ATTRIBUTE, {"first": -1 - trial.number}) for trial in trials]
    return len({(each.get("sweep"), each["first"]) for each in runs})


def tell(study: Study, tried: TrialRuns, values: list[float] | None) -> None:
    """Tell a study the score of a trial, unless it has it; a trial that had failed before may have one now.

    Args:
        study: The study.
        tried: The trial.
        values: The score for each goal; None if the trial failed.
    """
    known = tried.trial
    if known.state == TrialState.RUNNING:
        study.tell(known.number, values, TrialState.FAIL if values is None else TrialState.COMPLETE)
    elif known.state == TrialState.FAIL and values is not None:  # a trial that has ended cannot be changed
        study.add_trial(
            create_trial(
                params=known.params, distributions=known.distributions, user_attrs=known.user_attrs, values=values
            )
        )


def values_of(runs: Sequence[JobDirectory], goals: Iterable[RankingMetric]) -> list[float] | None:
    """Return a trial's score for each goal: the mean over its finished runs; None if there is none.

    The report on a sweep takes the mean over the same runs.
    """
    finished = [record for record in (read_record(run, run.number(), {}) for run in runs) if record.outcome.finished]
    scores: list[list[Any]] = [[goal.value(record) for record in finished] for goal in goals]
    known = [[score for score in of if score is not None] for of in scores]
    return [float(np.mean(of)) for of in known] if all(known) else None
