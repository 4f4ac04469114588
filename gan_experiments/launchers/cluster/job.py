"""One of a sweep's runs as a job in a separate process, here or on another machine."""

from __future__ import annotations

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from gan_experiments.errors import RunFailedError
from gan_experiments.launchers.hydra_job import report_lost_job, run_hydra_job


class ClusterJob:
    """A job: what its process needs, and what the launching process needs to know about it.

    Args:
        context: Hydra's.
        task: What the job runs.
        config: The sweep's configuration.
        number: The job's number in the sweep.
        overrides: The job's own.
    """

    def __init__(
        self, context: HydraContext, task: TaskFunction, config: DictConfig, number: int, overrides: list[str]
    ) -> None:
        self.number, self.overrides = number, overrides
        self._context, self._task, self._config = context, task, config
        self._singletons = Singleton.get_state()

    def run(self, job_id: str) -> JobReturn:
        """Run the job, in its own process.

        Args:
            job_id: The cluster's.
        """
        Singleton.set_state(self._singletons)
        setup_globals()
        return run_hydra_job(self._context, self._task, self._composed(job_id))

    def report_lost(self, job_id: str, reason: str) -> JobReturn:
        """Do all that Hydra does for a failed job, if the job's own process could not do it any more.

        Args:
            job_id: The cluster's.
            reason: Why it ended, in one line.
        """
        return report_lost_job(self._context, self._composed(job_id), RunFailedError(reason))

    def _composed(self, job_id: str) -> DictConfig:
        config = self._context.config_loader.load_sweep_config(self._config, self.overrides)
        with open_dict(config.hydra.job):
            config.hydra.job.id, config.hydra.job.num = job_id, self.number
        return config
