"""The command ``python -m gan_experiments.compare``: which setting won, by how much, and whether that is noise."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gan_experiments.configuration.command_line import user_errors
from gan_experiments.errors import UserError
from gan_experiments.runs.checks import check_folder
from gan_experiments.sweeps.mlflow_summary import deliver
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.hyperlink import clickable
from gan_experiments.tracking.sweep_directory import SweepDirectory
from gan_experiments.tracking.terminal import busy


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command.

    Raises:
        SystemExit: Status 2 for a user's mistake, after one line on stderr; 1 if MLflow did not accept the report.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gan_experiments.compare",
        description="Compare a sweep's runs: one HTML page that needs no network, and its tables.",
    )
    parser.add_argument(
        "sweep",
        metavar="SWEEP_DIR_OR_RUN_ID",
        help="a sweep's folder, any folder with runs below it, or the MLflow id of the summary or of one of the runs",
    )
    parser.add_argument(
        "--metric", help="what to rank by (default: a score eval/…, else how balanced the game was at its end)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where to write (default: report/ in the sweep's folder, and MLflow's summary of the sweep)",
    )
    parser.add_argument(
        "--uri", default="sqlite:///mlflow.db", help="where an id is looked up (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    with user_errors():
        folder, directory = _find(options.sweep, options.uri)
        out: Path = options.out or SweepDirectory(folder).report
        check_folder("--out", str(out))
        with busy(f"comparing the runs in {options.sweep}"):
            # Imported after the checks, which are fast without it.
            from gan_experiments.reports.comparison import compare
            from gan_experiments.reports.write import write

            comparison = compare(folder, options.metric)
        with busy("writing the report"):
            page = write(comparison, out.absolute())
    print(comparison.headline)
    print(f"report    {clickable(page, sys.stdout)}")
    if directory is not None and options.out is None:
        directory.end_abandoned()
        with busy("bringing the report to the sweep's summary"):
            complaint = deliver(directory)
        if complaint is not None:
            sys.stderr.write(f"{complaint}\n")
            raise SystemExit(1)


def _find(reference: str, uri: str) -> tuple[Path, SweepDirectory | None]:
    """Find the folder whose runs are compared, and the sweep that it belongs to."""
    path = find_run(reference, uri)
    if not path.is_dir():
        raise UserError(f"{reference}: must be a sweep's folder, a folder of runs, or an MLflow run id")
    directory = SweepDirectory.around(path)
    return (directory.path if directory else path.absolute()), directory


if __name__ == "__main__":
    main()
