"""The frame around a sweep's jobs: opens the sweep before the first one and closes it after the last."""

from __future__ import annotations

import math
import shlex
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from types import FrameType
from typing import Any

import filelock
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf

from gan_experiments import command_line
from gan_experiments.command_line import not_swallowed, user_errors
from gan_experiments.errors import UserError
from gan_experiments.sweeps import plan
from gan_experiments.sweeps.closing import close
from gan_experiments.sweeps.summary import deliver
from gan_experiments.sweeps.sweep_directory import JobDirectory, SweepDirectory
from gan_experiments.tracking.destination import check_uri
from gan_experiments.tracking.naming import shortest
from gan_experiments.tracking.run_directory import write_json

_SINGLE = {
    "tracking": "a sweep is recorded in one place",
    "sweep": "what varies has to be known before the first run",
}
"""Groups that a sweep cannot vary, and why."""
_open: list[tuple[SweepDirectory, filelock.FileLock]] = []
"""The sweep that this process is launching, if any."""


class SweepFrame(Callback):
    """Makes one thing of a sweep's jobs, whatever launches them; ``hydra.callbacks`` in conf/config.yaml names it.

    Args:
        resume: Whether the sweep's folder may hold the sweep already; ``sweep.resume`` sets it.
    """

    def __init__(self, resume: bool = False) -> None:
        self._resume = resume

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Write down what the sweep is, and prepare MLflow once for all jobs."""
        with not_swallowed(), user_errors():
            _open.append(_start(config, self._resume))

    def on_job_start(self, config: DictConfig, *, task_function: TaskFunction, **kwargs: Any) -> None:
        """Mark the job's folder as that of a job, in the process that runs it."""
        if config.hydra.mode == RunMode.MULTIRUN:
            with not_swallowed():
                run = JobDirectory(config.hydra.runtime.output_dir)
                overrides = OmegaConf.to_container(config.hydra.overrides.task)
                write_json(run.job, {"number": config.hydra.job.num, "overrides": overrides})
                run.failure.unlink(missing_ok=True)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Keep a failure in the job's folder, so that it ends neither its batch nor the sweep.

        To Hydra the job then has completed, with the result NaN: its sweepers would raise the failure, and leave
        the batches after it out.
        """
        if config.hydra.mode == RunMode.MULTIRUN and job_return.status == JobStatus.FAILED:
            with not_swallowed():
                _keep_failure(JobDirectory(config.hydra.runtime.output_dir), job_return)
                job_return.return_value, job_return.status = math.nan, JobStatus.COMPLETED

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Close the sweep with its report.

        Raises:
            SystemExit: Status 1, if a run has not finished.
        """
        with not_swallowed():
            _close()


@contextmanager
def seen_out() -> Iterator[None]:
    """Closes the sweep that was opened within, where Hydra does not come to it.

    Raises:
        SystemExit: Status 1, if the launcher failed; a signal's own, if one stopped the sweep.
    """
    before = signal.signal(signal.SIGTERM, _terminate)  # a run that trains meets it in its own way
    try:
        yield
    except (SystemExit, KeyboardInterrupt):
        if _open:
            _stop()
        raise
    except Exception as error:
        if not _open:
            raise
        sys.stderr.write(_said(error))
        _close()
        raise SystemExit(1) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _said(error: Exception) -> str:
    line = command_line.describe(error)
    return f"error: {line}\n" if line else "".join(traceback.format_exception(error))


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _stop() -> None:
    """Leave a sweep that a signal stopped as it is, and say how to go on with it."""
    directory, lock = _open.pop()
    directory.end("KILLED", "stopped by a signal")
    deliver(directory)
    lock.release()
    print(f"stopped   sweep {directory.content()['name']}; to continue:")
    print(f"resume    {resume_command(directory)}", flush=True)


def resume_command(directory: SweepDirectory) -> str:
    """The command that goes on with a sweep."""
    return f"python -m gan_experiments.run -m {shlex.quote(f'sweep.resume={directory.path}')}"


def _close() -> None:
    directory, lock = _open.pop()
    missing = close(directory)
    lock.release()
    if missing:
        for line in missing:
            sys.stderr.write(f"{line}\n")
        print(f"resume    {resume_command(directory)}", flush=True)
        raise SystemExit(1)


def _keep_failure(run: JobDirectory, job_return: JobReturn) -> None:
    error = job_return._return_value
    reason = command_line.describe(error) or f"{type(error).__name__}: {error}".splitlines()[0]
    trace = "".join(traceback.format_exception(error))
    write_json(run.failure, {"reason": reason, "traceback": trace, "time": time.time_ns() // 1_000_000})
    sys.stderr.write(f"error: {reason}\n")


def _start(config: DictConfig, resume: bool) -> tuple[SweepDirectory, filelock.FileLock]:
    """Open a new sweep, or one that was begun before."""
    directory = SweepDirectory(config.hydra.sweep.dir)
    known = directory.sweep.is_file()
    if known and not resume:
        raise UserError(
            f"hydra.sweep.dir={config.hydra.sweep.dir}: holds a sweep already; sweep.resume={directory.path} goes on"
        )
    varied = plan.varied(config)
    for key in varied:
        if key.split(".")[0] in _SINGLE:
            raise UserError(f"{key}={varied[key]}: must be one value, for {_SINGLE[key.split('.')[0]]}")
    jobs = plan.jobs(config)
    first = next(iter(plan.compose(config, jobs[:1])))
    uri = None if first.tracking.uri is None else check_uri(first.tracking.uri)
    search = None if known else _search(config)
    fresh = not directory.path.exists()
    directory.path.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(directory.lock, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise UserError(f"another process is running {directory.path}; wait for it, or end it") from error
    if not known:
        directory.create(_describe(config, varied, jobs, uri, first.tracking.experiment) | {"search": search})
    elif directory.content()["uri"] != uri:
        raise UserError(f"tracking.uri={uri}: the runs of this sweep are in {directory.content()['uri']}")
    directory.remember(status="RUNNING")
    complaint = deliver(directory)
    if complaint is not None:
        if fresh:
            directory.remove()
        elif not known:
            directory.sweep.unlink()
        raise UserError(f"tracking.uri={uri}: {complaint}")
    return directory, lock


def _describe(
    config: DictConfig, varied: dict[str, str], jobs: list[list[str]], uri: str | None, experiment: str
) -> dict[str, Any]:
    """sweep.json of a new sweep."""
    now = datetime.now()
    what = " x ".join(shortest(list(varied))) or "sweep"
    sources = config.hydra.runtime.config_sources
    return {
        # Two sweeps of the same kind may start in the same second, and each is found by its name.
        "name": f"{what} {now:%Y-%m-%d %H:%M:%S}.{now.microsecond // 1000:03d}",
        "nonce": uuid.uuid4().hex,
        "experiment": experiment,
        "uri": uri,
        "run_id": None,
        "started": round(now.timestamp() * 1000),
        "varied": varied,
        "jobs": None if plan.is_search(config) else jobs,
        "overrides": {
            kind: OmegaConf.to_container(config.hydra.overrides[kind], resolve=False) for kind in ("hydra", "task")
        },
        "config_dir": next((source.path for source in sources if source.provider == "command-line"), None),
    }


def _search(config: DictConfig) -> dict[str, Any] | None:
    """What a search goes by; None for a sweep that is none."""
    if not plan.is_own_search(config):
        return None
    from gan_experiments.sweeps.search.checks import goals_for
    from gan_experiments.sweeps.search.goals import directions

    goals = goals_for(config, plan.space(config))
    return {"metrics": list(goals), "directions": directions(goals)}
