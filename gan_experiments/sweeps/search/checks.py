"""Checks of a search before it starts."""

from __future__ import annotations

import optuna
from omegaconf import DictConfig, OmegaConf

from gan_experiments.errors import UserError
from gan_experiments.reports.goals import directions, find_goals, metrics_of
from gan_experiments.reports.ranking_metric import RankingMetric
from gan_experiments.sweeps import plan
from gan_experiments.sweeps.search.plan import space as searched_space
from gan_experiments.sweeps.search.sampler import check_sampler
from gan_experiments.sweeps.search.space import Space
from gan_experiments.sweeps.search.storage import check_study
from gan_experiments.tracking.sweep_directory import SweepDirectory


def check(config: DictConfig) -> None:
    """Check everything about a search that can be known before it starts, except its runs.

    Args:
        config: Hydra's configuration of the sweep.

    Raises:
        UserError: One line: the key, the value, what is allowed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    settings = config.hydra.sweeper
    for key in ("n_trials", "n_jobs"):
        if settings[key] < 1:
            raise UserError(f"hydra.sweeper.{key}={settings[key]}: must be a whole number, at least 1")
    space = searched_space(config)
    goals = goals_for(config, space)
    check_sampler(settings.sampler, space.distributions, directions(goals))
    check_study(settings, SweepDirectory(config.hydra.sweep.dir), space.distributions, goals)


def goals_for(config: DictConfig, space: Space) -> dict[str, RankingMetric]:
    """Return what a search is judged by: metrics that all of its runs will have.

    Raises:
        UserError: They will not have what is asked for.
    """
    kinds: dict[str, list[str]] = {}
    for cfg in plan.compose(config, space.probes()):
        kind = OmegaConf.to_yaml(OmegaConf.masked_copy(cfg, ["data", "evaluate"]), resolve=True)
        if kind not in kinds:
            kinds[kind] = metrics_of(cfg)
    first, *others = kinds.values()
    settings = OmegaConf.to_container(config.hydra.sweeper, resolve=True)
    assert isinstance(settings, dict)
    shared = [name for name in first if all(name in names for names in others)]
    return find_goals(settings["metric"], settings["direction"], shared)
