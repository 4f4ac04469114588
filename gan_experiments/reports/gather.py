"""Gather the runs to compare from sweeps, runs and folders, each once and under a name of its own."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gan_experiments.errors import UserError
from gan_experiments.reports.record import RunRecord, name_of, read_record
from gan_experiments.tracking.complaints import Complaints
from gan_experiments.tracking.find_runs import find_runs
from gan_experiments.tracking.run_directory import folders_below
from gan_experiments.tracking.run_outcome import Outcome
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory

_WAITING = Outcome("waiting", "not started")


def gather(places: Sequence[Path], complaints: Complaints, at_work: bool = False) -> tuple[Path, list[RunRecord]]:
    """Read all runs in some folders.

    Args:
        places: Sweeps, runs and other folders, resolved. Jobs of a sweep that have not started yet count too.
        complaints: Notes runs whose folders are damaged; the others are read.
        at_work: Whether another process runs the sweep at the moment: then runs without a journal have yet to begin.

    Returns:
        The folder that has all of them in it, and the runs by number: a sweep's own numbers where they are of one
        sweep, else counted in the order given.
    """
    found: dict[Path, RunRecord] = {}
    for place in places:
        for record in _records(place, complaints, at_work):
            found.setdefault(record.directory.path, record)
    records = list(found.values())
    folder = _common(places)
    if len(places) > 1 or not SweepDirectory(places[0]).sweep.is_file():
        for number, record in enumerate(records):
            record.number = number
    counts = Counter(record.name for record in records)
    for record in records:
        if counts[record.name] > 1:
            record.name = f"{record.name} ({place_of(record, folder)})"
    return folder, records


def place_of(record: RunRecord, folder: Path) -> str:
    """Return a run's folder relative to that of all runs, so that the whole may be moved."""
    return os.path.relpath(record.directory.path, folder)


def _common(places: Sequence[Path]) -> Path:
    paths = [place.absolute() for place in places]
    return paths[0] if len(paths) == 1 else Path(os.path.commonpath(paths))


def _records(place: Path, complaints: Complaints, at_work: bool) -> Iterator[RunRecord]:
    """Yield the runs in a folder: sweeps in it with all their jobs, then what belongs to none."""
    sweeps = [
        SweepDirectory(path) for path in sorted(path for path, files in folders_below(place) if "sweep.json" in files)
    ]
    for sweep in sweeps:
        with complaints.noted():
            yield from _jobs(sweep, complaints, at_work)
    for run in find_runs(place):
        if not any(run.path.is_relative_to(sweep.path) for sweep in sweeps):
            with complaints.noted():
                yield _read(run, 0, {})


def _jobs(sweep: SweepDirectory, complaints: Complaints, at_work: bool) -> Iterator[RunRecord]:
    """Yield a sweep's runs by number, jobs that have not started yet included."""
    content: dict[str, Any] = sweep.content()
    started: dict[int, list[RunRecord]] = {}
    for job in sweep.jobs():
        with complaints.noted():
            record = _read(job, job.number(), content["varied"])
            if at_work and record.outcome.state == "died" and not job.journal.is_file():
                record.outcome = _WAITING
            started.setdefault(record.number, []).append(record)
    planned: Sequence[Sequence[str]] = content["jobs"] or ()
    for number in sorted({*started, *range(len(planned))}):
        if number in started:
            yield from started[number]
        else:
            name = name_of(planned[number], content["varied"])
            yield RunRecord(JobDirectory(sweep.path / str(number)), number, name, _WAITING)


def _read(directory: JobDirectory, number: int, varied: dict[str, str]) -> RunRecord:
    if not (directory.run.is_file() or directory.job.is_file()):
        raise UserError(f"{directory.path} is not the folder of a run: it has no {directory.run.name}")
    try:
        return read_record(directory, number, varied)
    except (OSError, ValueError, LookupError) as error:
        raise UserError(
            f"{directory.path}: this run's files are damaged ({type(error).__name__}: {error})"
        ) from error
