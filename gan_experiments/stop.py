"""The command ``python -m gan_experiments.stop``: ends runs that train now, each with a checkpoint."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import filelock

from gan_experiments.configuration.command_line import user_errors
from gan_experiments.errors import RunFailedError, UserError
from gan_experiments.tracking.complaints import Complaints
from gan_experiments.tracking.destination import usual
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.hyperlink import clickable
from gan_experiments.tracking.journal import STOPPED
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory
from gan_experiments.tracking.terminal import busy

_BOUND = 600.0
"""Seconds in which a run is expected to leave: a window of steps, its checkpoint, what is being scored before it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. What cannot be stopped is named, and the others are.

    Raises:
        SystemExit: Status 2 for a mistake of the user, after one line on stderr for each; 1 if a run did not leave.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gan_experiments.stop",
        description="End runs that train now, each with a checkpoint, its last pictures and its generator; the other "
        "runs of its sweep go on. To stop a whole sweep, interrupt its command.",
    )
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run's folder, or its id in MLflow")
    parser.add_argument("--uri", default=usual(), help="where an id is looked up (default: %(default)s)")
    options = parser.parse_args(arguments)
    with user_errors():
        complaints, asked = Complaints(), dict[Path, JobDirectory]()
        for reference in options.runs:
            with complaints.noted():
                run = _find(reference, options.uri)
                run.stop.touch()
                asked[run.path] = run
        for run in asked.values():
            with complaints.noted():
                _wait(run)
                _print(run)
        if complaints.errors:
            raise SystemExit(complaints.status)


def _find(reference: str, uri: str | None) -> JobDirectory:
    """Return the folder of a run that trains now.

    Raises:
        UserError: It does not.
    """
    path = find_run(reference, uri).resolve()
    if SweepDirectory(path).sweep.is_file():
        raise UserError(f"{reference}: is a sweep's folder; give those of its runs, or interrupt its command")
    run = JobDirectory(path)
    if not run.journal.is_file() and SweepDirectory.around(path.parent) is not None:
        raise UserError(f"{reference}: has not begun, so there is nothing to stop")
    RunDirectory.of_a_run(path)
    now = outcome(run)
    if now.state != "running":
        raise UserError(f"{reference}: does not train now ({now.state}: {now.reason})")
    return run


def _wait(run: JobDirectory) -> None:
    """Wait until the process that trains a run has left its folder.

    Raises:
        RunFailedError: It did not within the bound.
    """
    try:
        with busy(f"waiting for {run.path} to leave"), filelock.FileLock(run.lock, timeout=_BOUND):
            run.stop.unlink(missing_ok=True)  # it has ended by itself before it looked
    except filelock.Timeout as error:
        raise RunFailedError(f"{run.path}: still at work after {_BOUND:.0f} s; it ends when it looks next") from error


def _print(run: JobDirectory) -> None:
    """Print how a run has ended, where its checkpoint is, and how to resume it."""
    end = outcome(run)
    by_request = end.reason.startswith(STOPPED)
    print(f"{'stopped' if by_request else end.state:<9} {clickable(run.path, sys.stdout)}: {end.reason}")
    print(f"saved     {clickable(run.checkpoint, sys.stdout)}")
    if by_request:
        print(f"resume    python -m gan_experiments.run {shlex.quote(f'train.resume={run.path}')}", flush=True)


if __name__ == "__main__":
    main()
