"""A background process of training; see ``background.Background``, which starts it."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import filelock

from gan_experiments.tracking.background import UNDELIVERED
from gan_experiments.tracking.delivery_errors import RefusedError
from gan_experiments.tracking.destination import tracker_of
from gan_experiments.tracking.journal import last_session
from gan_experiments.tracking.pictures.gallery import Gallery
from gan_experiments.tracking.run_directory import RunDirectory, read_json
from gan_experiments.tracking.trackers.tracker import brief

_PAUSE = 0.5
"""Seconds between looks at the journals."""
_LONGEST_BACKOFF = 15.0
_PREDECESSOR = 120.0
"""Seconds that the worker of a run that was killed and resumed may take to end."""
_NICENESS = 5
"""Training goes first where processors are short."""


def main() -> None:
    """Render and deliver the runs named as arguments until standard input ends, and then what is left."""
    os.nice(_NICENESS)
    directories = [RunDirectory(path) for path in sys.argv[1:]]
    over = threading.Event()
    threading.Thread(target=_watch, args=(over,), daemon=True).start()
    with ExitStack() as locks:
        for directory in directories:
            locks.enter_context(filelock.FileLock(directory.delivery_lock, timeout=_PREDECESSOR))
        say = Sayer()
        missing = Worker([Followed(directory, say) for directory in directories], over, say).work()
    sys.exit(UNDELIVERED if missing else 0)


def _watch(over: threading.Event) -> None:
    """Wait until the training process, which holds the other end, ends in whatever way."""
    sys.stdin.buffer.read()
    over.set()


class Sayer:
    """Shows lines through the training process, each once: runs of a stack meet the same."""

    def __init__(self) -> None:
        self._last: str | None = None
        self._is_heard = True

    def __call__(self, line: str) -> None:
        """Show a line, unless it is the last one again."""
        if self._is_heard and line != self._last:
            self._last = line
            try:
                print(line, flush=True)
            except OSError:  # the training process was killed
                self._is_heard = False


class Followed:
    """A run in progress, of which everything is rendered and delivered.

    Args:
        directory: The run's folder.
        say: Shows a line to the user.

    Attributes:
        name: The run's name.
        uri: Its destination, or None.
        patience: Seconds that a silent destination is waited for at the end.
        tracker: Delivers it there, or None.
        refused: Whether the destination does not take it; then nothing more is sent.
    """

    def __init__(self, directory: RunDirectory, say: Callable[[str], None]) -> None:
        run = read_json(directory.run)
        self._directory = directory
        self.name: str = run["name"]
        self.uri: str | None = run["uri"]
        self.patience: float = run["timeout"]
        self._gallery = Gallery(directory, run)
        self.tracker = tracker_of(self.uri)(directory, run, self.uri, self._gallery, say) if self.uri else None
        self.refused = False
        self._session, _ = last_session(directory.journal)

    def advance(self, *, over: bool = False) -> None:
        """Render what is new; ``over`` says that nothing more will come."""
        self._gallery.advance()
        if over and self.tracker is None and not last_session(self._directory.journal)[1]:
            self._gallery.finish()

    def drain(self) -> None:
        """Deliver what is rendered."""
        while self.tracker is not None and not self.refused and self.tracker.send():
            pass

    def end_abandoned(self) -> None:
        """Mark a run as killed if its process died without a word and it is not already training again."""
        if self.tracker is None or self.refused:
            return
        if last_session(self._directory.journal) == (self._session, False):
            self.tracker.end_abandoned()

    def note(self, error: Exception) -> None:
        """Write a failure into the run's log."""
        with self._directory.log.open("a", encoding="utf-8") as log:
            traceback.print_exception(error, file=log)


class Worker:
    """Renders and delivers runs that train together.

    Args:
        runs: The runs, which share a destination.
        over: Set when the training process is through, or gone.
        say: Shows a line to the user.
    """

    def __init__(self, runs: Sequence[Followed], over: threading.Event, say: Callable[[str], None]) -> None:
        self._runs, self._over, self._uri, self._say = runs, over, runs[0].uri, say
        self._lost = False

    def work(self) -> bool:
        """Follow the journals to their ends; then give the destination ``tracking.timeout`` to take the rest.

        Returns:
            Whether the destination refused a run.
        """
        backoff = 0.0
        while not self._over.is_set():
            backoff = 0.0 if self._follow() else min(_LONGEST_BACKOFF, 2 * backoff + 1)
            self._over.wait(backoff or _PAUSE)
        for run in self._runs:
            run.advance(over=True)
        if self._uri is not None:
            tracker = tracker_of(self._uri)
            tracker.load(self._uri)
            threading.Thread(target=self._give_up, args=(tracker.is_local(self._uri),), daemon=True).start()
        for run in self._runs:
            for action in (run.drain, run.end_abandoned):
                while not self._try(run, action):
                    time.sleep(1.0)
        return any(run.refused for run in self._runs)

    def _follow(self) -> bool:
        """Render and deliver what is new, up to the first run that the destination does not take."""
        for run in self._runs:
            if self._over.is_set():
                break
            run.advance()
            if not self._try(run, run.drain):
                return False
        return True

    def _try(self, run: Followed, action: Callable[[], None]) -> bool:
        """Return whether the tracker took it. If not, training continues, and what it missed is sent later."""
        try:
            action()
        except RefusedError as error:
            run.refused = True
            run.note(error)
            self._say(f"{self._place()} refuses {run.name!r}: {error}; training continues, and its folder has it all")
        except Exception as error:
            if not self._lost:
                run.note(error)
                self._say(f"{self._place()} is lost ({brief(error)}); training continues, and is delivered later")
            self._lost = True
            return False
        if self._lost:
            self._say(f"{self._place()} is back; what it missed is on its way")
        self._lost = False
        return True

    def _place(self) -> str:
        assert self._uri is not None  # nothing is delivered otherwise
        return f"{tracker_of(self._uri).title} at {self._uri}"

    def _give_up(self, local: bool) -> None:
        """End this process when the destination has not answered for ``tracking.timeout`` seconds."""
        trackers = [run.tracker for run in self._runs if run.tracker is not None]
        since = time.monotonic()
        while True:
            if local and not self._lost:
                since = time.monotonic()  # a file is never silent: if it takes long, this machine is busy
            elif time.monotonic() - max(since, *(each.answered for each in trackers)) >= self._runs[0].patience:
                os._exit(UNDELIVERED)  # the request in flight may hang for longer
            time.sleep(0.1)


if __name__ == "__main__":
    main()
