"""One of a sweep's jobs, run as Hydra runs it: folder, files, logging, callbacks, and the task."""

from __future__ import annotations

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime, JobStatus, env_override, run_job
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gan_experiments.configuration.hydra_internals import job_files, shown
from gan_experiments.configuration.override import listed
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


def begin_job(context: HydraContext, task: TaskFunction, config: DictConfig) -> JobReturn:
    """Do all that Hydra does before a job's task, but for its logging and working directory, and return its result.

    Args:
        context: Hydra's.
        task: What the job does by itself, for the callbacks.
        config: The job's configuration, Hydra's part and output folder included.
    """
    stored = Path(config.hydra.runtime.output_dir, config.hydra.output_subdir)
    stored.mkdir(parents=True, exist_ok=True)
    for name, text in job_files(config).items():
        (stored / name).write_text(text, encoding="utf-8")
    # Hydra makes two copies of the configuration here, one for each part.
    job = JobReturn(
        listed(config.hydra.overrides.task), config, config, str(Path.cwd()), JobRuntime.instance().get("name")
    )
    with shown(config), env_override(config.hydra.job.env_set):
        context.callbacks.on_job_start(config=config, task_function=task)
    return job


def end_job(context: HydraContext, job: JobReturn, config: DictConfig, outcome: float | Exception) -> None:
    """Do all that Hydra does after a job's task.

    Args:
        context: Hydra's.
        job: As ``begin_job`` returned it.
        config: The job's configuration.
        outcome: What its task returned or raised.
    """
    job.return_value = outcome
    job.status = JobStatus.FAILED if isinstance(outcome, Exception) else JobStatus.COMPLETED
    with shown(config):
        context.callbacks.on_job_end(config=config, job_return=job)
    job.cfg = job.hydra_cfg = None  # a thousand of them are a gigabyte


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
