"""Everything that Hydra is told at its start: the schemas that groups and launchers name in their defaults lists."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import MISSING, OmegaConf

from gan_experiments.configuration.part_schemas import PART_SCHEMAS
from gan_experiments.configuration.schema import Config, EvaluateConfig, FusedConfig, TrackingConfig, TrainConfig

_PACKAGE = Path(__file__).resolve().parents[1]
_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME")
"""Variables that say where runs are recorded, for those whose configuration does not say it."""
CONFIG_DIR = next(
    folder for folder in (_PACKAGE / "conf", _PACKAGE.parent / "conf") if (folder / "config.yaml").is_file()
)
"""In a wheel the configuration lies inside the package, in a checkout next to it."""
TARGET = "hydra_plugins.gan_experiments_optuna_sweeper.sweeper.OptunaSweeper"
GRID_TARGET = "hydra_plugins.gan_experiments_grid_sweeper.sweeper.GridSweeper"


@dataclass
class OptunaSchema:
    """Searches with Optuna."""

    _target_: str = TARGET
    _recursive_: bool = False  # sampler and pruner are made when they are needed
    sampler: Any = MISSING
    pruner: Any = None
    n_trials: int = MISSING
    n_jobs: int = MISSING
    metric: Any = None
    direction: Any = None
    storage: str | None = None
    study_name: str | None = None
    params: dict[str, Any] | None = None


@dataclass
class GridSchema:
    """Combines all values, as Hydra's own sweeper does, and prunes."""

    _target_: str = GRID_TARGET
    _recursive_: bool = False
    pruner: Any = None
    metric: str | None = None
    params: dict[str, Any] | None = None


SCHEMAS: tuple[tuple[str, str, type], ...] = (
    *PART_SCHEMAS,
    ("train", "schema_train", TrainConfig),
    ("evaluate", "schema_evaluate", EvaluateConfig),
    ("tracking", "schema_tracking", TrackingConfig),
)
"""Group, name for defaults lists, and dataclass. The names belong to no group, so that nobody is offered them."""

WITHOUT_OPTIONS: tuple[tuple[str, type], ...] = (("fused", FusedConfig),)
"""Groups of keys that are always there, with no options to choose from."""


def register() -> None:
    """Make every schema known to Hydra; YAML files name theirs in their defaults list."""
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    for name in _VARIABLES:
        if not os.environ.get(name, "?"):
            del os.environ[name]  # set to nothing is not set, as MLflow has it
    for group, name, node in SCHEMAS:
        store.store(name=name, node=node, package=group)
    experiment = {"experiment": f"${{oc.env:{_VARIABLES[1]},{TrackingConfig.experiment}}}"}
    tracking = OmegaConf.merge(OmegaConf.structured(TrackingConfig), experiment)
    store.store(name="schema_tracking", node=tracking, package="tracking")
    store.store(name="schema_optuna", node=OptunaSchema, package="hydra.sweeper")
    store.store(name="schema_grid", node=GridSchema, package="hydra.sweeper")
    _register_launchers(store)


def _register_launchers(store: ConfigStore) -> None:
    """Let this project's files describe the launchers that they name, and offer each as ``hydra/launcher/through``.

    Published plugins register options of the same names, which Hydra would hold these files against, and warn of it.
    """
    Plugins.instance()  # loads all plugins
    published = store.repo.get("hydra", {}).get("launcher", {})
    for file in (CONFIG_DIR / "hydra" / "launcher").glob("*.yaml"):
        published.pop(file.name, None)
        if file.stem != "fused":  # a group of runs does not train through groups of runs
            option = {"defaults": [f"/hydra/launcher/{file.stem}@_here_"]}
            store.store(group="hydra/launcher/through", name=file.stem, node=option)


def schemas() -> list[tuple[str, type]]:
    """Every group's name with a dataclass of its keys."""
    return [*((group, schema) for group, _, schema in SCHEMAS), *WITHOUT_OPTIONS]
