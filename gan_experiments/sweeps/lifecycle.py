"""The life of a sweep: opened before its first job, closed after its last one."""

from __future__ import annotations

import logging
import shlex
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import filelock
from hydra.core.utils import JobReturn
from omegaconf import DictConfig, OmegaConf

from gan_experiments.configuration import command_line
from gan_experiments.configuration.hydra_internals import error_of
from gan_experiments.errors import UserError
from gan_experiments.sweeps import plan
from gan_experiments.sweeps.description import describe, how_it_searches
from gan_experiments.sweeps.mlflow_summary import deliver
from gan_experiments.sweeps.search.plan import first_jobs
from gan_experiments.tracking.destination import check_uri, tracker_of, unused
from gan_experiments.tracking.hyperlink import clickable
from gan_experiments.tracking.moved import settle_sweep
from gan_experiments.tracking.run_directory import write_json
from gan_experiments.tracking.run_log import note
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory
from gan_experiments.tracking.terminal import busy, say

_SINGLE = {
    "tracking": "because a sweep is recorded in one place",
    "sweep": "because what varies has to be known before the first run",
}
"""Groups that a sweep cannot vary, and why."""
_open: list[tuple[SweepDirectory, filelock.FileLock]] = []
"""The sweep that this process is launching, if any. It is global because Hydra gives nothing of ours to the callbacks
that open and close a sweep, and none of them is called when a launcher fails or a signal comes."""


def start(config: DictConfig, resume: bool, has_slots: bool = False) -> None:
    """Open a new sweep, or one that was begun before.

    Args:
        config: Hydra's configuration of the sweep.
        resume: Whether its folder may hold it already.
        has_slots: Whether the launcher lets runs join and leave while others train.

    Raises:
        UserError: The sweep cannot be opened; nothing is left behind.
    """
    # 1. Refuse to overwrite another sweep, and to vary what must be the same for all runs.
    directory = SweepDirectory(config.hydra.sweep.dir)
    known = directory.sweep.is_file()
    if known and not resume:
        given = f"hydra.sweep.dir={config.hydra.sweep.dir}"
        raise UserError(f"{given}: holds a sweep already; sweep.resume={directory.path} resumes it")
    varied = plan.varied(config)
    for key in varied:
        group = key.split(".")[0]
        if group in _SINGLE:
            raise UserError(f"{key}={varied[key]}: must be one value, {_SINGLE[group]}")

    # 2. Compose the first run, for where the sweep is recorded.
    jobs = first_jobs(config)
    first = next(iter(plan.compose(config, jobs[:1])))
    uri = None if first.tracking.uri is None else check_uri(first.tracking.uri)
    chosen = {} if known else how_it_searches(config, jobs, has_slots)
    sys.stderr.writelines(unused(uri))

    # 3. Claim the folder.
    fresh = not directory.path.exists()
    directory.path.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(directory.lock, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise UserError(f"another process is running {directory.path}; wait for it, or end it") from error

    # 4. Write down what the sweep is, and with which configuration it began.
    begun = directory.begun_with()
    if not known or begun is None:
        OmegaConf.save(config, directory.begun)
    elif begun != directory.begun:
        shutil.copy(begun, directory.begun)
    if not known:
        directory.create(describe(config, varied, jobs, uri, first.tracking) | chosen)
        directory.remember(directory=str(directory.path))
    else:
        settle_sweep(directory)
        if directory.content()["uri"] != uri:
            raise UserError(f"tracking.uri={uri}: the runs of this sweep are in {directory.content()['uri']}")
    directory.remember(status="RUNNING")

    # 5. Bring it to MLflow; if MLflow does not take it, leave the folder as it was.
    with busy("opening the sweep's record"):
        complaint = deliver(directory)
    if complaint is not None:
        if fresh:
            directory.remove()
        elif not known:
            directory.sweep.unlink()
            directory.begun.unlink()
        raise UserError(f"tracking.uri={uri}: {complaint}")
    _open.append((directory, lock))


def keep_failure(run: JobDirectory, job_return: JobReturn) -> None:
    """Write a job's failure into its folder, and the reason to stderr."""
    error = error_of(job_return)
    reason = command_line.describe(error) or f"{type(error).__name__}: {error}".splitlines()[0]
    trace = "".join(traceback.format_exception(error))
    with suppress(OSError):  # the run may have failed because its disk is full; below it is said anyway
        write_json(run.failure, {"reason": reason, "traceback": trace, "time": time.time_ns() // 1_000_000})
    note(run, f"error: {reason}", logging.ERROR)
    say(f"error: {reason}")


def close() -> None:
    """Write the sweep's report and end it.

    Raises:
        SystemExit: Status 1, if a run has not finished.
    """
    directory, lock = _open.pop()
    missing = _finish(directory)
    lock.release()
    if missing:
        for line in missing:
            say(line)
        say(f"resume    {_resume_command(directory)}", sys.stdout)
        raise SystemExit(1)


@contextmanager
def closing_on_exit() -> Iterator[None]:
    """Close the sweep if Hydra exits before ``on_multirun_end``.

    Raises:
        SystemExit: Status 1, if the launcher failed; a signal's own, if one stopped the sweep.
    """
    # A run sets its own handlers while it trains. Under nohup a sweep outlives its terminal.
    ends = [signal.SIGTERM, *([signal.SIGHUP] if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN else [])]
    before = {number: signal.signal(number, _terminate) for number in ends}
    try:
        yield
    except (SystemExit, KeyboardInterrupt):
        if _open:
            _stop()
        raise
    except Exception as error:
        if not _open:
            raise
        say(_message(error))
        close()
        raise SystemExit(1) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _message(error: Exception) -> str:
    line = command_line.describe(error)
    return f"error: {line}" if line else "".join(traceback.format_exception(error)).rstrip()


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _stop() -> None:
    """Leave a sweep that a signal stopped as it is, and print how to resume it."""
    directory, lock = _open.pop()
    directory.end("KILLED", "stopped by a signal")
    with busy("closing the sweep's record"):
        deliver(directory)
    lock.release()
    say(f"stopped   sweep {directory.content()['name']}; to continue:", sys.stdout)
    say(f"resume    {_resume_command(directory)}", sys.stdout)


def _finish(directory: SweepDirectory) -> list[str]:
    """Write the report of a sweep whose jobs have ended, bring it to MLflow, and print where it is.

    Returns:
        A line for each run that has not finished: which, and why.
    """
    with busy("comparing the sweep's runs"):
        from gan_experiments.reports.comparison import compare
        from gan_experiments.reports.write import write

        found = compare([directory.path])
    try:
        with busy("writing the report"):
            report = clickable(write(found, directory.report), sys.stdout)
    except OSError as error:  # the runs are what the sweep is for
        report = f"cannot be written ({error.filename or directory.report}: {error.strerror}); {_compare(directory)}"
    missing = [f"{run.outcome.state:<9} {run.name}: {run.outcome.reason}" for run in found.unfinished]
    done = len(found.records) - len(missing)
    reason = f"{done} of {len(found.records)} runs have finished"
    directory.end("FAILED" if missing else "FINISHED", reason)
    with busy("bringing the report to the sweep's record"):
        complaint = deliver(directory)
    sweep = directory.content()
    lines = [("sweep", f"{found.title}: {reason}"), *(("result", headline) for headline in found.headlines)]
    lines.append(("report", report))
    if sweep["run_id"] is not None:
        lines.append(("summary", f"{sweep['run_id']} (experiment {sweep['experiment']}, tag sweep)"))
        lines += tracker_of(sweep["uri"]).links(sweep["uri"], [sweep])
    for label, text in lines:
        say(f"{label:<9} {clickable(text, sys.stdout) if text.startswith('http') else text}", sys.stdout)
    if complaint is not None:
        missing.insert(0, f"{complaint}; {_compare(directory)}")
    return missing


def _compare(directory: SweepDirectory) -> str:
    return f"to complete it: python -m gan_experiments.compare {shlex.quote(str(directory.path))}"


def _resume_command(directory: SweepDirectory) -> str:
    return f"python -m gan_experiments.run -m {shlex.quote(f'sweep.resume={directory.path}')}"
