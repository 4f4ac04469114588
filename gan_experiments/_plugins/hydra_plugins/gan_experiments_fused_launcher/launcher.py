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
from omegaconf import DictConfig, open_dict

log = logging.getLogger(__name__)


class FusedLauncher(Launcher):
    """Runs the jobs of ``gan_experiments.run`` as one program where they can be, any others one after another.

    Args:
        max_members: Most runs in one program.
    """

    def __init__(self, max_members: int) -> None:
        self._max_members = max_members

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """As Hydra's launchers do."""
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs; what each returned, in their order."""
        from gan_experiments.sweeps.fused import FusedJobs

        setup_globals()
        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
        Path(self._config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        log.info(f"Launching {len(job_overrides)} jobs, together where they can be")
        jobs = []
        for number, overrides in enumerate(job_overrides, initial_job_idx):
            log.info(f"\t#{number} : {' '.join(filter_overrides(overrides))}")
            job = self._context.config_loader.load_sweep_config(self._config, list(overrides))
            with open_dict(job):
                job.hydra.job.id = job.hydra.job.num = number
            jobs.append(job)
        return FusedJobs(self._context, self._task, self._max_members).run(jobs)
