"""Delivers to MLflow what a run could not: ``python -m gan_experiments.sync RUN_DIR``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import filelock

from gan_experiments.errors import UserError
from gan_experiments.tracking.destination import check_uri
from gan_experiments.tracking.run_directory import RunDirectory, read_json


def sync(directory: RunDirectory, uri: str | None = None) -> str:
    """Complete a run's pictures and bring everything that is missing to MLflow; safe to repeat.

    Args:
        directory: The folder of a run that is not training.
        uri: Where to, if not where the run itself was to be delivered.

    Returns:
        The run's id there.

    Raises:
        UserError: The run is training, was tracked nowhere and ``uri`` is None, or the destination is not there.
    """
    run = read_json(directory.run)
    if uri is None and run["uri"] is None:
        raise UserError(f"{directory.path} was run with tracking=off; say where it is to go with --uri")
    destination = check_uri(uri or run["uri"])
    # After the checks, which import none of it.
    from gan_experiments.tracking.gallery import Gallery
    from gan_experiments.tracking.mlflow_delivery import Delivery

    try:
        with filelock.FileLock(directory.lock, timeout=0), filelock.FileLock(directory.delivery_lock, timeout=0):
            gallery = Gallery(directory, run)
            gallery.advance()
            gallery.finish()
            return Delivery(directory, run, destination, gallery).complete()
    except filelock.Timeout as error:
        raise UserError(f"{directory.path} is training or being delivered; it delivers by itself") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m gan_experiments.sync",
        description="Deliver to MLflow what a run could not, each value once. Safe to repeat.",
    )
    parser.add_argument(
        "run_dir", metavar="RUN_DIR", help="the run's folder, as in outputs/2026-01-31/12-00-00-000000"
    )
    parser.add_argument("--uri", help="another destination than the run's own")
    options = parser.parse_args(arguments)
    try:
        run_id = sync(RunDirectory.of_a_run(options.run_dir), options.uri)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"MLflow has everything of the run {run_id}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
