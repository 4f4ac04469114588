"""The last lines that a run prints: how it ended, its score, and where everything is."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from gan_experiments.configuration.schema import TrackingConfig
from gan_experiments.tracking.destination import tracker_of
from gan_experiments.tracking.hyperlink import clickable
from gan_experiments.tracking.mlflow.model import predict_command
from gan_experiments.tracking.naming import duration, in_words
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_events import ALL_EPOCHS, Ended, Headline, RunEvent, Scored
from gan_experiments.tracking.run_log import RunLogs
from gan_experiments.tracking.terminal import say
from gan_experiments.training.events import EpochFinished


class LastLines:
    """Remembers how runs ended, and prints it when all of them have.

    Args:
        names: Name of each run.
        directories: Folder of each run.
        tracking: Where the runs are recorded.
    """

    def __init__(self, names: Sequence[str], directories: Sequence[RunDirectory], tracking: TrackingConfig) -> None:
        self._names, self._directories, self._tracking = names, directories, tracking
        self._logs = RunLogs(directories)
        self._scores: dict[int, Headline] = {}
        self._ends: dict[int, Ended] = {}
        self._took: dict[int, float] = {}
        self._epochs = dict.fromkeys(range(len(names)), 0)
        self._began = time.monotonic()

    def on(self, k: int, event: RunEvent) -> None:
        """Remember a score or the end of run ``k``."""
        match event:
            case EpochFinished():
                self._epochs[k] += 1
                self._took[k] = time.monotonic() - self._began
            case Scored(headline=best) if best is not None:
                self._scores[k] = best
            case Ended():
                self._ends[k] = event

    def print(self) -> None:
        """Print the lines of one run, or of a stack, on stdout; each run's own go to its log."""
        for k in range(len(self._names)):
            level = logging.ERROR if self._ends[k].status == "FAILED" else logging.INFO
            for label, text in (*self._how(k), *self._account(k), *self._links([k]), *self._model(k)):
                self._logs.note(k, _line(label, text), level if label == "failed" else logging.INFO)
        if len(self._names) == 1:
            how = [line for line in self._how(0) if line[0] == "ended"]  # of another end, stderr and the shell tell
            lines = [*how, *self._account(0), *self._links([0]), *self._model(0)]
        else:
            lines = [*self._of_a_stack(), *self._links(range(len(self._names)))]
        for label, text in lines:
            say(_line(label, text, for_people=True), sys.stdout)

    def _how(self, k: int) -> Iterator[tuple[str, str | Path]]:
        """Say how a run ended, unless all went as it was planned."""
        end = self._ends[k]
        if end.status == "FINISHED" and end.reason != ALL_EPOCHS:
            yield "ended", end.reason
        elif end.status != "FINISHED":
            yield end.status.lower(), end.reason

    def _account(self, k: int) -> Iterator[tuple[str, str | Path]]:
        if k in self._scores:
            yield "score", _meaning(self._scores[k])
        if self._epochs[k]:
            epochs = f"{self._epochs[k]} epoch{'' if self._epochs[k] == 1 else 's'}"
            yield "trained", f"{epochs} in {duration(self._took[k])}"
        yield "pictures", _picture(self._directories[k])
        yield "run", self._identity(k)

    def _of_a_stack(self) -> Iterator[tuple[str, str | Path]]:
        if self._took:
            yield "trained", f"{len(self._names)} runs in {duration(max(self._took.values()))}"
        for k in range(len(self._names)):
            line, end = self._identity(k), self._ends[k]
            yield "run", line if end.status == "FINISHED" else f"{line}: {end.status}, {end.reason}"
        folder = os.path.commonpath([directory.path for directory in self._directories])
        yield "pictures", f"{folder}, in each run's artifacts"

    def _identity(self, k: int) -> str:
        run_id = self._directories[k].run_id() if self._tracking.uri is not None else None
        if run_id is None:
            return f"{self._names[k]}, not tracked"
        return f"{run_id} ({self._names[k]}, experiment {self._tracking.experiment})"

    def _links(self, runs: Sequence[int]) -> Iterator[tuple[str, str | Path]]:
        """Say how to look at runs at their destination."""
        if self._tracking.uri is not None:
            delivered = [self._directories[k].delivery() for k in runs]
            yield from tracker_of(self._tracking.uri).links(self._tracking.uri, [each for each in delivered if each])

    def _model(self, k: int) -> Iterator[tuple[str, str | Path]]:
        """Say how to draw from the model that MLflow has of the generator."""
        if self._tracking.uri is not None and (command := predict_command(self._directories[k], self._tracking.uri)):
            yield "model", command


def _meaning(best: Headline) -> str:
    """Say a score, which way is better, and what real data score."""
    better = "higher" if best.larger_is_better else "lower"
    real = "" if best.real_data is None else f"; real data {best.real_data:.3g}"
    return f"{in_words(best.name)} {best.value:.4g} ({better} is better{real})"


def _picture(directory: RunDirectory) -> Path:
    """Return the picture to look at, or the folder of all where there is none."""
    samples = directory.artifacts / "figures" / "samples.png"
    return samples if samples.exists() else directory.artifacts


def _line(label: str, text: str | Path, *, for_people: bool = False) -> str:
    """Return a line; where people read it, paths and addresses can be clicked."""
    is_link = isinstance(text, Path) or text.startswith("http")
    return f"{label:<9} {clickable(text, sys.stdout) if for_people and is_link else text}"
