"""Takes what training reports: to the journals first, then to the progress display, then, behind both, to MLflow."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Collection, Sequence
from contextlib import ExitStack

from torch import nn

from gan_experiments.tracking.background import Background
from gan_experiments.tracking.destination import tracker_of
from gan_experiments.tracking.progress import GroupProgress, Progress, words
from gan_experiments.tracking.recorder import Recorder
from gan_experiments.tracking.system_metrics import SystemMonitor
from gan_experiments.training.events import EpochFinished, Event, StepsFinished

_COMPLETE = "all epochs are done"


class Recording:
    """Records the runs that one program trains together: one, or the members of a stack.

    Args:
        recorders: Of each run. They agree in destination and length.
    """

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        self._recorders = recorders
        self._open = set(range(len(recorders)))
        self._scores: dict[int, str] = {}
        self._lock = threading.Lock()
        self._ended: list[tuple[str, str]] = [("", "")] * len(recorders)

    def open(self) -> None:
        """Claim the folders, write down what the runs are, and start the background processes.

        Raises:
            UserError: Another process is training in one of the folders; nothing was written.
        """
        first = self._recorders[0]
        with ExitStack() as claims:
            for recorder in self._recorders:
                recorder.claim()
                claims.callback(recorder.release)
            claims.pop_all()
        for recorder in self._recorders:
            recorder.open(members=len(self._recorders))
        names = [recorder.name for recorder in self._recorders]
        shown = (first.total_steps, first.epochs, first.resumed_from)
        self._progress = Progress(*shown) if len(names) == 1 else GroupProgress(names, *shown)
        directories = [recorder.directory for recorder in self._recorders]
        self._background = Background(directories, first.tracking.uri, self._progress.write)
        self._monitor = SystemMonitor(self._record_system_metrics) if first.tracking.system_metrics else None
        if self._monitor is not None:
            self._monitor.start()

    def _record_system_metrics(self, values: dict[str, float]) -> None:
        with self._lock:
            for k in self._open:
                self._recorders[k].record_system_metrics(values)

    def record(self, event: Event, k: int = 0) -> None:
        """Take notice of an event of run ``k``. For a ``CheckpointDue``, call this before it is written."""
        self._recorders[k].record(event)
        if isinstance(event, StepsFinished):
            self._progress.steps(event, k)
        elif isinstance(event, EpochFinished):
            self._progress.epoch(event, k)

    def show_warnings(self, new: Collection[str], on: Collection[str], k: int = 0) -> None:
        """Show the warning lights of run ``k``: those that came on, and all that are on from here on."""
        self._progress.warn(new, on, k)

    def show_score(self, name: str, value: float, larger_is_better: bool, k: int = 0) -> None:
        """Show a score of run ``k`` from here on."""
        self._progress.score(name, value, larger_is_better, k)
        self._scores[k] = f"{words(name)} {value:.4g}"

    def close(self, status: str, reason: str = _COMPLETE, generator: nn.Module | None = None, k: int = 0) -> None:
        """End run ``k``; with the last of them, wait until all is drawn and delivered, and say where everything is.

        Args:
            status: ``FINISHED``, ``FAILED`` or ``KILLED``.
            reason: Why it ended, in one line.
            generator: The final generator, for the MLflow model.
            k: Which of the runs.
        """
        early = reason != _COMPLETE
        if early and isinstance(self._progress, GroupProgress):
            self._progress.lose(k, f"failed: {reason}" if status == "FAILED" else f"ended: {reason}")
        self._close(k, status, reason, generator, early)

    def close_all(self, status: str, reason: str) -> None:
        """End all runs that have not ended."""
        for k in sorted(self._open):
            self._close(k, status, reason, None, early=False)

    def _close(self, k: int, status: str, reason: str, generator: nn.Module | None, early: bool) -> None:
        if self._monitor is not None and (not early or self._open == {k}):
            self._monitor.stop()  # runs that end together all get the last measurement
            self._monitor = None
        with self._lock:
            self._open.remove(k)
        self._recorders[k].close(status, reason, generator)
        self._ended[k] = status, reason
        if self._open:
            return
        self._progress.close()
        complaints = self._background.finish()
        for recorder in self._recorders:
            recorder.release()
        self._report()
        for complaint in complaints:
            print(complaint, file=sys.stderr)

    def _report(self) -> None:
        tracking = self._recorders[0].tracking
        if len(self._recorders) == 1:
            if self._ended[0][1] != _COMPLETE and self._ended[0][0] == "FINISHED":
                print(f"ended     {self._ended[0][1]}")
            for score in self._scores.values():
                print(f"score     {score}")
            print(f"pictures  {self._recorders[0].directory.artifacts}")
        for recorder, (status, reason) in zip(self._recorders, self._ended, strict=True):
            run_id = recorder.directory.run_id() if tracking.uri is not None else None
            where = f"{recorder.name}, experiment {tracking.experiment}"
            line = f"run       {run_id} ({where})" if run_id else f"run       {recorder.name}, not tracked"
            print(line if len(self._recorders) == 1 or status == "FINISHED" else f"{line}: {status}, {reason}")
        if len(self._recorders) > 1:
            folder = os.path.commonpath([recorder.directory.path for recorder in self._recorders])
            print(f"pictures  {folder}, in each run's artifacts")
        if tracking.uri is not None:
            print(f"browse    {tracker_of(tracking.uri).browse(tracking.uri)}", flush=True)
