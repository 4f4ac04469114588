"""The states of SLURM's jobs, asked by ``squeue``: not every cluster keeps the accounts that ``sacct`` reads."""

from __future__ import annotations

import subprocess
from collections.abc import Collection

_FORGOTTEN = "FORGOTTEN"
_OVER = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"),
    _FORGOTTEN,
}
"""States of jobs that will not run again."""


def over(job_ids: Collection[str]) -> dict[str, str]:
    """Return the jobs of this user that will not run any more, each with SLURM's word for why.

    Args:
        job_ids: As submitit has them; ``12_3`` is job 3 of array 12.

    Returns:
        Nothing while SLURM does not answer: its jobs may well be running.
    """
    answer = _squeue("--me", "--array", "--states=all", "--format=%i %T")
    if answer is None:
        return {}
    states = dict(line.split() for line in answer.splitlines())
    # A few minutes after its end SLURM forgets a job.
    found = {job_id: states.get(job_id, _FORGOTTEN) for job_id in job_ids}
    return {job_id: f"SLURM: {state}" for job_id, state in found.items() if state in _OVER}


def is_running(job_id: str) -> bool:
    """Return whether SLURM counts a job as running; it no longer does once the job is cancelled or its time is up."""
    return _squeue(f"--jobs={job_id}", "--format=%T") == "RUNNING\n"


def cancel(job_ids: Collection[str]) -> None:
    """Cancel jobs; those that run get SIGTERM, and SIGKILL if they have not ended after SLURM's ``KillWait``."""
    subprocess.run(["scancel", *sorted({job_id.partition("_")[0] for job_id in job_ids})], check=False)


def _squeue(*options: str) -> str | None:
    answer = subprocess.run(["squeue", "--noheader", *options], capture_output=True, text=True, check=False)
    return answer.stdout if answer.returncode == 0 else None
