"""A sweep of a list of settings, of which hopeless ones are pruned."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import cast

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from gan_experiments.configuration.override import read
from gan_experiments.reports.ranking_metric import RankingMetric, ranking_metric
from gan_experiments.sweeps import plan
from gan_experiments.sweeps.search.lengths import Lengths
from gan_experiments.sweeps.search.plan import has_pruner
from gan_experiments.sweeps.search.pruning import Pruning, make_policy
from gan_experiments.sweeps.search.run_folders import RunFolders
from gan_experiments.sweeps.search.schedule import COMPLETE, PRUNED, Trial
from gan_experiments.sweeps.search.slots import SlotSource
from gan_experiments.sweeps.source import Follower
from gan_experiments.tracking.sweep_directory import SweepDirectory
from gan_experiments.tracking.terminal import say


class Settings:
    """The settings of a grid, as trials.

    Args:
        jobs: All jobs, in the order of their numbers.
        lengths: Finds their lengths.
        goal: The metric that is compared.
        metric: Its name.

    Attributes:
        seeds: Most runs of a setting.
    """

    def __init__(self, jobs: Sequence[list[str]], lengths: Lengths, goal: RankingMetric, metric: str) -> None:
        self._jobs, self._lengths, self._goal, self._metric = jobs, lengths, goal, metric
        self._runs = seeds_of(jobs)
        self.seeds = max(map(len, self._runs))
        self._begun, self._aloud = 0, False
        self._ended: list[Trial] = []
        self._best: float | None = None

    def left(self) -> int:
        """Return how many have not begun yet."""
        return len(self._runs) - self._begun

    def next(self) -> Trial | None:
        """Return the next one that has not begun, or None."""
        if not self.left():
            return None
        number, runs = self._begun, self._runs[self._begun]
        self._begun += 1
        return Trial(number, runs, self._lengths.of(self._jobs[runs[0]]))

    def overrides(self, number: int) -> list[str]:
        """Return the overrides of a run."""
        return self._jobs[number]

    def outlook(self) -> dict[int, list[str]]:
        """Return all jobs."""
        return dict(enumerate(self._jobs))

    def reached(self, trial: Trial, epoch: int, score: float | None) -> None:
        """Do nothing: the policy hears of it, too."""

    def ended(self, trial: Trial, score: float | None) -> None:
        """Count a setting that has ended."""
        self._ended.append(trial)
        if trial.end == COMPLETE and score is not None:
            better = max if self._goal.larger_is_better else min
            self._best = score if self._best is None else better(score, self._best)
            if self._aloud:
                say(self.so_far(), sys.stdout)

    def speak(self) -> None:
        """Tell from now on of settings that have come to their end."""
        self._aloud = True

    def so_far(self) -> str:
        """Say in a line how many have ended, and what is best."""
        pruned = sum(trial.end == PRUNED for trial in self._ended)
        best = "none has a score yet" if self._best is None else f"best {self._metric} {self._best:.4g}"
        return f"pruning   {len(self._ended)} of {len(self._runs)} settings, {pruned} pruned: {best}"


def run(config: DictConfig, launcher: Launcher) -> None:
    """Run all jobs of a grid.

    Args:
        config: Hydra's configuration of the sweep.
        launcher: What runs them; one with slots if the sweep prunes.
    """
    # 1. Without a pruner it is a grid as any other.
    jobs = plan.jobs(config)
    if not has_pruner(config):
        for returned in launcher.launch(jobs, initial_job_idx=0):
            _ = returned.return_value  # raises what has kept a job from running
        return

    # 2. Take up what was decided before.
    directory = SweepDirectory(config.hydra.sweep.dir)
    content = directory.content()
    pruning = Pruning(**content["pruning"])
    goals = {pruning.metric: ranking_metric(pruning.metric)}
    settings = Settings(jobs, Lengths(config), goals[pruning.metric], pruning.metric)
    folders = RunFolders(directory, goals)
    policy = make_policy(config, pruning, goals, content["nonce"])
    source = SlotSource(settings, folders, policy, pruning.places, pruning.rungs, settings.seeds)

    # 3. Train.
    settings.speak()
    cast(Follower, launcher).follow(source)
    folders.finish()


def seeds_of(jobs: Sequence[Sequence[str]]) -> list[list[int]]:
    """Return the numbers of the jobs of each setting, which differ in their seeds alone."""
    settings: dict[tuple[str, ...], list[int]] = {}
    for number, job in enumerate(jobs):
        settings.setdefault(tuple(each.text for each in read(job) if each.key != "seed"), []).append(number)
    return list(settings.values())
