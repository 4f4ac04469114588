"""Pruning of trials by Optuna's pruners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState
from optuna.trial import Trial as Reported

from gan_experiments.sweeps.search.schedule import COMPLETE, PRUNED, Trial


class ByOptuna:
    """Reports every trial to a study of its own, in memory, at each rung, and goes by what the pruner says.

    The study has the trials as they are at this moment of logical time, also while a search that was killed is
    replayed; the search's own has what came later, too.

    Args:
        pruner: One of ``optuna.pruners``.
        rungs: Epochs of the rungs.
        direction: ``minimize`` or ``maximize``.
        name: Of the sweep: some pruners draw lots by their study's name.
        before: Trials of other sweeps, with which these are compared, too.
    """

    def __init__(
        self,
        pruner: BasePruner,
        rungs: Sequence[int],
        direction: Literal["minimize", "maximize"],
        name: str,
        before: Sequence[FrozenTrial] = (),
    ) -> None:
        self._rungs = rungs
        self._study = optuna.create_study(study_name=name, direction=direction, pruner=pruner)
        self._study.add_trials(before)
        self._reported: dict[Trial, Reported] = {}
        self._given_up: list[Trial] = []

    def reached(self, trial: Trial, score: float | None) -> None:
        """Report a trial's score at a rung."""
        reported = self._of(trial)
        if score is not None:
            reported.report(score, self._rungs[trial.passed - 1])

    def goes_on(self, trial: Trial) -> bool:
        """Ask the pruner."""
        if not self._of(trial).should_prune():
            return True
        self._given_up.append(trial)
        return False

    def hopeless(self, coming: Sequence[int]) -> list[Trial]:
        """Return what the pruner has just given up."""
        given_up, self._given_up = self._given_up, []
        for trial in given_up:
            self._tell(trial, TrialState.PRUNED)
        return given_up

    def promote(self) -> Trial | None:
        """Return None: no trial waits at a rung."""
        return None

    def ended(self, trial: Trial, score: float | None) -> None:
        """Tell the study how a trial has ended."""
        if trial.end == PRUNED:
            self._tell(trial, TrialState.PRUNED)
        elif trial.end == COMPLETE and score is not None:
            self._tell(trial, TrialState.COMPLETE, score)
        else:
            self._tell(trial, TrialState.FAIL)

    @property
    def share(self) -> float:
        """1, because any number of trials may go on."""
        return 1.0

    def _of(self, trial: Trial) -> Reported:
        if trial not in self._reported:
            self._reported[trial] = self._study.ask()
        return self._reported[trial]

    def _tell(self, trial: Trial, state: TrialState, value: float | None = None) -> None:
        self._study.tell(self._of(trial), value, state)
