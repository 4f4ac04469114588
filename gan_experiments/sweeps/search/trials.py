"""A search's trials: which runs they are of, and what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from gan_experiments.reports.measure import Measure
from gan_experiments.reports.record import read_record
from gan_experiments.tracking.sweep_directory import JobDirectory

_ATTRIBUTE = "runs"
"""Attribute of a trial: of which sweep it is, and which runs are its."""


@dataclass(frozen=True)
class Tried:
    """A trial of a sweep.

    Attributes:
        trial: What Optuna knows of it.
        first: Number of the first of its runs.
        count: How many runs it has: one a seed.
    """

    trial: FrozenTrial
    first: int
    count: int

    @property
    def numbers(self) -> range:
        """Numbers of its runs."""
        return range(self.first, self.first + self.count)


def mark(study: Study, trial: Trial, sweep: str, first: int, count: int) -> Tried:
    """Write down of whose sweep a new trial is, so that a search which is killed knows it again."""
    trial.set_user_attr(_ATTRIBUTE, {"sweep": sweep, "first": first, "count": count})
    return Tried(study.get_trials(deepcopy=False)[trial.number], first, count)


def of_sweep(study: Study, sweep: str) -> list[Tried]:
    """The trials of one sweep among those of a study, by their runs' numbers; of one tried again, the better news."""
    found: dict[int, Tried] = {}
    for trial in study.get_trials(deepcopy=False):
        runs = trial.user_attrs.get(_ATTRIBUTE)
        if runs is not None and runs["sweep"] == sweep:
            found[runs["first"]] = Tried(trial, runs["first"], runs["count"])  # what succeeded came later
    return [found[first] for first in sorted(found)]


def count_ended(study: Study) -> int:
    """How many trials of a study have ended, whoever ran them; one tried again counts once."""
    return _count([trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()])


def count_asked(study: Study) -> int:
    """How many trials of a study have ended or are marked; what a killed process had begun to ask is neither."""
    known = study.get_trials(deepcopy=False)
    return _count([trial for trial in known if trial.state.is_finished() or _ATTRIBUTE in trial.user_attrs])


def _count(trials: Iterable[FrozenTrial]) -> int:
    runs = [trial.user_attrs.get(_ATTRIBUTE, {"first": -1 - trial.number}) for trial in trials]
    return len({(each.get("sweep"), each["first"]) for each in runs})


def tell(study: Study, tried: Tried, values: list[float] | None) -> None:
    """Tell a study what came of a trial, unless it knows; a trial that had failed before may have a score now.

    Args:
        study: The study.
        tried: The trial.
        values: Of each goal; None if it failed.
    """
    known = tried.trial
    if known.state == TrialState.RUNNING:
        study.tell(known.number, values, TrialState.FAIL if values is None else TrialState.COMPLETE)
    elif known.state == TrialState.FAIL and values is not None:  # Optuna lets nobody change a trial that has ended
        study.add_trial(
            create_trial(
                params=known.params, distributions=known.distributions, user_attrs=known.user_attrs, values=values
            )
        )


def values_of(runs: Sequence[JobDirectory], goals: Iterable[Measure]) -> list[float] | None:
    """What a trial scored: the mean over its runs that have finished, of each goal; None where there is none.

    The comparison of a sweep's runs means the same.
    """
    finished = [record for record in (read_record(run, run.number(), {}) for run in runs) if record.outcome.finished]
    scores: list[list[Any]] = [[goal.value(record) for record in finished] for goal in goals]
    known = [[score for score in of if score is not None] for of in scores]
    return [float(np.mean(of)) for of in known] if all(known) else None
