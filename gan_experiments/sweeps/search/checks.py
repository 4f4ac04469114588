"""Checks of a search before it starts."""

from __future__ import annotations

import optuna
from omegaconf import DictConfig

from gan_experiments.errors import UserError
from gan_experiments.reports.goals import directions
from gan_experiments.sweeps.search import pruning
from gan_experiments.sweeps.search.judging import goals_for
from gan_experiments.sweeps.search.plan import has_pruner
from gan_experiments.sweeps.search.plan import space as searched_space
from gan_experiments.sweeps.search.sampler import check_sampler
from gan_experiments.sweeps.search.storage import check_study
from gan_experiments.tracking.sweep_directory import SweepDirectory


def check(config: DictConfig, has_slots: bool) -> None:
    """Check everything about a search that can be known before it starts, except its runs.

    Args:
        config: Hydra's configuration of the sweep.
        has_slots: Whether the launcher lets runs join and leave while others train.

    Raises:
        UserError: One line: the key, the value, what is allowed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    settings = config.hydra.sweeper
    for key in ("n_trials", "n_jobs"):
        if settings[key] < 1:
            raise UserError(f"hydra.sweeper.{key}={settings[key]}: must be a whole number, at least 1")
    space = searched_space(config)
    goals = goals_for(config, space.probes())
    if has_pruner(config):
        pruning.check(config, space.probes(), goals, has_slots)
    check_sampler(settings.sampler, space.distributions, directions(goals))
    check_study(settings, SweepDirectory(config.hydra.sweep.dir), space.distributions, goals)
