"""The last lines that a run prints: how it ended, its score, and where everything is."""

from __future__ import annotations

import os
from collections.abc import Sequence

from gan_experiments.configuration.schema import TrackingConfig
from gan_experiments.tracking.destination import tracker_of
from gan_experiments.tracking.naming import in_words
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_events import ALL_EPOCHS, Ended, RunEvent, Scored


class LastLines:
    """Remembers how runs ended, and prints it when all of them have.

    Args:
        names: Name of each run.
        directories: Folder of each run.
        tracking: Where the runs are recorded.
    """

    def __init__(self, names: Sequence[str], directories: Sequence[RunDirectory], tracking: TrackingConfig) -> None:
        self._names, self._directories, self._tracking = names, directories, tracking
        self._scores: dict[int, str] = {}
        self._ends: dict[int, Ended] = {}

    def on(self, k: int, event: RunEvent) -> None:
        """Remember a score or the end of run ``k``."""
        match event:
            case Scored(headline=best) if best is not None:
                self._scores[k] = f"{in_words(best.name)} {best.value:.4g}"
            case Ended():
                self._ends[k] = event

    def print(self) -> None:
        """Print the lines of one run, or of a stack, on stdout."""
        alone = len(self._names) == 1
        if alone:
            if self._ends[0].status == "FINISHED" and self._ends[0].reason != ALL_EPOCHS:
                print(f"ended     {self._ends[0].reason}")
            if 0 in self._scores:
                print(f"score     {self._scores[0]}")
            print(f"pictures  {self._directories[0].artifacts}")
        for k in range(len(self._names)):
            line, end = self._identity(k), self._ends[k]
            print(line if alone or end.status == "FINISHED" else f"{line}: {end.status}, {end.reason}")
        if not alone:
            folder = os.path.commonpath([directory.path for directory in self._directories])
            print(f"pictures  {folder}, in each run's artifacts")
        if self._tracking.uri is not None:
            print(f"browse    {tracker_of(self._tracking.uri).browse(self._tracking.uri)}", flush=True)

    def _identity(self, k: int) -> str:
        run_id = self._directories[k].run_id() if self._tracking.uri is not None else None
        if run_id is None:
            return f"run       {self._names[k]}, not tracked"
        return f"run       {run_id} ({self._names[k]}, experiment {self._tracking.experiment})"
