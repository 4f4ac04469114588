"""The base of this project's sweepers: what Hydra asks of each, and what all of them do before their jobs.

Hydra loads this file at every start of every program, so it imports nothing that takes time.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class ProjectSweeper(Sweeper):
    """Has a launcher run a sweep's jobs, one after another as their results ask for it.

    Args:
        settings: The keys of ``hydra.sweeper``.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives to every sweeper."""
        self.config, self.hydra_context = config, hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the whole sweep."""
        assert self.config is not None
        assert self.launcher is not None
        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        self.run(self.config, self.launcher)

    @abstractmethod
    def run(self, config: DictConfig, launcher: Launcher) -> None:
        """Run the sweep's jobs.

        Args:
            config: Hydra's configuration of the sweep.
            launcher: What runs them.
        """
