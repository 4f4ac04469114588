"""Trials that Optuna is asked for one by one, whenever a place is free."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import DictConfig
from optuna.study import Study
from optuna.trial import Trial as Reported
from optuna.trial import TrialState

from gan_experiments.sweeps.search import results, trials
from gan_experiments.sweeps.search.lengths import Lengths
from gan_experiments.sweeps.search.sampler import make_sampler
from gan_experiments.sweeps.search.schedule import PRUNED, Trial
from gan_experiments.sweeps.search.space import Space
from gan_experiments.sweeps.search.trials import TrialRuns
from gan_experiments.tracking.terminal import say


class AskedTrials:
    """The trials of a search: those that an earlier process asked for, then new ones.

    Args:
        study: The search's study.
        settings: ``hydra.sweeper``.
        space: What may be chosen.
        sweep: The sweep's nonce.
        metrics: Names of the metrics that it is judged by.
        lengths: Finds the lengths of runs.
        values: Returns a trial's score for each metric after all epochs, or None.
    """

    def __init__(
        self,
        study: Study,
        settings: DictConfig,
        space: Space,
        sweep: str,
        metrics: Mapping[str, Any],
        lengths: Lengths,
        values: Callable[[Trial], list[float] | None],
    ) -> None:
        self._study, self._settings, self._space, self._sweep = study, settings, space, sweep
        self._metrics, self._lengths, self._values = metrics, lengths, values
        self._known = trials.of_sweep(study, sweep)
        ended = sum(tried.trial.state.is_finished() for tried in self._known)
        elsewhere = trials.count_ended(study) - ended
        self._total = max(len(self._known), settings.n_trials - elsewhere)
        self._begun: list[TrialRuns] = []
        self._overrides: dict[int, list[str]] = {}

    def left(self) -> int:
        """Return how many have not begun yet."""
        return self._total - len(self._begun)

    def next(self) -> Trial | None:
        """Ask for the next one, unless it is known; None if that were too many."""
        if not self.left():
            return None
        number = len(self._begun)
        tried = self._known[number] if number < len(self._known) else self._ask()
        self._begun.append(tried)
        jobs = self._space.jobs(tried.trial.params)
        self._overrides |= dict(zip(tried.numbers, jobs, strict=True))
        return Trial(number, tried.numbers, self._lengths.of(jobs[0]))

    def overrides(self, number: int) -> list[str]:
        """Return the overrides of a run."""
        return self._overrides[number]

    def outlook(self) -> dict[int, list[str]]:
        """Return jobs that show each choice and both ends of each range."""
        return {-number: job for number, job in enumerate(self._space.probes(), 1)}

    def reached(self, trial: Trial, epoch: int, score: float | None) -> None:
        """Report a trial's score at a rung, unless that was done before."""
        known = self._now(trial)
        if score is not None and known.state == TrialState.RUNNING and epoch not in known.intermediate_values:
            Reported(self._study, known._trial_id).report(score, epoch)

    def ended(self, trial: Trial, score: float | None) -> None:
        """Tell how a trial has ended, unless that was done before."""
        known = self._now(trial)
        if trial.end == PRUNED:
            if known.state == TrialState.RUNNING:
                self._study.tell(known.number, state=TrialState.PRUNED)
            return
        values = self._values(trial)
        trials.tell(self._study, TrialRuns(known, self._begun[trial.number].first, len(trial.runs)), values)
        if known.state == TrialState.RUNNING:
            ended, total = trials.count_ended(self._study), self._settings.n_trials
            say(f"search    {ended} of {total} trials: {results.so_far(self._study, self._metrics)}", sys.stdout)

    def _ask(self) -> TrialRuns:
        first = self._begun[-1].numbers.stop if self._begun else 0
        self._study.sampler = make_sampler(self._settings.sampler, trials.count_asked(self._study))
        trial = self._study.ask(self._space.distributions)
        return trials.mark(self._study, trial, self._sweep, first, len(self._space.seeds))

    def _now(self, trial: Trial) -> Any:
        """Return a trial as the study has it now."""
        number = self._begun[trial.number].trial.number
        return self._study.get_trials(deepcopy=False)[number]
