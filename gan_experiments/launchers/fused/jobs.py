"""Hydra jobs trained together: from outside each is an ordinary job, but a group of them is one program."""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence

import torch
from hydra.core.utils import JobReturn, JobStatus, configure_log, env_override
from hydra.types import HydraContext, TaskFunction

from gan_experiments.configuration.hydra_internals import StartOnlyCallbacks
from gan_experiments.launchers.fused.groups import ComposedJob, count, groups, hydra_config
from gan_experiments.launchers.fused.memory import members_that_fit
from gan_experiments.launchers.fused.partition import chunks
from gan_experiments.launchers.hydra_job import run_hydra_job
from gan_experiments.models.stacking import UnstackableError
from gan_experiments.runs.run import Run
from gan_experiments.runs.train import train_runs
from gan_experiments.sweeps.membership import join, wait
from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import JobDirectory
from gan_experiments.tracking.terminal import busy

# Hydra's configuration only shows its own loggers to the user.
log = logging.getLogger("hydra.launcher.fused")


class FusedJobs:
    """Runs jobs as one program where they can, and as Hydra runs them where they cannot.

    Args:
        context: Hydra's.
        task: What a job runs by itself.
        max_members: Most runs in one program.
    """

    def __init__(self, context: HydraContext, task: TaskFunction, max_members: int) -> None:
        self._context, self._task, self._max_members = context, task, max_members

    def run(self, jobs: Sequence[ComposedJob]) -> list[JobReturn]:
        """Run the jobs; return what Hydra gets from each, in their order.

        Raises:
            SystemExit: A signal stopped training, after a checkpoint of every run at work.
        """
        for group in groups(jobs, self._task, self._max_members):
            self._run_group(group)
        return [job.returned for job in jobs if job.returned is not None]

    def _run_group(self, jobs: Sequence[ComposedJob]) -> None:
        with busy(f"preparing {count(jobs)}"):
            for job in jobs:
                wait(JobDirectory(job.directory))
            new = [job for job in jobs if not outcome(JobDirectory(job.directory)).finished]
            ready = [job for job in new if len(new) > 1 and self._prepare(job) is None]
        self._run_alone([job for job in jobs if job not in ready])
        if len(ready) > 1:
            self._run_ready(ready)
        else:
            self._run_alone(ready)

    def _run_ready(self, jobs: Sequence[ComposedJob]) -> None:
        runs = [job.run for job in jobs if job.run is not None]
        try:
            with busy("measuring how many runs fit into the memory"):
                fit = members_that_fit(runs)
        except UnstackableError as error:
            log.info(f"{count(jobs)} train one after another: {error}")
            self._run_alone(jobs)
            return
        if fit < len(jobs):
            log.info(f"only about {fit} of {count(jobs)} fit into the memory of {runs[0].device} together")
        # A stack has one step: after a kill, runs that stopped at the same step resume together.
        for step in sorted({run.step for run in runs}):
            for part in chunks([job for job in jobs if job.run is not None and job.run.step == step], fit):
                self._train(part)

    def _prepare(self, job: ComposedJob) -> Exception | None:
        """Set up the job's run, from its checkpoint if it has one; return what is wrong with it, if anything."""
        assert job.cfg is not None
        try:
            place = join(job.directory_of_sweep, job.directory, job.overrides)
            job.cfg.tracking.uri = place.uri
            job.cfg.train.resume = "auto"
            job.run = Run(job.cfg, job.directory, job.overrides, place.name, place.tags)
            job.run.load()
        except Exception as error:
            return error
        return None

    def _train(self, jobs: Sequence[ComposedJob]) -> None:
        """Train jobs as one stack, or in halves if the device runs out of memory."""
        if len(jobs) == 1 and jobs[0].returned is None:
            self._run_alone(jobs)
            return
        for job in jobs:
            self._begin(job)
        if len(jobs) > 1:
            log.info(f"training {count(jobs)} as one")
        outcomes = self._outcomes(jobs)
        for job in jobs:
            job.run = None  # frees the networks
        if len(jobs) > 1 and _is_out_of_memory(outcomes[0]):
            outcomes = []  # the exception's traceback holds the networks
            self._halve(jobs)
            return
        for job, returned in zip(jobs, outcomes, strict=True):
            self._end(job, returned)

    def _outcomes(self, jobs: Sequence[ComposedJob]) -> Sequence[float | Exception]:
        try:
            with env_override(jobs[0].config.hydra.job.env_set):
                return train_runs([job.run for job in jobs if job.run is not None])
        except Exception as error:
            return [error] * len(jobs)

    def _halve(self, jobs: Sequence[ComposedJob]) -> None:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        log.info(f"{count(jobs)} were too many for the memory; they continue in halves, from their checkpoints")
        for half in chunks(jobs, -(-len(jobs) // 2)):
            errors = [(job, self._prepare(job)) for job in half]
            for job, error in errors:
                if error is not None:
                    self._end(job, error)
            ready = [job for job, error in errors if error is None]
            if ready:
                self._train(ready)

    def _run_alone(self, jobs: Sequence[ComposedJob]) -> None:
        for job in jobs:
            job.run = None
            job.returned = self._call(job, self._context, self._task)

    def _begin(self, job: ComposedJob) -> None:
        """Do all that Hydra does before a job's task: folder, files, callbacks. A job starts only once."""
        if job.returned is None:
            begun = HydraContext(self._context.config_loader, StartOnlyCallbacks(self._context.callbacks))
            job.returned = self._call(job, begun, lambda _: None)

    def _call(self, job: ComposedJob, context: HydraContext, task: TaskFunction) -> JobReturn:
        try:
            return run_hydra_job(context, task, job.config)
        finally:
            configure_log(job.config.hydra.hydra_logging, job.config.hydra.verbose)

    def _end(self, job: ComposedJob, outcome: float | Exception) -> None:
        """Do all that Hydra does after a job's task."""
        assert job.returned is not None
        failed = isinstance(outcome, Exception)
        job.returned.return_value = outcome
        job.returned.status = JobStatus.FAILED if failed else JobStatus.COMPLETED
        with hydra_config(job.config):
            self._context.callbacks.on_job_end(config=job.config, job_return=job.returned)


def _is_out_of_memory(outcome: float | Exception) -> bool:
    # The CPU's allocator has no exception of its own.
    return isinstance(outcome, torch.OutOfMemoryError | MemoryError) or (
        isinstance(outcome, RuntimeError) and "can't allocate memory" in str(outcome)
    )
