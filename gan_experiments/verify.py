"""The command ``python -m gan_experiments.verify``: trains a part of a run again, and says whether it is that run."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from gan_experiments.configuration.command_line import let_threads_rest, user_errors
from gan_experiments.configuration.override import read
from gan_experiments.errors import UserError
from gan_experiments.tracking.complaints import Complaints
from gan_experiments.tracking.destination import usual
from gan_experiments.tracking.find_run import find_run
from gan_experiments.tracking.find_runs import find_runs
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.terminal import busy

_STEPS = 200
_KEYS = ("data.root", "data.download", "device")
"""Keys that say where a run is repeated, and not what it is."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Of several runs, each that is not what it claims to be is named, and the others are verified.

    Raises:
        SystemExit: After one line on stderr for each problem: status 1 if a run is not what it claims to be, else 2
            for a mistake of the user, or a run without a chain.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gan_experiments.verify",
        description="Verify runs: check each run's files against its chain of digests, train a part of it again, and "
        "say whether that gives the same bits. Nothing is written to its folder.",
    )
    parser.add_argument(
        "what",
        nargs="+",
        metavar="RUN",
        help="a run's folder or MLflow id, a sweep or another folder of runs; data.root=FOLDER, device=cpu",
    )
    parser.add_argument(
        "--all", action="store_true", help="repeat all of the training: losses, metrics, scores and weights"
    )
    parser.add_argument("--steps", type=int, default=_STEPS, help="steps to train again (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="chooses the state to train from (default: a new one each time)")
    parser.add_argument("--uri", default=usual(), help="where an id is looked up (default: %(default)s)")
    options = parser.parse_intermixed_args(arguments)
    let_threads_rest()
    complaints = Complaints()
    with user_errors():
        if options.steps < 1:
            raise UserError(f"--steps {options.steps}: must be at least 1")
        given = [argument for argument in options.what if "=" in argument and not Path(argument).exists()]
        overrides = _overrides(given)
        references = [argument for argument in options.what if argument not in given]
        if not references:
            raise UserError("RUN: must name a run to verify, besides KEY=VALUE")
        for directory in _find(references, options.uri, complaints):
            with complaints.noted():
                _verify(directory, options, overrides)
    if complaints.errors:
        raise SystemExit(complaints.status)


def _verify(directory: RunDirectory, options: argparse.Namespace, overrides: dict[str, Any]) -> None:
    with busy("starting"):
        from gan_experiments.runs.verification import verify_run

    print(directory.path, flush=True)
    seed = secrets.randbelow(10_000) if options.seed is None else options.seed
    verify_run(
        directory,
        lambda line: print(line, flush=True),
        steps=options.steps,
        seed=seed,
        everything=options.all,
        overrides=overrides,
    )


def _overrides(given: Sequence[str]) -> dict[str, Any]:
    """Return values that may be given anew, by their keys; paths are absolute.

    Raises:
        UserError: A key is another.
    """
    values: dict[str, Any] = {}
    for override in read(given):
        if override.key not in _KEYS:
            raise UserError(f"{override.text}: must be one of {', '.join(_KEYS)}; a run is verified as it is")
        is_path = override.key == "data.root"
        values[override.key] = (
            str(Path(override.unquoted).absolute()) if is_path else yaml.safe_load(override.unquoted)
        )
    return values


def _find(references: Sequence[str], uri: str, complaints: Complaints) -> list[RunDirectory]:
    """Return the runs that are named, or lie in a folder that is, each once."""
    found: dict[Path, RunDirectory] = {}
    for reference in references:
        with complaints.noted():
            path = find_run(reference, uri).resolve()
            runs = find_runs(path) if path.is_dir() else []
            if not runs:
                raise UserError(f"{reference}: must be a run's folder or MLflow id, a sweep, or a folder of runs")
            found |= {run.path: run for run in runs}
    return list(found.values())


if __name__ == "__main__":
    main()
