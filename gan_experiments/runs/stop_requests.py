"""Ends runs that somebody asked to stop by ``python -m gan_experiments.stop``: by a file in their folders."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from gan_experiments.runs.run import Run
from gan_experiments.tracking.journal import STOPPED
from gan_experiments.tracking.run_events import Ended, Joined, Publish, RunEvent, StoppedEarly
from gan_experiments.training.events import Completed, StepsFinished
from gan_experiments.training.trainer import Trainer

_PAUSE = 0.5
"""Seconds between two looks at the runs' folders, at least."""


class StopRequests:
    """Looks now and then, between windows of steps, for runs that somebody asked to stop.

    A request is a file and nothing else, because whoever asks may be on another machine. A run takes it up once: it
    removes the file, and completes with the step that it is at.

    Args:
        runs: The runs that train now, by number.
        trainer: Trains them.
        publish: Called with each stop, when the run has left.
    """

    def __init__(self, runs: Mapping[int, Run], trainer: Trainer, publish: Publish) -> None:
        self._runs, self._trainer, self._publish = runs, trainer, publish
        self._asked: set[int] = set()
        self._looked = -_PAUSE

    def on(self, k: int, event: RunEvent) -> None:
        """Look for requests, or tell that run ``k`` ends because of one."""
        match event:
            case Joined():
                _take(event.directory.stop)  # it was meant for a process that has ended
            case StepsFinished() if time.monotonic() - self._looked >= _PAUSE:
                self._look()
            case Completed() if k in self._asked:
                total = self._trainer.slot(k).length.total_steps
                if event.step < total:
                    reason = f"{STOPPED} after step {event.step} of {total}"
                    self._publish(k, StoppedEarly(event.step, event.epoch, reason))
            case StoppedEarly() | Ended():  # by itself, in the window in which it was asked to
                self._asked.discard(k)

    def _look(self) -> None:
        for k, run in self._runs.items():
            if k not in self._asked and os.access(run.directory.stop, os.F_OK):
                _take(run.directory.stop)
                self._asked.add(k)
                self._trainer.end_here(k)
        self._looked = time.monotonic()


def _take(request: Path) -> None:
    with suppress(OSError):  # there is none, or it is another user's
        request.unlink()
