"""Runs a batch of a sweep's jobs through submitit; a lost job does not end the others."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil
import submitit
from hydra.core.utils import JobReturn
from submitit.core.utils import FailedJobError, UncompletedJobError

from gan_experiments.errors import UserError
from gan_experiments.launchers.cluster import slurm
from gan_experiments.launchers.cluster.submitit_job import SubmititJob
from gan_experiments.launchers.launcher import jobs_in_words
from gan_experiments.tracking.terminal import busy, say

# Hydra's configuration only shows its own loggers to the user.
log = logging.getLogger("hydra.launcher.submitit")
_LOOK_S = 1.0
"""Time between looks for results."""
_SELDOM_S = 30.0
"""Time between questions to SLURM about a long sweep; a short one asks more often."""
_RULE = "-" * 22
"""Stands above and below the trace in submitit's message about a failed job."""
_KILL_WAIT_S = 30
"""Seconds that processes on this machine have to write a checkpoint, as many as under SLURM (``KillWait``)."""


def run(jobs: Sequence[SubmititJob], cluster: str, parameters: dict[str, Any]) -> list[JobReturn]:
    """Run jobs, each by itself; return what Hydra gets from each, in their order.

    Args:
        jobs: At least one.
        cluster: ``local`` or ``slurm``.
        parameters: Keys of the launcher.

    Raises:
        UserError: SLURM does not take the jobs.
    """
    executor = _executor(cluster, dict(parameters))
    for line in jobs_in_words([(job.number, job.overrides) for job in jobs]):
        log.info(line)
    with _without_ctrl_c():
        try:
            submitted = executor.submit_array(jobs)
        except (FailedJobError, subprocess.CalledProcessError) as error:
            said = str(error).strip().splitlines()[-1]
            raise UserError(f"hydra/launcher=submitit_slurm: SLURM does not take the jobs ({said})") from error
    names = ", ".join(dict.fromkeys(job.job_id.partition("_")[0] for job in submitted))
    log.info(f"submitted {len(submitted)} jobs ({cluster} {names}); their output is in {executor.folder}")
    returned: dict[int, JobReturn] = {}
    try:
        with busy(f"{len(jobs)} jobs are at work"):
            _wait(jobs, submitted, cluster, returned)
    except BaseException:
        _end([job for k, job in enumerate(submitted) if k not in returned], cluster)
        raise
    return [returned[k] for k in range(len(jobs))]


def _executor(cluster: str, given: dict[str, Any]) -> submitit.Executor:
    own = {"folder": given.pop("submitit_folder"), "max_num_timeout": given.pop("max_num_timeout")}
    given = {key: value for key, value in given.items() if value is not None}
    if cluster == "local":
        del given["name"]
        executor = submitit.LocalExecutor(**own)
    else:
        given["job_name"], given["time"] = given.pop("name"), given.pop("timeout_min")
        if "mem_gb" in given:
            given["mem"] = f"{round(given.pop('mem_gb') * 1024)}M"
        executor = submitit.SlurmExecutor(**own)
    executor.update_parameters(**given)
    return executor


def _wait(
    jobs: Sequence[SubmititJob],
    submitted: Sequence[submitit.Job[JobReturn]],
    cluster: str,
    returned: dict[int, JobReturn],
) -> None:
    """Fill ``returned``, by position, until all results are there."""
    began = asked = time.monotonic()
    while len(returned) < len(jobs):
        time.sleep(_LOOK_S)
        now, over = time.monotonic(), {}
        if cluster == "local":
            over = {job.job_id: "its processes are gone" for job in submitted if job.state != "RUNNING"}
        elif now - asked > min(_SELDOM_S, (now - began) / 5):
            over, asked = slurm.over([job.job_id for job in submitted]), now
        for k, (job, there) in enumerate(zip(jobs, submitted, strict=True)):
            if k in returned:
                continue
            if _has_result(there):
                returned[k] = _result(job, there)
            elif there.job_id in over:
                why = f"the job ended without a result ({over[there.job_id]}); see {there.paths.stderr}"
                returned[k] = job.report_lost(there.job_id, why)
            else:
                continue
            log.info(f"\t#{job.number} has ended, {len(jobs) - len(returned)} to go")


def _has_result(job: submitit.Job[JobReturn]) -> bool:
    # A network file system may answer from its cache whether a file exists, but lists a folder anew.
    folder = job.paths.folder
    return folder.is_dir() and any(path.name == job.paths.result_pickle.name for path in folder.iterdir())


def _result(job: SubmititJob, submitted: submitit.Job[JobReturn]) -> JobReturn:
    try:
        return submitted.result()
    except UncompletedJobError as error:
        trace = str(error).partition(_RULE)[2].partition(_RULE)[0].strip()
        why = trace.rpartition("\n")[2] or "no trace"
        return job.report_lost(submitted.job_id, f"the job broke off ({why}); see {submitted.paths.stderr}")


def _end(submitted: Sequence[submitit.Job[JobReturn]], cluster: str) -> None:
    """End the jobs when the launching process is asked to end; those that train write a checkpoint first."""
    waiting = [job.job_id for job in submitted]
    if cluster == "slurm":
        slurm.cancel(waiting)
        say(f"cancelled {len(waiting)} of SLURM's jobs; those that train write a checkpoint first", sys.stdout)
        return
    say(f"ending    {len(waiting)} of submitit's jobs; those that train write a checkpoint first", sys.stdout)
    controllers = [psutil.Process(int(name)) for name in waiting if psutil.pid_exists(int(name))]
    tasks = [task for controller in controllers for task in controller.children()]
    for controller in controllers:
        controller.terminate()  # it forwards the signal
    _, alive = psutil.wait_procs(tasks, timeout=_KILL_WAIT_S)
    for task in alive:
        task.kill()


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Start processes that Ctrl-C in the shared terminal does not end."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
