"""Ends runs: the results that their launcher gets, and the statuses in their records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gan_experiments.errors import RunFailedError
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_events import Ended, Publish, RunEvent, StoppedEarly
from gan_experiments.training.events import Completed, Diverged, EpochFinished, Stopped


@dataclass
class _Ending:
    """The end of one run, as far as it is known.

    Attributes:
        result: G's mean loss over the last epoch, or the error if training diverged.
        early_stop: Why the run stops early, in one line, or None.
        over: Whether it has ended.
    """

    result: float | RunFailedError = math.nan
    early_stop: str | None = None
    over: bool = False


class Endings:
    """Ends a run that is over before the others at once; runs that end together are ended by ``end_together``.

    Args:
        directories: Folder of each run.
        publish: Called with each end.

    Attributes:
        stopped_after: The step after which a signal stopped the runs, or None.
    """

    def __init__(self, directories: Sequence[RunDirectory], publish: Publish) -> None:
        self._directories, self._publish = directories, publish
        self._endings = [_Ending() for _ in directories]
        self.stopped_after: int | None = None

    def on(self, k: int, event: RunEvent) -> None:
        """Note what an event of run ``k`` says about its end."""
        ending = self._endings[k]
        match event:
            case EpochFinished():
                ending.result = event.metrics["loss/generator"]
            case StoppedEarly():
                ending.early_stop = event.reason
            case Completed() if ending.early_stop is not None:
                self._publish(k, Ended("FINISHED", ending.early_stop))
            case Diverged():
                ending.result = RunFailedError(f"the run failed: {event.reason}{self._kept(k)}")
                self._publish(k, Ended("FAILED", event.reason))
            case Stopped():
                self.stopped_after = event.step
            case Ended():
                ending.over = True

    def _kept(self, k: int) -> str:
        checkpoint = self._directories[k].checkpoint
        return f"; the checkpoint before it is {checkpoint}" if checkpoint.exists() else ""

    def end_together(self, status: str, reason: str) -> None:
        """End all runs that have not ended yet."""
        for k, ending in enumerate(self._endings):
            if not ending.over:
                self._publish(k, Ended(status, reason))

    @property
    def results(self) -> list[float | RunFailedError]:
        """Result of each run: G's mean loss over its last epoch, or the error if training diverged."""
        return [ending.result for ending in self._endings]
