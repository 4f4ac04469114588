"""``hydra/sweeper=grid``: a list of settings, of which hopeless ones are pruned.

Hydra loads this file at every start of every program, so it imports nothing that takes time.
"""

from __future__ import annotations

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from gan_experiments.sweeps.sweeper import ProjectSweeper


class GridSweeper(ProjectSweeper):
    """Hands all jobs to a launcher with slots, one by one, and prunes; conf/hydra/sweeper/grid.yaml has its keys."""

    def run(self, config: DictConfig, launcher: Launcher) -> None:
        """Run all jobs."""
        from gan_experiments.sweeps.search import grid

        grid.run(config, launcher)
