"""``hydra/launcher=fused``: trains a sweep's runs together.

Hydra loads this file at every start of every program, so it imports nothing that takes time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, configure_log, filter_overrides, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

log = logging.getLogger(__name__)


class FusedLauncher(Launcher):
    """Runs the jobs of ``gan_experiments.run`` as one program where they can be, any others one after another.

    Args:
        max_members: Most runs in one program.
        through: Launcher whose jobs such programs are; None to run them in this process.
    """

    def __init__(self, max_members: int, through: Launcher | None = None) -> None:
        self._max_members, self._through = max_members, through

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """As Hydra's launchers do."""
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs; what each returned, in their order."""
        setup_globals()
        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
        Path(self._config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        log.info(f"Launching {len(job_overrides)} jobs, together where they can be")
        members = list(enumerate(job_overrides, initial_job_idx))
        for number, overrides in members:
            log.info(f"\t#{number} : {' '.join(filter_overrides(overrides))}")
        if self._through is not None:
            from gan_experiments.launchers.fused import on_cluster

            return on_cluster.launch(
                self._through, self._context, self._task, self._config, self._max_members, members
            )
        from gan_experiments.launchers.fused.groups import compose
        from gan_experiments.launchers.fused.jobs import FusedJobs

        jobs = [compose(self._context, self._config, number, overrides) for number, overrides in members]
        return FusedJobs(self._context, self._task, self._max_members).run(jobs)
