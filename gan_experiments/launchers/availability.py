"""Launchers of ``hydra/launcher`` that need more than this package: what, and whether it is here."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import DictConfig

from gan_experiments.errors import UserError

NEEDS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "joblib"),
    "submitit_local": ("submitit", "slurm"),
    "submitit_slurm": ("submitit", "slurm"),
    "ray": ("ray", "ray"),
}
"""Module and extra that each needs."""


def register() -> None:
    """Let this project's files describe the launchers, and not what published plugins say under the same names.

    Hydra would hold the files against those, and warn of doing so.
    """
    Plugins.instance()  # loads them all
    options = ConfigStore.instance().repo.get("hydra", {}).get("launcher", {})
    for name in NEEDS:
        options.pop(f"{name}.yaml", None)


def check(hydra: DictConfig) -> None:
    """Make sure that the launcher of a sweep can work on this machine.

    Args:
        hydra: Hydra's part of the configuration.

    Raises:
        UserError: It cannot.
    """
    group, option, keys = _chosen(hydra)
    if option not in NEEDS:
        return
    module, extra = NEEDS[option]
    if not _is_installed(module):
        raise UserError(f"{group}={option}: is not installed; pip install 'gan-experiments[{extra}]'")
    if option == "submitit_slurm" and shutil.which("sbatch") is None:
        raise UserError(f"{group}={option}: there is no sbatch here; start the sweep where SLURM is")
    if option == "joblib" and (not isinstance(keys.n_jobs, int) or keys.n_jobs == 0):
        key = f"{group.replace('/', '.')}.n_jobs"
        raise UserError(f"{key}={keys.n_jobs}: must be a whole number above 0, or -1 for one a core")


def trains_here(hydra: DictConfig) -> bool:
    """Whether runs need what they need on the machine that starts them: a login node has no GPU.

    Args:
        hydra: Hydra's part of the configuration.
    """
    _, option, keys = _chosen(hydra)
    return option != "submitit_slurm" and not (option == "ray" and keys.ray.init.address != "local")


def _chosen(hydra: DictConfig) -> tuple[str, str, Any]:
    """The launcher that starts processes, if any does: the group that it was chosen from, its name, and its keys."""
    if hydra.runtime.choices.get("hydra/launcher/through"):
        return "hydra/launcher/through", hydra.runtime.choices["hydra/launcher/through"], hydra.launcher.through
    return "hydra/launcher", hydra.runtime.choices["hydra/launcher"], hydra.launcher


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False
