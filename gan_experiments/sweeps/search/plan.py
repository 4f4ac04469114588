"""The search that a command line asks for, known without importing Optuna."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from gan_experiments.configuration.store import GRID_TARGET, TARGET
from gan_experiments.errors import UserError
from gan_experiments.sweeps import plan

if TYPE_CHECKING:
    from gan_experiments.sweeps.search.space import Space


def is_optuna(config: DictConfig) -> bool:
    """Return whether the sweeper is this project's ``optuna``."""
    return config.hydra.sweeper._target_ == TARGET


def is_pruned_grid(config: DictConfig) -> bool:
    """Return whether the sweep is a list of settings that is pruned."""
    return config.hydra.sweeper._target_ == GRID_TARGET and has_pruner(config)


def has_pruner(config: DictConfig) -> bool:
    """Return whether a sweep prunes."""
    return (config.hydra.sweeper.get("pruner") or {}).get("_target_") is not None


def space(config: DictConfig) -> Space:
    """Return what a search with Optuna may choose.

    Raises:
        UserError: Nothing, or something in a way that it cannot take, or Optuna is not installed.
    """
    if find_spec("optuna") is None:
        raise UserError("hydra/sweeper=optuna: is not installed; pip install 'gan-experiments[optuna]'")
    from gan_experiments.sweeps.search.space import find_space

    return find_space(plan.overrides(config))


def first_jobs(config: DictConfig) -> list[list[str]]:
    """Return the overrides of the jobs to check before a sweep starts.

    For a search with Optuna, these are runs that show every value which must be right; for any other sweep, all jobs
    that are known.
    """
    return space(config).probes() if is_optuna(config) else plan.jobs(config)
