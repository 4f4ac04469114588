"""The command ``python -m gan_experiments.sync``: delivers what runs could not deliver themselves."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gan_experiments.configuration.command_line import user_errors
from gan_experiments.tracking.hyperlink import clickable
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.synchronise import synchronise
from gan_experiments.tracking.terminal import busy


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Raises:
        SystemExit: After one line: status 2 for a mistake of the user, 1 if the destination stopped answering.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gan_experiments.sync",
        description="Deliver to MLflow or TensorBoard what runs could not, each value once. Safe to repeat.",
    )
    parser.add_argument(
        "run_dirs", metavar="RUN_DIR", nargs="+", help="a run's folder, such as outputs/2026-01-31/12-00-00"
    )
    parser.add_argument("--uri", help="deliver there instead, such as sqlite:///mlflow.db or tensorboard:FOLDER")
    options = parser.parse_args(arguments)
    with user_errors():
        for directory in [RunDirectory.of_a_run(path) for path in options.run_dirs]:
            with busy(f"drawing and delivering {directory.path}"):
                run_id = synchronise(directory, options.uri)
            print(f"pictures  {clickable(directory.artifacts, sys.stdout)}")
            print(f"run       {run_id or 'tracked nowhere; --uri says where to deliver it'}", flush=True)


if __name__ == "__main__":
    main()
