"""A job that submitit starts, and starts again if the cluster has preempted it."""

from __future__ import annotations

import os
import signal
from types import FrameType

import submitit
from hydra.core.utils import JobReturn

from gan_experiments.launchers.cluster import slurm
from gan_experiments.launchers.cluster.job import ClusterJob


class SubmititJob(ClusterJob):
    """A job that submitit pickles, calls in the job's process, and queues again after a checkpoint."""

    def __call__(self) -> JobReturn:
        """Run the job, in its own process."""
        environment = submitit.JobEnvironment()
        if environment.cluster == "local":
            os.setpgrp()  # Ctrl-C in a terminal reaches the launching process only, which ends its jobs
        signal.signal(signal.SIGTERM, _terminate)
        return self.run(environment.job_id)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Return what submitit queues again after an interruption: the same job, whose run finds its checkpoint."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # SLURM sends it to jobs that it queues again
        return submitit.helpers.DelayedSubmission(self)


def _terminate(number: int, frame: FrameType | None) -> None:
    """End the job; if SLURM needs its place for another job, queue it again first.

    SLURM itself requeues only jobs that it had to kill; it counts a job that ends within its grace time as finished.
    """
    environment = submitit.JobEnvironment()
    requeue = signal.getsignal(signal.Signals[f"SIG{environment.USR_SIG}"])
    # SLURM changes the state of a cancelled job, or of one whose time is up, before it sends the signal.
    if environment.cluster == "slurm" and slurm.is_running(environment.job_id) and callable(requeue):
        requeue(number, frame)
    raise SystemExit(128 + number)
