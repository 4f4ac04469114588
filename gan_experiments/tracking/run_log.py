"""``run.log`` in a run's folder: Hydra's log of the run, which also gets every line that was said about it."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.terminal import say

if TYPE_CHECKING:
    from gan_experiments.tracking.run_events import RunEvent

_FORMAT = logging.Formatter("[%(asctime)s][%(name)s][%(levelname)s] - %(message)s")
"""Hydra's own, so that what libraries log stands between our lines as one text."""


class LogFile(logging.FileHandler):
    """Hydra's handler of the file, made when there is something to log; one that cannot be written ends nothing."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename, encoding="utf-8", delay=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, if the file can be opened."""
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Do without the line."""


class Console(logging.StreamHandler[TextIO]):
    """Hydra's handler of the console, which leaves the live line whole."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        try:
            say(self.format(record), self.stream)
        except (OSError, ValueError):
            self.handleError(record)


def note(directory: RunDirectory, line: str, level: int = logging.INFO) -> None:
    """Add a line to a run's log, if that can be written.

    The file is opened for each line: members of a stack have one each, in one process, and many runs train in one
    after another.
    """
    record = logging.LogRecord("gan_experiments", level, "", 0, line, None, None)
    with suppress(OSError), directory.run_log.open("a", encoding="utf-8", errors="backslashreplace") as log:
        log.write(f"{_FORMAT.format(record)}\n")


class RunLogs:
    """The logs of the runs that train together at the moment.

    Args:
        slots: How many runs can train together. The log of one that trains by itself stays open to what is said
            after its end.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._directories: dict[int, RunDirectory] = {}

    def on(self, k: int, event: RunEvent) -> None:
        """Begin with the log of run ``k``, or leave it."""
        from gan_experiments.tracking.run_events import Ended, Joined  # the commands log before they need numbers

        match event:
            case Joined():
                if self._slots == 1:
                    self._directories.clear()
                self._directories[k] = event.directory
            case Ended() if self._slots > 1:
                del self._directories[k]

    def say(self, line: str, stream: TextIO | None = None, level: int = logging.INFO) -> None:
        """Print a line about all runs, on stderr by default, and add it to the logs of those that train."""
        say(line, stream)
        for directory in list(self._directories.values()):  # what the background process says comes from a thread
            note(directory, line, level)

    def note(self, k: int, line: str, level: int = logging.INFO) -> None:
        """Add a line to the log of run ``k`` alone."""
        note(self._directories[k], line, level)
