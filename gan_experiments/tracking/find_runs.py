"""Find all runs that lie in a folder: a run's own, a sweep's, or any other."""

from __future__ import annotations

import re
from pathlib import Path

from gan_experiments.tracking.run_directory import folders_below
from gan_experiments.tracking.sweep_directory import JobDirectory

_FILES = ("journal.jsonl", "run.json")
"""A folder with either is a run's, even if the other is lost."""


def find_runs(folder: Path) -> list[JobDirectory]:
    """Return the runs in a folder and below it, in the order of their paths, numbers by their value."""
    folders = [path for path, files in folders_below(folder) if not files.isdisjoint(_FILES)]
    return [JobDirectory(path) for path in sorted(folders, key=_numbered)]


def _numbered(path: Path) -> str:
    """Return a key by which folder 2 comes before folder 10."""
    return re.sub(r"\d+", lambda number: number[0].zfill(12), str(path))
