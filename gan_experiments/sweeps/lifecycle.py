"""The frame around a sweep's jobs: opens the sweep before the first one and closes it after the last."""

from __future__ import annotations

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
from hydra.core.utils import JobReturn
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration import command_line
from gan_experiments.errors import UserError
from gan_experiments.sweeps import plan
from gan_experiments.sweeps.closing import finish
from gan_experiments.sweeps.mlflow_summary import deliver
from gan_experiments.tracking.destination import check_uri
from gan_experiments.tracking.naming import shortest
from gan_experiments.tracking.run_directory import write_json
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory

_SINGLE = {
    "tracking": "a sweep is recorded in one place",
    "sweep": "what varies has to be known before the first run",
}
"""Groups that a sweep cannot vary, and why."""
_open: list[tuple[SweepDirectory, filelock.FileLock]] = []
"""The sweep that this process is launching, if any."""


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
        close()
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


def close() -> None:
    """Write the sweep's report and end it.

    Raises:
        SystemExit: Status 1, if a run has not finished.
    """
    directory, lock = _open.pop()
    missing = finish(directory)
    lock.release()
    if missing:
        for line in missing:
            sys.stderr.write(f"{line}\n")
        print(f"resume    {resume_command(directory)}", flush=True)
        raise SystemExit(1)


def keep_failure(run: JobDirectory, job_return: JobReturn) -> None:
    """Write a job's failure into its folder, and its reason on stderr."""
    error = job_return._return_value
    reason = command_line.describe(error) or f"{type(error).__name__}: {error}".splitlines()[0]
    trace = "".join(traceback.format_exception(error))
    write_json(run.failure, {"reason": reason, "traceback": trace, "time": time.time_ns() // 1_000_000})
    sys.stderr.write(f"error: {reason}\n")


def start(config: DictConfig, resume: bool) -> None:
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
    _open.append((directory, lock))


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
    from gan_experiments.reports.goals import directions
    from gan_experiments.sweeps.search.checks import goals_for

    goals = goals_for(config, plan.space(config))
    return {"metrics": list(goals), "directions": directions(goals)}
