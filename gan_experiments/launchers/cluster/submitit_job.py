"""A job that submitit starts, and starts again where a cluster took its place away."""

from __future__ import annotations

import os
import signal
from types import FrameType

import submitit
from hydra.core.utils import JobReturn

from gan_experiments.launchers.cluster import slurm
from gan_experiments.launchers.cluster.job import ClusterJob


class SubmititJob(ClusterJob):
    """What submitit keeps in a file, calls in the job's process, and queues again after a checkpoint."""

    def __call__(self) -> JobReturn:
        """Run the job, in its own process."""
        environment = submitit.JobEnvironment()
        if environment.cluster == "local":
            os.setpgrp()  # Ctrl-C in a terminal is for the launching process, which passes on what follows from it
        signal.signal(signal.SIGTERM, _terminate)
        return self.run(environment.job_id)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """What submitit queues again when the job is interrupted: the same, for a run finds its checkpoint itself."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # SLURM sends it to what it queues again
        return submitit.helpers.DelayedSubmission(self)


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
