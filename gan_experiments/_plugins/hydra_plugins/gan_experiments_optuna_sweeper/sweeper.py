"""``hydra/sweeper=optuna``: searches for the values that score best.

Hydra loads this file at every start of every program, so it imports nothing that takes time.
"""

from __future__ import annotations

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from gan_experiments.sweeps.sweeper import ProjectSweeper


class OptunaSweeper(ProjectSweeper):
    """Asks Optuna for trials, has them run, and tells their scores; conf/hydra/sweeper/optuna.yaml has its keys."""

    def run(self, config: DictConfig, launcher: Launcher) -> None:
        """Run the whole search."""
        from gan_experiments.sweeps.search.search import Search

        Search(config, launcher).run()
