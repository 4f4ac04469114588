"""Runs a batch of a sweep's jobs as tasks of Ray; a lost job does not end the others."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from hydra.core.utils import JobReturn
from ray import exceptions

from gan_experiments.errors import UserError
from gan_experiments.launchers.cluster.job import ClusterJob
from gan_experiments.launchers.launcher import jobs_in_words
from gan_experiments.tracking.terminal import say

# Hydra's configuration only shows its own loggers to the user.
log = logging.getLogger("hydra.launcher.ray")
_END_S = 30
"""Seconds that runs have to write a checkpoint, as many as under SLURM."""


def run(jobs: Sequence[ClusterJob], init: Mapping[str, Any], remote: Mapping[str, Any]) -> list[JobReturn]:
    """Run jobs, each as a task of Ray; return what Hydra gets from each, in their order.

    Args:
        jobs: At least one.
        init: Arguments of ``ray.init``.
        remote: Options of ``ray.remote``: what a job needs.

    Raises:
        UserError: Ray does not take the arguments or the jobs.
    """
    for line in jobs_in_words([(job.number, job.overrides) for job in jobs]):
        log.info(line)
    with _ray(init):
        if init.get("address") == "local":
            _check_room(remote)
        function, here, variables = ray.remote(_call), os.getcwd(), dict(os.environ)  # noqa: PTH109
        try:
            # The name stands before each line that the run prints.
            tasks = [function.options(**{"name": f"#{job.number}", **remote}) for job in jobs]
        except (TypeError, ValueError) as error:
            raise UserError(f"hydra.launcher.ray.remote={dict(remote)}: {error}") from error
        waiting = {task.remote(job, here, variables): job for task, job in zip(tasks, jobs, strict=True)}
        returned: dict[int, JobReturn] = {}
        try:
            while waiting:
                (ended, *_), _ = ray.wait(list(waiting), num_returns=1)
                job = waiting.pop(ended)
                returned[job.number] = _result(job, ended)
                log.info(f"\t#{job.number} has ended, {len(waiting)} to go")
        except BaseException:
            _end(list(waiting))
            raise
    return [returned[job.number] for job in jobs]


def _call(job: ClusterJob, folder: str, variables: Mapping[str, str]) -> JobReturn:
    """Run a job in a worker of Ray, which may have been started elsewhere, with another folder and environment."""
    os.chdir(folder)
    os.environ.update({name: value for name, value in variables.items() if name not in os.environ})
    return job.run(ray.get_runtime_context().get_task_id() or "")


@contextmanager
def _ray(init: Mapping[str, Any]) -> Iterator[None]:
    terminate = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**init)
    except (ConnectionError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"hydra.launcher.ray.init={dict(init)}: {error}".splitlines()[0]) from error
    signal.signal(signal.SIGTERM, terminate)  # Ray has set another handler
    try:
        yield
    finally:
        ray.shutdown()


def _check_room(remote: Mapping[str, Any]) -> None:
    """Refuse more resources than a Ray of this sweep has: it does not grow, and would wait for ever."""
    there = ray.cluster_resources()
    for option, resource in (("num_cpus", "CPU"), ("num_gpus", "GPU")):
        wanted, has = remote.get(option) or 0, there.get(resource, 0)
        if wanted > has:
            raise UserError(f"hydra.launcher.ray.remote.{option}={wanted}: Ray has {has:g} of them on this machine")


def _result(job: ClusterJob, ended: ray.ObjectRef) -> JobReturn:
    try:
        return ray.get(ended)
    except exceptions.RayTaskError as error:  # not caught by Hydra; its text is a trace, then the error
        why = f"the job broke off ({str(error).strip().splitlines()[-1]})"
    except exceptions.RayError as error:
        why = f"Ray lost the run ({type(error).__name__}: {str(error).strip().splitlines()[0]})"
    return job.report_lost(ended.task_id().hex(), why)


def _end(waiting: Sequence[ray.ObjectRef]) -> None:
    """End the jobs when the launching process is asked to end; those that train write a checkpoint first."""
    say(f"ending    {len(waiting)} of Ray's tasks; those that train write a checkpoint first", sys.stdout)
    for job in waiting:
        ray.cancel(job)
    ray.wait(list(waiting), num_returns=len(waiting), timeout=_END_S)
