"""One of a sweep's runs as a job that submitit starts in a process of its own, here or on another machine."""

from __future__ import annotations

import os
import signal
from types import FrameType

import submitit
from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from gan_experiments.errors import RunFailedError
from gan_experiments.sweeps.cluster import slurm
from gan_experiments.sweeps.job import deliver
from gan_experiments.sweeps.outcome import outcome, result
from gan_experiments.sweeps.sweep_directory import JobDirectory
from gan_experiments.tracking.run_directory import read_json


class ClusterJob:
    """What submitit keeps in a file, calls in the job's process, and queues again after a checkpoint.

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

    def __call__(self) -> JobReturn:
        """Run the job, in its own process."""
        environment = submitit.JobEnvironment()
        if environment.cluster == "local":
            os.setpgrp()  # Ctrl-C in a terminal is for the launching process, which passes on what follows from it
        signal.signal(signal.SIGTERM, _terminate)
        Singleton.set_state(self._singletons)
        setup_globals()
        return self._run(self._task, environment.job_id)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """What submitit queues again when the job is interrupted: the same, for a run finds its checkpoint itself."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # SLURM sends it to what it queues again
        return submitit.helpers.DelayedSubmission(self)

    def ended_without_a_word(self, job_id: str, reason: str) -> JobReturn:
        """All that Hydra does for a job that failed, where the job's own process could not do it any more.

        Args:
            job_id: The cluster's.
            reason: Why it ended, in one line.
        """

        def fail(_: DictConfig) -> float:
            run = JobDirectory(HydraConfig.get().runtime.output_dir)
            found = outcome(run)
            if found.finished:  # it ended while it was delivered
                return result(run)
            if found.state == "died" and run.run.is_file() and read_json(run.run)["uri"] is not None:
                deliver(run)  # MLflow would have it running for ever
            raise RunFailedError(reason)

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


def _terminate(number: int, frame: FrameType | None) -> None:
    """End the job; where SLURM wants its place for another one, queue it again first.

    SLURM itself queues only jobs again that it had to kill; one that ends in its time of grace is at an end.
    """
    environment = submitit.JobEnvironment()
    requeue = signal.getsignal(signal.Signals[f"SIG{environment.USR_SIG}"])
    # Of a job that was cancelled, or whose time is up, SLURM says so before it sends the signal.
    if environment.cluster == "slurm" and slurm.is_running(environment.job_id) and callable(requeue):
        requeue(number, frame)
    raise SystemExit(128 + number)
