"""A run in progress, as the background process sees it: what is rendered and delivered of it."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

import filelock

from gan_experiments.tracking.destination import tracker_of
from gan_experiments.tracking.pictures.gallery import Gallery
from gan_experiments.tracking.run_directory import RunDirectory, read_json

_PAUSE_OF_MANY = 30.0
"""Seconds between deliveries of a run that is one of many: each asks MLflow for as much as a whole run would."""


class Followed:
    """A run of which everything is rendered and delivered.

    Args:
        directory: The run's folder.
        say: Shows a line to the user.

    Attributes:
        name: The run's name.
        uri: Its destination, or None.
        patience: Seconds that a silent destination is waited for at the end.
        tracker: Delivers it there, or None.
        refused: Whether the destination does not take it; then nothing more is sent.

    Raises:
        filelock.Timeout: Another process delivers it at the moment.
    """

    def __init__(self, directory: RunDirectory, say: Callable[[str], None]) -> None:
        self._lock = filelock.FileLock(directory.delivery_lock, timeout=0)
        self._lock.acquire()
        run = read_json(directory.run)
        self._directory = directory
        self.name: str = run["name"]
        self.uri: str | None = run["uri"]
        self.patience: float = run["timeout"]
        self._gallery = Gallery(directory, run)
        self.tracker = tracker_of(self.uri)(directory, run, self.uri, self._gallery, say) if self.uri else None
        self.refused = False
        self._delivered = -1
        self._pause = 0.0 if run.get("pictures", "all") == "all" else _PAUSE_OF_MANY
        self._next = time.monotonic() + self._pause
        self.go_on()

    def go_on(self) -> None:
        """Follow the process that trains the run now, if it is another than before."""
        self._gallery.advance()
        self._session = self._gallery.session

    @property
    def has_ended(self) -> bool:
        """Whether all that is rendered so far includes how the run ended."""
        return self._gallery.status is not None

    @property
    def has_news(self) -> bool:
        """Whether something is to be delivered: at once, or of a run that is one of many at times and at its end."""
        is_due = self.has_ended or time.monotonic() >= self._next
        return self.tracker is not None and self._delivered != self._gallery.position and is_due

    def advance(self, *, over: bool = False) -> None:
        """Render what is new; ``over`` says that nothing more will come."""
        self._gallery.advance()
        if over and self.tracker is None and not self.has_ended:
            self._gallery.finish()

    def drain(self) -> None:
        """Deliver what is rendered."""
        while self.tracker is not None and not self.refused and self.tracker.send():
            pass
        self._delivered = self._gallery.position
        self._next = time.monotonic() + self._pause

    def end_abandoned(self) -> None:
        """Mark a run as killed if its process died without a word and it is not already training again."""
        if self.tracker is None or self.refused:
            return
        self._gallery.advance()
        if self._gallery.session == self._session and not self.has_ended:
            self.tracker.end_abandoned()

    def release(self) -> None:
        """Leave the run's delivery to other processes."""
        self._lock.release()


def note(directory: RunDirectory, error: Exception) -> None:
    """Write a failure of the background process into a run's folder or, where that is gone, on stderr."""
    try:
        with directory.log.open("a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)
    except OSError:
        traceback.print_exception(error)
