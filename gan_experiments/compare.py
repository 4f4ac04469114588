"""The command ``python -m gan_experiments.compare``: which setting won, by how much, and whether that is noise."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gan_experiments.configuration.command_line import user_errors
from gan_experiments.errors import RunFailedError, UserError
from gan_experiments.sweeps.mlflow_summary import deliver
from gan_experiments.tracking.complaints import Complaints
from gan_experiments.tracking.destination import usual
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.hyperlink import clickable
from gan_experiments.tracking.sweep_directory import SweepDirectory
from gan_experiments.tracking.terminal import busy
from gan_experiments.tracking.writable_folder import check_folder

_SEVERAL = "comparison"
"""Folder of the report on several folders, below the one in which the command is given."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. What cannot be read is named, and the others are compared.

    Raises:
        SystemExit: Status 2 for a user's mistake, after one line on stderr for each; 1 if MLflow did not accept the
            report.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gan_experiments.compare",
        description="Compare runs: one HTML page that needs no network, and its tables. Runs on different data, or "
        "scored in different ways, are ranked separately. Of a sweep that is at work it says how far it is.",
    )
    parser.add_argument(
        "what",
        nargs="+",
        metavar="WHAT",
        help="a sweep's folder, a run's, any folder with runs below it, or an MLflow id of a run or of a sweep's "
        "summary; one run of a sweep alone stands for the sweep",
    )
    parser.add_argument(
        "--metric", help="what to rank by (default: a score eval/…, else how balanced the game was at its end)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help=f"where to write (default: report/ in the folder, for a sweep also MLflow's summary of it; so_far/ "
        f"of one at work; of several: {_SEVERAL}/ here)",
    )
    parser.add_argument("--uri", default=usual(), help="where an id is looked up (default: %(default)s)")
    options = parser.parse_intermixed_args(arguments)
    with user_errors():
        complaints = Complaints()
        places = _find(options.what, options.uri, complaints)
        if not places:
            raise SystemExit(complaints.status)
        sweep = SweepDirectory.around(places[0]) if len(places) == 1 else None
        if sweep is not None:
            places = [sweep.path]
        at_work = sweep is not None and sweep.is_at_work()
        out: Path = options.out or _folder(places, at_work)
        check_folder("--out", str(out))
        with busy(f"comparing the runs in {' '.join(options.what)}"):
            # Imported after the checks, which are fast without it.
            from gan_experiments.reports.comparison import compare
            from gan_experiments.reports.so_far import lines
            from gan_experiments.reports.write import write

            comparison = compare(places, options.metric, complaints, at_work)
        with busy("writing the report"):
            page = write(comparison, out.absolute())
        work = comparison.at_work
        for line in comparison.headlines if work is None else lines(comparison, work):
            print(line)
        print(f"report    {clickable(page, sys.stdout)}")
        if sweep is not None and options.out is None and not at_work:
            sweep.end_abandoned()
            with busy("bringing the report to the sweep's summary"):
                complaint = deliver(sweep)
            if complaint is not None:
                raise RunFailedError(complaint)
        if complaints.errors:
            raise SystemExit(complaints.status)


def _folder(places: Sequence[Path], at_work: bool) -> Path:
    """Return the folder of a report by default; a sweep at work writes its own at its end."""
    if len(places) > 1:
        return Path(_SEVERAL)
    directory = SweepDirectory(places[0])
    return directory.so_far if at_work else directory.report


def _find(references: Sequence[str], uri: str, complaints: Complaints) -> list[Path]:
    """Return the folders whose runs are compared, each once."""
    found: dict[Path, None] = {}
    for reference in references:
        with complaints.noted():
            path = find_run(reference, uri).resolve()
            if not path.is_dir():
                raise UserError(f"{reference}: must be a sweep's folder, a folder of runs, or an MLflow run id")
            found[path] = None
    return list(found)


if __name__ == "__main__":
    main()
