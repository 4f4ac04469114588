"""A search: trials are asked for, trained as jobs of the sweep, and their scores told, in batches or one by one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import cast

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig
from optuna.trial import TrialState

from gan_experiments.reports.goals import goals_of
from gan_experiments.sweeps.search import results, trials
from gan_experiments.sweeps.search.asking import AskedTrials
from gan_experiments.sweeps.search.lengths import Lengths
from gan_experiments.sweeps.search.plan import space
from gan_experiments.sweeps.search.pruning import Pruning, make_policy
from gan_experiments.sweeps.search.run_folders import RunFolders
from gan_experiments.sweeps.search.sampler import make_sampler
from gan_experiments.sweeps.search.schedule import NoRungs, Policy
from gan_experiments.sweeps.search.slots import SlotSource
from gan_experiments.sweeps.search.storage import open_study
from gan_experiments.sweeps.search.trials import TrialRuns
from gan_experiments.sweeps.source import Follower
from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import SweepDirectory
from gan_experiments.tracking.terminal import say


class Search:
    """The search of one sweep, from its start or from where it stopped.

    Args:
        config: Hydra's configuration of the sweep.
        launcher: What runs jobs: in batches, or one by one if it has slots.
    """

    def __init__(self, config: DictConfig, launcher: Launcher) -> None:
        self._config, self._launcher = config, launcher
        self._settings, self._space = config.hydra.sweeper, space(config)
        self._directory = SweepDirectory(config.hydra.sweep.dir)
        sweep = self._directory.content()
        self._sweep, self._goals = sweep["nonce"], goals_of(sweep)
        self._places: int | None = sweep["search"].get("places")  # searches that began in batches go on in batches
        self._study = open_study(self._settings, self._directory, self._goals)
        self._directory.remember(search=sweep["search"] | {"study": self._study.study_name})

    def run(self) -> None:
        """Run the trials that are missing, and write down which are best."""
        if self._places is not None and getattr(self._launcher, "has_slots", False):
            self._run_one_by_one(self._places)
        else:
            self._run_batches()
        results.write(self._study, self._directory)

    def _run_one_by_one(self, places: int) -> None:
        folders = RunFolders(self._directory, self._goals)
        content = self._directory.content().get("pruning")
        pruning = None if content is None else Pruning(**content)
        asked = AskedTrials(
            self._study, self._settings, self._space, self._sweep, self._goals, Lengths(self._config), folders.values
        )
        policy: Policy = NoRungs()
        if pruning is not None:
            others = trials.of_others(self._study, self._sweep)
            policy = make_policy(self._config, pruning, self._goals, self._sweep, others)
        source = SlotSource(
            asked, folders, policy, places, () if pruning is None else pruning.rungs, len(self._space.seeds)
        )
        cast(Follower, self._launcher).follow(source)
        folders.finish()

    def _run_batches(self) -> None:
        for batch in self._left():
            self._try(batch)
        while (missing := self._settings.n_trials - trials.count_ended(self._study)) > 0:
            self._try([self._ask() for _ in range(min(missing, self._settings.n_jobs))])

    def _left(self) -> Iterator[Sequence[TrialRuns]]:
        """Yield the batches that an earlier process left incomplete: trials without a score, or that failed."""
        known, size = trials.of_sweep(self._study, self._sweep), self._settings.n_jobs
        for batch in (known[first : first + size] for first in range(0, len(known), size)):
            if any(tried.trial.state != TrialState.COMPLETE for tried in batch):
                yield batch

    def _ask(self) -> TrialRuns:
        known = trials.of_sweep(self._study, self._sweep)
        first = known[-1].numbers.stop if known else 0
        self._study.sampler = make_sampler(self._settings.sampler, trials.count_asked(self._study))
        trial = self._study.ask(self._space.distributions)
        return trials.mark(self._study, trial, self._sweep, first, len(self._space.seeds))

    def _try(self, batch: Sequence[TrialRuns]) -> None:
        """Run a batch's jobs, and tell Optuna the scores."""
        folders = {folder.number(): folder for folder in self._directory.jobs()}
        numbers = [number for tried in batch for number in tried.numbers]
        if not all(number in folders and outcome(folders[number]).finished for number in numbers):
            jobs = [job for tried in batch for job in self._space.jobs(tried.trial.params)]
            for returned in self._launcher.launch(jobs, initial_job_idx=batch[0].first):
                _ = returned.return_value  # raises what has kept a job from running
            folders = {folder.number(): folder for folder in self._directory.jobs()}
        for tried in batch:
            runs = [folders[number] for number in tried.numbers if number in folders]
            trials.tell(self._study, tried, trials.values_of(runs, self._goals.values()))
        ended = trials.count_ended(self._study)
        found = results.so_far(self._study, self._goals)
        say(f"search    {ended} of {self._settings.n_trials} trials: {found}", sys.stdout)
