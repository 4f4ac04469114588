"""Hydra's callbacks before a run, around a sweep and around each of its jobs; conf/config.yaml names both classes."""

from __future__ import annotations

import gc
import math
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration.command_line import not_swallowed, user_errors
from gan_experiments.configuration.sweep_loader import compose_jobs_at_once
from gan_experiments.errors import UserError
from gan_experiments.launchers import availability
from gan_experiments.runs.checks import check, check_output, check_single
from gan_experiments.runs.same_data import check_same_data_in_sweep
from gan_experiments.sweeps import lifecycle, plan
from gan_experiments.sweeps.search.plan import first_jobs, is_optuna, is_pruned_grid
from gan_experiments.sweeps.task import TrainRun
from gan_experiments.tracking.run_directory import write_json
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory
from gan_experiments.tracking.terminal import busy
from gan_experiments.tracking.writable_folder import check_folder


class Preflight(Callback):
    """Refuses runs and sweeps before anything is written."""

    _state: dict[str, Any] | None = None

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check a single run."""
        with not_swallowed(), user_errors():
            HydraConfig.instance().set_config(config)
            self._state = check_single(config)

    def on_job_start(self, config: DictConfig, *, task_function: TaskFunction, **kwargs: Any) -> None:
        """Hand on the checkpoint that a single run resumes from, so that it is read once."""
        if config.hydra.mode == RunMode.RUN and isinstance(task_function, TrainRun):
            task_function.resume_from(self._state)
            self._state = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check every run of a sweep; for a search, runs that show all values it may choose."""
        with not_swallowed(), user_errors():
            compose_jobs_at_once()
            gc.freeze()  # what is imported by now stays: to look through it for each of many jobs takes a while
            check_output(config)
            availability.check(config.hydra)
            here = availability.trains_here(config.hydra)
            jobs = first_jobs(config)
            with busy(f"checking the sweep's {len(jobs)} runs" if len(jobs) > 1 else "checking the sweep"):
                for cfg in plan.compose(config, jobs):
                    check(cfg, here)
                    if cfg.train.resume not in (None, "auto"):
                        raise UserError(f"train.resume={cfg.train.resume}: must be auto or null in a sweep")
            check_folder("hydra.sweep.dir", config.hydra.sweep.dir)
            if is_optuna(config):
                from gan_experiments.sweeps.search.checks import check as check_search

                check_search(config, availability.has_slots(config.hydra))
            elif is_pruned_grid(config):
                from gan_experiments.sweeps.search.judging import goals_for
                from gan_experiments.sweeps.search.pruning import check as check_pruning

                check_pruning(config, jobs, goals_for(config, jobs), availability.has_slots(config.hydra))


class SweepFrame(Callback):
    """Makes a sweep of its jobs, whatever launches them.

    Args:
        resume: Whether the sweep's folder may hold the sweep already; ``sweep.resume`` sets it.
    """

    def __init__(self, resume: bool = False) -> None:
        self._resume = resume

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Write down what the sweep is, and prepare MLflow once for all jobs."""
        with not_swallowed(), user_errors(), busy("opening the sweep"):
            if self._resume:
                check_same_data_in_sweep(SweepDirectory(config.hydra.sweep.dir))
            lifecycle.start(config, self._resume, availability.has_slots(config.hydra))

    def on_job_start(self, config: DictConfig, *, task_function: TaskFunction, **kwargs: Any) -> None:
        """Write into the job's folder which job it is, in the process that runs it."""
        if config.hydra.mode == RunMode.MULTIRUN:
            with not_swallowed():
                run = JobDirectory(config.hydra.runtime.output_dir)
                overrides = OmegaConf.to_container(config.hydra.overrides.task)
                write_json(run.job, {"number": config.hydra.job.num, "overrides": overrides})
                run.failure.unlink(missing_ok=True)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Keep a failure in the job's folder, so that it ends neither its batch nor the sweep.

        For Hydra the job has then completed, with the result NaN: its sweepers would raise the failure and skip the
        batches after it.
        """
        if config.hydra.mode == RunMode.MULTIRUN and job_return.status == JobStatus.FAILED:
            with not_swallowed():
                lifecycle.keep_failure(JobDirectory(config.hydra.runtime.output_dir), job_return)
                job_return.return_value, job_return.status = math.nan, JobStatus.COMPLETED

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Close the sweep with its report.

        Raises:
            SystemExit: Status 1, if a run has not finished.
        """
        with not_swallowed():
            lifecycle.close()
