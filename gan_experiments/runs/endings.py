"""Ends runs: the results that their launcher gets, and the statuses in their records."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from gan_experiments.errors import RunFailedError
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_events import ALL_EPOCHS, Ended, Joined, Publish, RunEvent, StoppedEarly
from gan_experiments.training.events import Completed, Diverged, EpochFinished, Event, Left, Stopped


def is_of_the_disk(failure: BaseException | None) -> TypeGuard[OSError]:
    """Tell whether training was broken off because its folder can't be written: full, gone, or without the right."""
    return isinstance(failure, OSError) and failure.errno is not None and not isinstance(failure, ConnectionError)


@dataclass
class _Ending:
    """The end of one run, as far as it is known.

    Attributes:
        directory: Its folder.
        step: Steps done.
        total_steps: Steps of the whole run.
        result: G's mean loss over the last epoch, or the error if training diverged.
        early_stop: Why the run stops early, in one line, or None.
        left: How it leaves its slot at a rung, or None.
        is_complete: Whether ``result`` is the run's, and not that of a part of it.
    """

    directory: RunDirectory
    step: int
    total_steps: int
    result: float | RunFailedError = math.nan
    early_stop: str | None = None
    left: Ended | None = None
    is_complete: bool = False


class Endings:
    """Ends each run as soon as it is over, and all at once where training is broken off.

    Args:
        publish: Called with each end.
        leaving: Says which of the runs at work leave at a rung, and how, given the steps done by each.
    """

    def __init__(
        self, publish: Publish, leaving: Callable[[Mapping[int, int]], Mapping[int, Ended]] = lambda _: {}
    ) -> None:
        self._publish, self._leaving = publish, leaving
        self._endings: dict[int, _Ending] = {}
        self._stopped: set[int] = set()
        self._results: dict[int, float | RunFailedError | None] = {}

    def on(self, k: int, event: RunEvent) -> None:
        """Note what an event of run ``k`` says about its end."""
        match event:
            case Joined():
                description = event.description
                self._endings[k] = _Ending(event.directory, event.step, description.total_steps)
            case Ended():
                ending = self._endings.pop(k)
                self._results[k] = ending.result if ending.is_complete else None
            case _ if k in self._endings:
                self._follow(k, self._endings[k], event)

    def _follow(self, k: int, ending: _Ending, event: RunEvent) -> None:
        if isinstance(event, Event):
            ending.step = event.step
        match event:
            case EpochFinished():
                ending.result = event.metrics["loss/generator"]
            case StoppedEarly():
                ending.early_stop = event.reason
            case Completed():
                ending.is_complete = True
                self._publish(k, Ended("FINISHED", ending.early_stop or ALL_EPOCHS))
            case Left() if ending.left is not None:
                ending.is_complete = ending.left.pruned is not None
                self._publish(k, ending.left)
            case Diverged():
                ending.is_complete = True
                ending.result = RunFailedError(f"the run failed: {event.reason}{_kept(ending.directory)}")
                self._publish(k, Ended("FAILED", event.reason))
            case Stopped():
                self._stopped.add(k)

    def decide(self, steps: Mapping[int, int]) -> Collection[int]:
        """Return those of the runs at work that leave at their rungs now, given the steps done by each."""
        leaving = self._leaving(steps)
        for k, end in leaving.items():
            self._endings[k].left = end
        return leaving

    def take_result(self, k: int) -> float | RunFailedError | None:
        """Return what run ``k``, which has ended, has left: None if it was paused or broken off."""
        return self._results.pop(k)

    def end_together(self, failure: BaseException | None, signals: Sequence[int]) -> Ended | None:
        """End all runs that have not ended yet.

        Args:
            failure: What broke off training, or None.
            signals: The signals that have come, by number.

        Returns:
            How they end; None if none was left.

        Raises:
            OSError: The end of a run could not be written down, unless it is such a failure that is to be.
        """
        end = None
        for k, ending in sorted(self._endings.items()):
            end = self._end(k, ending, failure, signals)
            self._publish(k, end)
        return end

    def _end(self, k: int, ending: _Ending, failure: BaseException | None, signals: Sequence[int]) -> Ended:
        after = f"after step {ending.step} of {ending.total_steps}"
        if isinstance(failure, KeyboardInterrupt | SystemExit):  # a second signal
            return Ended("KILLED", f"stopped at once {after}, without a new checkpoint")
        if is_of_the_disk(failure):
            what = f"{failure.filename or ending.directory.path} cannot be written"
            return Ended("FAILED", f"{what} ({failure.strerror or type(failure).__name__}) {after}")
        if failure is not None:
            return Ended("FAILED", f"{type(failure).__name__}: {failure}".splitlines()[0])
        assert k in self._stopped
        return Ended("KILLED", f"stopped by {signal.Signals(signals[0]).name} {after}")


def _kept(directory: RunDirectory) -> str:
    return f"; the checkpoint before it is {directory.checkpoint}" if directory.checkpoint.exists() else ""
