"""One of a sweep's jobs, run as Hydra runs it: folder, files, logging, callbacks, and the task."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, run_job
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gan_experiments.sweeps.membership import lost
from gan_experiments.tracking.sweep_directory import JobDirectory


def run_hydra_job(
    context: HydraContext, task: TaskFunction, config: DictConfig, configure_logging: bool = True
) -> JobReturn:
    """Run one job in this process.

    Args:
        context: Hydra's.
        task: What the job does.
        config: The job's configuration, Hydra's part included.
        configure_logging: Whether Hydra's logging becomes that of the job.
    """
    return run_job(
        hydra_context=context,
        task_function=task,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
        configure_logging=configure_logging,
    )


def report_lost_job(context: HydraContext, config: DictConfig, error: Exception) -> JobReturn:
    """Do all that Hydra does for a job that failed, if the job's own process could not do it any more.

    Args:
        context: Hydra's.
        config: The job's configuration.
        error: Why its process ended.
    """

    def fail(_: DictConfig) -> float:
        return lost(JobDirectory(HydraConfig.get().runtime.output_dir), error)

    return run_hydra_job(context, fail, config, configure_logging=False)
