"""What launchers whose jobs run in processes of a cluster have in common.

Hydra loads this file at every start of every program, so it imports nothing that takes time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class ClusterLauncher(Launcher):
    """Hands a sweep's jobs over, and waits for them."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """As Hydra's launchers do."""
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs; what each returned, in their order."""
        setup_globals()
        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
        Path(self._config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        return self.run([(number, list(own)) for number, own in enumerate(job_overrides, initial_job_idx)])

    @abstractmethod
    def run(self, jobs: Sequence[tuple[int, list[str]]]) -> Sequence[JobReturn]:
        """Run jobs, each by itself; what each returned, in their order.

        Args:
            jobs: Number and overrides of each.
        """
