"""The last lines that a run prints: how it ended, its score, and where everything is."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gan_experiments.configuration.schema import TrackingConfig
from gan_experiments.tracking.destination import tracker_of
from gan_experiments.tracking.hyperlink import clickable
from gan_experiments.tracking.journal import PAUSED
from gan_experiments.tracking.mlflow.model import predict_command
from gan_experiments.tracking.naming import duration, in_words
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_events import ALL_EPOCHS, Ended, Headline, Joined, RunEvent, Scored
from gan_experiments.tracking.run_log import note
from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.sweep_directory import JobDirectory
from gan_experiments.tracking.terminal import say
from gan_experiments.training.events import EpochFinished

_NAMED = 20
"""Runs of a stack that are named at its end, at most."""


@dataclass
class _Run:
    """A run, as far as it is known.

    Attributes:
        directory: Its folder.
        name: Its name.
        tracking: Where it is recorded.
        began: When it joined, on the monotonic clock.
        epochs: Epochs that it has trained since.
        took: Seconds that they took.
        score: Its last score, or None.
        end: How it ended, or None.
    """

    directory: RunDirectory
    name: str
    tracking: TrackingConfig
    began: float = field(default_factory=time.monotonic)
    epochs: int = 0
    took: float = 0.0
    score: Headline | None = None
    end: Ended | None = None

    def how(self) -> Iterator[tuple[str, str | Path]]:
        """Say how the run ended, unless all went as it was planned."""
        assert self.end is not None
        if self.end.status != "FINISHED":
            yield self.end.status.lower(), self.end.reason
        elif self.end.reason != ALL_EPOCHS:
            yield "ended", self.end.reason

    def account(self) -> Iterator[tuple[str, str | Path]]:
        """Say how good the run is, how long it took, and where it is."""
        if self.score is not None:
            yield "score", _meaning(self.score)
        if self.epochs:
            epochs = f"{self.epochs} epoch{'' if self.epochs == 1 else 's'}"
            yield "trained", f"{epochs} in {duration(self.took)}"
        yield "pictures", _pictures(self.tracking, self.directory)
        yield "run", self.identity()

    def log(self, lines: Iterable[tuple[str, str | Path]]) -> None:
        """Add lines to the run's log."""
        for label, text in lines:
            note(self.directory, _line(label, text), logging.ERROR if label == "failed" else logging.INFO)

    def identity(self) -> str:
        """Return the run's id, as far as it has one, and its name."""
        if self.tracking.uri is None:
            return f"{self.name}, not tracked"
        run_id = self.directory.run_id() or "not delivered yet"
        return f"{run_id} ({self.name}, experiment {self.tracking.experiment})"


class LastLines:
    """Remembers how runs ended, and prints it when all of them have.

    Args:
        slots: How many runs can train together.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._runs: dict[int, _Run] = {}
        self._named: dict[int, _Run] = {}
        self._ends: dict[int, str] = {}
        self._paused: dict[int, _Run] = {}
        self._folder: Path | None = None
        self._began, self._took = time.monotonic(), 0.0

    def on(self, k: int, event: RunEvent) -> None:
        """Remember what there will be to say of run ``k``."""
        match event:
            case Joined():
                self._join(k, event)
            case EpochFinished():
                now, run = time.monotonic(), self._runs[k]
                run.epochs += 1
                run.took, self._took = now - run.began, now - self._began
            case Scored(headline=best) if best is not None:
                self._runs[k].score = best
            case Ended():
                self._end(k, event)

    def _join(self, k: int, event: Joined) -> None:
        for ended in [number for number, run in self._runs.items() if run.end is not None]:
            self._file(ended)
        self._runs[k] = _Run(event.directory, event.description.name, event.description.tracking)
        self._named.pop(k, None)
        self._ends.pop(k, None)
        self._paused.pop(k, None)
        path = event.directory.path
        self._folder = path if self._folder is None else Path(os.path.commonpath([self._folder, path]))

    def _end(self, k: int, event: Ended) -> None:
        self._runs[k].end = event
        if self._slots > 1:  # that of a run by itself is told when all is delivered
            self._file(k)

    def _file(self, k: int) -> None:
        """Log the last lines of a run that has ended and is one of many, and forget it unless it will be named."""
        run = self._runs.pop(k)
        run.log([*run.how(), *run.account()])
        assert run.end is not None
        self._ends[k] = "pruned" if run.end.pruned is not None else run.end.status.lower()
        if run.end.status == PAUSED:
            self._paused[k] = run
        # Those that failed first, and the first of the others.
        self._named[k] = run
        if len(self._named) > _NAMED:
            del self._named[max(reversed(self._named), key=self._rank)]

    def _rank(self, k: int) -> tuple[bool, ...]:
        """Return what is smaller for a run that is sooner named."""
        return self._ends[k] != "failed", self._ends[k] == "pruned"

    def print(self) -> None:
        """Print the lines of one run, or of a stack, on stdout; a run's own go to its log."""
        alone = self._slots == 1 and not self._ends
        for k in [] if alone else [*self._runs]:
            self._file(k)
        for label, text in self._of_one() if alone else self._of_a_stack():
            say(_line(label, text, for_people=True), sys.stdout)

    def _of_one(self) -> Iterator[tuple[str, str | Path]]:
        for run in self._runs.values():
            lines = [*run.how(), *run.account(), *_links(run.tracking, [run.directory]), *_model(run)]
            run.log(lines)
            # Of an end that was not planned, stderr and the shell tell.
            yield from (line for line in lines if line[0] not in ("failed", "killed", "paused"))

    def _of_a_stack(self) -> Iterator[tuple[str, str | Path]]:
        if not self._ends:
            return
        for k, run in self._paused.items():
            now = outcome(JobDirectory(run.directory.path))
            if now.finished:  # it was given up while it waited
                run.end, self._ends[k] = Ended("FINISHED", now.reason), "pruned"
        if self._took:
            yield "trained", f"{self._how_many()} in {duration(self._took)}"
        for k in sorted(self._named, key=self._rank):
            run = self._named[k]
            how = "".join(f": {label.upper()}, {reason}" for label, reason in run.how() if label != "ended")
            yield "run", f"{run.identity()}{how}"
        if more := len(self._ends) - len(self._named):
            yield "run", f"… and {more} more"
        runs = [*self._named.values()]
        assert self._folder is not None  # a run has ended
        yield "pictures", _pictures_of_many(runs[0].tracking, self._folder)
        yield from _links(runs[0].tracking, [run.directory for run in runs])

    def _how_many(self) -> str:
        """Return how many runs there were and, unless all have finished, how they ended."""
        many = f"{len(self._ends)} run{'' if len(self._ends) == 1 else 's'}"
        counts = Counter(self._ends.values()).most_common()
        listed = ", ".join(f"{count} {how}" for how, count in counts)
        return many if listed == f"{len(self._ends)} finished" else f"{many} ({listed})"


def _links(tracking: TrackingConfig, directories: Sequence[RunDirectory]) -> Iterator[tuple[str, str]]:
    """Say how to look at runs at their destination."""
    if tracking.uri is not None:
        delivered = [directory.delivery() for directory in directories]
        yield from tracker_of(tracking.uri).links(tracking.uri, [each for each in delivered if each])


def _model(run: _Run) -> Iterator[tuple[str, str]]:
    """Say how to draw from the model that MLflow has of the generator."""
    if run.tracking.uri is not None and (command := predict_command(run.directory, run.tracking.uri)):
        yield "model", command


def _meaning(best: Headline) -> str:
    """Say a score, which way is better, and what real data score."""
    better = "higher" if best.larger_is_better else "lower"
    real = "" if best.real_data is None else f"; real data {best.real_data:.3g}"
    return f"{in_words(best.name)} {best.value:.4g} ({better} is better{real})"


def _pictures(tracking: TrackingConfig, directory: RunDirectory) -> str | Path:
    """Return the picture to look at, or the folder of all where there is none, or the command that draws them."""
    if tracking.pictures == "last" and tracking.uri is None:
        return f"none yet: {_draw_all(directory.path)}"
    samples = directory.artifacts / "figures" / "samples.png"
    return samples if samples.exists() else directory.artifacts


def _pictures_of_many(tracking: TrackingConfig, folder: Path) -> str:
    """Return where the pictures of runs below a folder are, and how those are drawn that are not there."""
    if tracking.pictures != "last":
        return f"{folder}, in each run's artifacts"
    so_far = "none yet" if tracking.uri is None else "the last, in each run's artifacts; all"
    return f"{so_far}: {_draw_all(folder)}"


def _draw_all(folder: Path) -> str:
    return shlex.join(["python", "-m", "gan_experiments.sync", str(folder), "--pictures"])


def _line(label: str, text: str | Path, *, for_people: bool = False) -> str:
    """Return a line; where people read it, paths and addresses can be clicked."""
    is_link = isinstance(text, Path) or text.startswith("http")
    return f"{label:<9} {clickable(text, sys.stdout) if for_people and is_link else text}"
