"""One of a sweep's runs as a job in a process of its own, here or on another machine."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from gan_experiments.errors import RunFailedError
from gan_experiments.sweeps.membership import lost
from gan_experiments.tracking.sweep_directory import JobDirectory


class ClusterJob:
    """What goes to the job's process, and what the launching one needs to know about it.

    Args:
        context: Hydra's.
        task: What the job runs.
        config: The sweep's configuration.
        number: The job's number in the sweep.
        overrides: What it has of its own.

    Attributes:
        number: As given.
        overrides: As given.
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
        return self._run(self._task, job_id)

    def ended_without_a_word(self, job_id: str, reason: str) -> JobReturn:
        """All that Hydra does for a job that failed, where the job's own process could not do it any more.

        Args:
            job_id: The cluster's.
            reason: Why it ended, in one line.
        """

        def fail(_: DictConfig) -> float:
            return lost(JobDirectory(HydraConfig.get().runtime.output_dir), RunFailedError(reason))

        return self._run(fail, job_id, configure_logging=False)

    def _run(self, task: TaskFunction, job_id: str, configure_logging: bool = True) -> JobReturn:
        config = self._context.config_loader.load_sweep_config(self._config, self.overrides)
        with open_dict(config.hydra.job):
            config.hydra.job.id, config.hydra.job.num = job_id, self.number
        return run_job(
            hydra_context=self._context,
            task_function=task,
            config=config,
            job_dir_key="hydra.sweep.dir",
            job_subdir_key="hydra.sweep.subdir",
            configure_logging=configure_logging,
        )
