"""Asks the process that trains a run to end it, by a file in the run's folder, and waits until it has."""

from __future__ import annotations

from pathlib import Path

import filelock

from gan_experiments.errors import RunFailedError, UserError
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory

_BOUND = 600.0
"""Seconds in which a run is expected to leave: a window of steps, its checkpoint, what is being scored before it."""


def ask_to_stop(path: Path) -> JobDirectory:
    """Ask the run in a folder to end with the step that it is at; return its folder.

    Raises:
        UserError: No run trains there now.
    """
    run = JobDirectory(path)
    if SweepDirectory(path).sweep.is_file():
        raise UserError(f"{path}: is a sweep's folder; give those of its runs, or interrupt its command")
    if not run.journal.is_file() and SweepDirectory.around(run.path.parent) is not None:
        raise UserError(f"{path}: has not begun, so there is nothing to stop")
    RunDirectory.of_a_run(path)
    now = outcome(run)
    if now.state != "running":
        raise UserError(f"{path}: does not train now ({now.state}: {now.reason})")
    run.stop.touch()
    return run


def wait_until_left(run: JobDirectory) -> None:
    """Wait until the process that trains a run has left its folder, as it may have done before it was asked.

    Raises:
        RunFailedError: It did not within some minutes.
    """
    try:
        with filelock.FileLock(run.lock, timeout=_BOUND):
            run.stop.unlink(missing_ok=True)
    except filelock.Timeout as error:
        raise RunFailedError(f"{run.path}: still at work after {_BOUND:.0f} s; it ends when it looks next") from error
