"""The command ``python -m gan_experiments.stop``: ends runs that train now, each with a checkpoint."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from gan_experiments.configuration.command_line import user_errors
from gan_experiments.tracking.ask_to_stop import ask_to_stop, wait_until_left
from gan_experiments.tracking.complaints import Complaints
from gan_experiments.tracking.destination import usual
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.hyperlink import clickable
from gan_experiments.tracking.journal import STOPPED
from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import JobDirectory
from gan_experiments.tracking.terminal import busy


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
    options = parser.parse_intermixed_args(arguments)
    with user_errors():
        complaints, asked = Complaints(), list[JobDirectory]()
        for reference in options.runs:
            with complaints.noted():
                asked.append(ask_to_stop(find_run(reference, options.uri)))
        for run in asked:
            with complaints.noted():
                with busy(f"waiting for {run.path} to end"):
                    wait_until_left(run)
                _print(run)
        if complaints.errors:
            raise SystemExit(complaints.status)


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
