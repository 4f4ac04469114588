"""Delivers to MLflow what runs could not: ``python -m gan_experiments.sync RUN_DIR [RUN_DIR …]``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import filelock

from gan_experiments.configuration.command_line import user_errors
from gan_experiments.errors import RunFailedError, UserError
from gan_experiments.tracking.mlflow.uri import check_uri
from gan_experiments.tracking.run_directory import RunDirectory, read_json


def sync(directory: RunDirectory, uri: str | None = None) -> str | None:
    """Complete a run's pictures and bring everything that is missing to MLflow, each value once; safe to repeat.

    Args:
        directory: The folder of a run that is not training.
        uri: Where to, if not where the run itself was to be delivered.

    Returns:
        The run's id there, or None for a run that was tracked nowhere.

    Raises:
        UserError: The run is training, or the destination is not there.
        RunFailedError: The destination stopped answering.
    """
    run = read_json(directory.run)
    destination = uri or run["uri"]
    if destination is not None:
        destination = check_uri(destination)
    # After the checks, which need none of it.
    from gan_experiments.tracking.mlflow.api import brief
    from gan_experiments.tracking.mlflow.delivery import Delivery
    from gan_experiments.tracking.pictures.gallery import Gallery

    try:
        with filelock.FileLock(directory.lock, timeout=0), filelock.FileLock(directory.delivery_lock, timeout=0):
            gallery = Gallery(directory, run)
            gallery.advance()
            if destination is None:
                gallery.finish()
                return None
            delivery = Delivery(directory, run, destination, gallery)
            from mlflow.exceptions import MlflowException

            try:
                return delivery.complete()
            except MlflowException as error:
                message = f"{destination} stopped answering ({brief(error)}); the same command goes on from there"
                raise RunFailedError(message) from error
    except filelock.Timeout as error:
        raise UserError(f"{directory.path}: this run is training or being delivered; it needs no help") from error


def main(arguments: Sequence[str] | None = None) -> None:
    """The command.

    Raises:
        SystemExit: Status 2 for what the person can mend, 1 if the destination went away; after one line.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gan_experiments.sync",
        description="Deliver to MLflow what runs could not, each value once. Safe to repeat.",
    )
    parser.add_argument(
        "run_dirs", metavar="RUN_DIR", nargs="+", help="a run's folder, such as outputs/2026-01-31/12-00-00"
    )
    parser.add_argument("--uri", help="another destination than the runs' own")
    options = parser.parse_args(arguments)
    with user_errors():
        for directory in [RunDirectory.of_a_run(path) for path in options.run_dirs]:
            run_id = sync(directory, options.uri)
            print(f"pictures  {directory.artifacts}")
            print(f"run       {run_id or 'tracked nowhere; --uri says where to deliver it'}", flush=True)


if __name__ == "__main__":
    main()
