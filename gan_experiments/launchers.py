"""Launchers of ``hydra/launcher`` that need more than this package: what, and whether it is here."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from gan_experiments.errors import UserError

NEEDS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "joblib"),
    "submitit_local": ("submitit", "slurm"),
    "submitit_slurm": ("submitit", "slurm"),
}
"""Module and extra that each needs."""
ELSEWHERE = ("submitit_slurm",)
"""Those whose runs need not find what they need on the machine that starts them: a login node has no GPU."""


def register() -> None:
    """Let this project's files describe the launchers, and not what published plugins say under the same names.

    Hydra would hold the files against those, and warn of doing so.
    """
    Plugins.instance()  # loads them all
    options = ConfigStore.instance().repo.get("hydra", {}).get("launcher", {})
    for name in NEEDS:
        options.pop(f"{name}.yaml", None)


def check(option: str, keys: Any) -> None:
    """Make sure that a launcher can work on this machine.

    Args:
        option: Of ``hydra/launcher``.
        keys: ``hydra.launcher``.

    Raises:
        UserError: It cannot.
    """
    if option not in NEEDS:
        return
    module, extra = NEEDS[option]
    if not _is_installed(module):
        raise UserError(f"hydra/launcher={option}: is not installed; pip install 'gan-experiments[{extra}]'")
    if option == "submitit_slurm" and shutil.which("sbatch") is None:
        raise UserError(f"hydra/launcher={option}: there is no sbatch here; start the sweep where SLURM is")
    if option == "joblib" and (not isinstance(keys.n_jobs, int) or keys.n_jobs == 0):
        raise UserError(f"hydra.launcher.n_jobs={keys.n_jobs}: must be a whole number above 0, or -1 for one a core")


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False
