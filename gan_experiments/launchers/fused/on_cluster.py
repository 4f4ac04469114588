"""Groups of a sweep's jobs as jobs of another launcher, which does not know of groups; each is one program."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gan_experiments.configuration.hydra_internals import Callbacks, error_of
from gan_experiments.launchers.fused.groups import ComposedJob, compose, groups, numbers
from gan_experiments.launchers.hydra_job import report_lost_job
from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import JobDirectory

if TYPE_CHECKING:
    from gan_experiments.launchers.fused.jobs import FusedJobs

# Hydra's configuration only shows its own loggers to the user.
log = logging.getLogger("hydra.launcher.fused")
_OF_A_GROUP = ("hydra.sweep.subdir=.fused/${hydra.job.num}", "hydra.output_subdir=null", "hydra.job.chdir=false")
"""A group has a separate folder for what it logs before its members start."""
Members = Sequence[tuple[int, Sequence[str]]]
"""Number and overrides of each of a group's jobs."""


class _Group:
    """The task of the other launcher's jobs: trains the group with the job's number, in the job's process."""

    def __init__(
        self,
        context: HydraContext,
        task: TaskFunction,
        sweep: DictConfig,
        slots: int,
        members: Mapping[int, Members],
    ) -> None:
        self._context, self._task, self._sweep = context, task, sweep
        self._slots, self._members = slots, members

    def __call__(self, _: DictConfig) -> list[JobReturn]:
        return _fused(self._context, self._task, self._sweep, self._slots).run(
            self._members[HydraConfig.get().job.num]
        )


def launch(
    launcher: Launcher,
    context: HydraContext,
    task: TaskFunction,
    sweep: DictConfig,
    slots: int,
    members: Members,
) -> list[JobReturn]:
    """Run jobs of a sweep in groups; return what Hydra gets from each, in their order.

    Args:
        launcher: Runs one job a group.
        context: Hydra's.
        task: What a job runs by itself.
        sweep: The sweep's configuration.
        slots: Most jobs in a group.
        members: The jobs, at least one, numbered in succession.
    """
    overrides = dict(members)
    jobs = [compose(context, task, sweep, number, overrides) for number, overrides in members]
    parts = groups(jobs, slots)
    finished = [part for part in parts if all(outcome(JobDirectory(job.directory)).finished for job in part)]
    if finished:  # the sweep is being resumed, and these need not wait in a queue
        again = [(job.number, overrides[job.number]) for part in finished for job in part]
        for job, returned in zip(
            (job for part in finished for job in part), _fused(context, task, sweep, slots).run(again), strict=True
        ):
            job.returned = returned
    parts = [part for part in parts if part not in finished]
    if parts:
        _launch(launcher, context, task, sweep, slots, parts, overrides)
    return [job.returned for job in jobs if job.returned is not None]


def _launch(
    launcher: Launcher,
    context: HydraContext,
    task: TaskFunction,
    sweep: DictConfig,
    slots: int,
    parts: Sequence[Sequence[ComposedJob]],
    overrides: Mapping[int, Sequence[str]],
) -> None:
    first = min(
        job.number for part in parts for job in part
    )  # so that no number comes again in the sweeper's next batch
    members: dict[int, Members] = {}
    for number, part in enumerate(parts, first):
        log.info(f"\tjob {number}: runs {numbers(part)}")
        members[number] = [(job.number, overrides[job.number]) for job in part]
    # The sweep's callbacks hear of its runs, not of their groups.
    own = HydraContext(context.config_loader, Callbacks())
    launcher.setup(hydra_context=own, task_function=_Group(context, task, sweep, slots, members), config=sweep)
    for part, answer in zip(parts, launcher.launch([_OF_A_GROUP] * len(parts), first), strict=True):
        done = answer.status == JobStatus.COMPLETED
        lost = [] if done else [report_lost_job(context, job.open(), error_of(answer)) for job in part]
        returned = answer.return_value if done else lost
        for job, each in zip(part, returned, strict=True):
            job.returned = each


def _fused(context: HydraContext, task: TaskFunction, sweep: DictConfig, slots: int) -> FusedJobs:
    from gan_experiments.launchers.fused.jobs import (
        FusedJobs,  # imports torch, which only a process that trains needs
    )

    return FusedJobs(context, task, sweep, slots)
