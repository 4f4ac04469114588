"""The command ``python -m gan_experiments.sync``: delivers what runs could not deliver themselves."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gan_experiments.configuration.command_line import user_errors
from gan_experiments.errors import RunFailedError
from gan_experiments.tracking.complaints import Complaints
from gan_experiments.tracking.hyperlink import clickable
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.sweep_directory import SweepDirectory
from gan_experiments.tracking.synchronise import synchronise
from gan_experiments.tracking.terminal import busy, say

_NAMED = 20
"""Runs of a sweep that are named one by one at most."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    A run that cannot be delivered is named in a line, and the others are.

    Raises:
        SystemExit: After one line for each problem: status 2 for a mistake of the user, 1 if the destination stopped
            answering, which ends the command at once.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gan_experiments.sync",
        description="Deliver to MLflow or TensorBoard what runs could not, or what was lost there, each value once. "
        "Safe to repeat.",
    )
    parser.add_argument(
        "run_dirs", metavar="DIR", nargs="+", help="a run's folder, such as outputs/2026-01-31/12-00-00, or a sweep's"
    )
    parser.add_argument("--uri", help="deliver there instead, such as sqlite:///mlflow.db or tensorboard:FOLDER")
    parser.add_argument("--experiment", help="record it in this experiment from now on")
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="draw all pictures of runs that have drawn only the last, and deliver them",
    )
    options = parser.parse_intermixed_args(arguments)
    complaints = Complaints()
    with user_errors():
        for sweep, directories in [_find(path) for path in options.run_dirs]:
            for number, directory in enumerate(directories, 1):
                with complaints.noted():
                    with busy(f"drawing and delivering {directory.path}"):
                        run_id = synchronise(directory, options.uri, options.experiment, options.pictures, say)
                    if number <= _NAMED:
                        print(f"pictures  {clickable(directory.artifacts, sys.stdout)}")
                        print(f"run       {run_id or 'tracked nowhere; --uri says where to deliver it'}", flush=True)
                if any(isinstance(error, RunFailedError) for error in complaints.errors):  # nothing answers there
                    raise SystemExit(complaints.status)
            if len(directories) > _NAMED:
                print(f"run       … and {len(directories) - _NAMED} more", flush=True)
            if sweep is not None and options.uri is None:
                _complete_summary(sweep, options.experiment)
    if complaints.errors:
        raise SystemExit(complaints.status)


def _find(path: str) -> tuple[SweepDirectory | None, Sequence[RunDirectory]]:
    """Return the runs in a folder: a run's own, or those of a sweep that have begun."""
    sweep = SweepDirectory(path)
    if not sweep.sweep.is_file():
        return None, [RunDirectory.of_a_run(path)]
    return sweep, [job for job in sweep.jobs() if job.journal.is_file()]


def _complete_summary(sweep: SweepDirectory, experiment: str | None) -> None:
    """Bring a sweep's summary to MLflow.

    Raises:
        RunFailedError: MLflow did not take it.
    """
    from gan_experiments.sweeps.mlflow_summary import deliver

    if experiment is not None:
        sweep.change_experiment(experiment)
    if (complaint := deliver(sweep)) is not None:
        raise RunFailedError(complaint)
    if (run_id := sweep.content()["run_id"]) is not None:
        print(f"summary   {run_id}")


if __name__ == "__main__":
    main()
