"""Ends runs: the results that their launcher gets, and the statuses in their records."""

from __future__ import annotations

import math
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from gan_experiments.errors import RunFailedError
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_events import ALL_EPOCHS, Ended, Publish, RunEvent, StoppedEarly
from gan_experiments.training.events import Completed, Diverged, EpochFinished, Event, Stopped


def is_of_the_disk(failure: BaseException | None) -> TypeGuard[OSError]:
    """Tell whether training was broken off because its folder can't be written: full, gone, or without the right."""
    return isinstance(failure, OSError) and failure.errno is not None and not isinstance(failure, ConnectionError)


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
        step: Steps already done when this process started.

    Attributes:
        stopped_after: The step after which a signal stopped the runs, or None.
    """

    def __init__(self, directories: Sequence[RunDirectory], publish: Publish, step: int = 0) -> None:
        self._directories, self._publish = directories, publish
        self._endings = [_Ending() for _ in directories]
        self.stopped_after: int | None = None
        self._step = step

    def on(self, k: int, event: RunEvent) -> None:
        """Note what an event of run ``k`` says about its end."""
        ending = self._endings[k]
        if isinstance(event, Event):
            self._step = event.step
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

    def end_together(self, failure: BaseException | None, signals: Sequence[int], total_steps: int) -> Ended:
        """End all runs that have not ended yet.

        Args:
            failure: What broke off training, or None.
            signals: The signals that have come, by number.
            total_steps: Steps of the whole run.

        Returns:
            How they end.

        Raises:
            OSError: The end of a run could not be written down, unless it is such a failure that is to be.
        """
        end = self._end(failure, signals, total_steps)
        for k, ending in enumerate(self._endings):
            if not ending.over:
                self._publish(k, end)
        return end

    def _end(self, failure: BaseException | None, signals: Sequence[int], total_steps: int) -> Ended:
        if isinstance(failure, KeyboardInterrupt | SystemExit):  # a second signal
            step = self._step
            return Ended("KILLED", f"stopped at once after step {step} of {total_steps}, without a new checkpoint")
        if is_of_the_disk(failure):
            what = f"{failure.filename or self._directories[0].path} cannot be written"
            why = failure.strerror or type(failure).__name__
            return Ended("FAILED", f"{what} ({why}) after step {self._step} of {total_steps}")
        if failure is not None:
            return Ended("FAILED", f"{type(failure).__name__}: {failure}".splitlines()[0])
        if self.stopped_after is not None:
            name = signal.Signals(signals[0]).name
            return Ended("KILLED", f"stopped by {name} after step {self.stopped_after} of {total_steps}")
        return Ended("FINISHED", ALL_EPOCHS)

    @property
    def results(self) -> list[float | RunFailedError]:
        """Result of each run: G's mean loss over its last epoch, or the error if training diverged."""
        return [ending.result for ending in self._endings]
