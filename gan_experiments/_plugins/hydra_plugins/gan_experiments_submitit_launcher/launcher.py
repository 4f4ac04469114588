"""``hydra/launcher=submitit_local`` and ``submitit_slurm``: each of a sweep's runs is a job of its own.

Hydra loads this file at every start of every program, so it imports nothing that takes time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gan_experiments.sweeps.cluster import schema

schema.register()


class SubmititLauncher(Launcher):
    """Hands the jobs to submitit, and waits for them.

    Args:
        parameters: Keys of the launcher's YAML.
    """

    cluster: ClassVar[str]

    def __init__(self, **parameters: Any) -> None:
        self._parameters = parameters

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """As Hydra's launchers do."""
        self._context, self._task, self._config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs; what each returned, in their order."""
        from gan_experiments.sweeps.cluster.submitit_job import SubmititJob
        from gan_experiments.sweeps.cluster.submitit_jobs import run

        setup_globals()
        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
        Path(self._config.hydra.sweep.dir).mkdir(parents=True, exist_ok=True)
        jobs = [
            SubmititJob(self._context, self._task, self._config, number, list(overrides))
            for number, overrides in enumerate(job_overrides, initial_job_idx)
        ]
        return run(jobs, self.cluster, self._parameters)


class LocalLauncher(SubmititLauncher):
    """On this machine."""

    cluster = "local"


class SlurmLauncher(SubmititLauncher):
    """On a cluster that SLURM runs."""

    cluster = "slurm"
