"""Keys of ``hydra/sweeper=optuna``; meanings and defaults are in its YAML file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

TARGET = "hydra_plugins.gan_experiments_optuna_sweeper.sweeper.OptunaSweeper"


@dataclass
class OptunaSchema:
    """Searches with Optuna."""

    _target_: str = TARGET
    sampler: Any = MISSING
    n_trials: int = MISSING
    n_jobs: int = MISSING
    metric: Any = None
    direction: Any = None
    storage: str | None = None
    study_name: str | None = None
    params: dict[str, Any] | None = None


def register() -> None:
    """Make the schema known to Hydra; the sweeper's YAML file names it in its defaults list."""
    ConfigStore.instance().store(name="schema_optuna", node=OptunaSchema, package="hydra.sweeper")
