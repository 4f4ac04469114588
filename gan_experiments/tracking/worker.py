"""A background process of training; see ``background.Background``, which starts it."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue

import filelock

from gan_experiments.tracking.background import UNDELIVERED
from gan_experiments.tracking.delivery_errors import RefusedError
from gan_experiments.tracking.destination import tracker_of
from gan_experiments.tracking.followed import Followed, note
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.trackers.tracker import brief

_PAUSE = 0.5
"""Seconds between looks at the journals."""
_LONGEST_BACKOFF = 15.0
_PREDECESSOR = 120.0
"""Seconds that the worker of a run that was killed and resumed may take to end."""
_NICENESS = 5
"""Training goes first where processors are short."""


def main() -> None:
    """Render and deliver the runs that standard input names, one folder a line, until it ends; then what is left."""
    os.nice(_NICENESS)
    joined, over = SimpleQueue[Path](), threading.Event()
    threading.Thread(target=_listen, args=(joined, over), daemon=True).start()
    sys.exit(Worker(joined, over, Sayer()).work())


def _listen(joined: SimpleQueue[Path], over: threading.Event) -> None:
    """Pass on the folders, until the training process, which holds the other end, ends in whatever way."""
    for line in sys.stdin.buffer:
        if line.endswith(b"\n"):  # the process may have been killed while it wrote
            joined.put(Path(json.loads(line)))
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


class Worker:
    """Renders and delivers runs that train together, each from when it joins until it has ended and is delivered.

    Args:
        joined: The folders of runs that have begun to train, or go on; they share a destination.
        over: Set when the training process is through, or gone.
        say: Shows a line to the user.
    """

    def __init__(self, joined: SimpleQueue[Path], over: threading.Event, say: Callable[[str], None]) -> None:
        self._joined, self._over, self._say = joined, over, say
        self._runs: dict[Path, Followed] = {}
        self._to_come: dict[Path, float] = {}
        self._uri: str | None = None
        self._patience, self._answered = 0.0, 0.0
        self._lost = self._refused = self._broken = False

    def work(self) -> int:
        """Follow the journals to their ends; then give the destination ``tracking.timeout`` to take the rest.

        Returns:
            The exit status: ``UNDELIVERED`` if the destination refused a run, 1 if one could not be followed.
        """
        backoff = 0.0
        while not self._over.is_set():
            self._welcome()
            backoff = 0.0 if self._follow() else min(_LONGEST_BACKOFF, 2 * backoff + 1)
            self._over.wait(backoff or _PAUSE)
        self._welcome()
        while self._to_come:
            time.sleep(_PAUSE)
            self._welcome()
        for path in [*self._runs]:
            self._render(path, over=True)
        if self._uri is not None:
            tracker = tracker_of(self._uri)
            tracker.load(self._uri)
            threading.Thread(target=self._give_up, args=(tracker.is_local(self._uri),), daemon=True).start()
        for path, run in [*self._runs.items()]:
            for action in (run.drain, run.end_abandoned):
                while not self._try(path, run, action):
                    time.sleep(1.0)
            self._forget(path)
        return 1 if self._broken else UNDELIVERED if self._refused else 0

    def _welcome(self) -> None:
        """Begin with the runs that have joined; with one that another process still delivers, later."""
        while True:
            try:
                path = self._joined.get_nowait()
            except Empty:
                break
            if path in self._runs:  # it was paused, and goes on before all of it had arrived
                self._runs[path].go_on()
            else:
                self._to_come.setdefault(path, time.monotonic() + _PREDECESSOR)
        for path, latest in [*self._to_come.items()]:
            try:
                run = Followed(RunDirectory(path), self._say)
            except filelock.Timeout as error:
                if time.monotonic() < latest:
                    continue
                self._note_broken(path, error)
            except Exception as error:
                self._note_broken(path, error)
            else:
                self._runs[path], self._uri, self._patience = run, run.uri, run.patience
            del self._to_come[path]

    def _follow(self) -> bool:
        """Render and deliver what is new, up to the first run that the destination does not take."""
        for path, run in [*self._runs.items()]:
            if self._over.is_set():
                break
            if not self._render(path):
                continue
            if run.has_news and not self._try(path, run, run.drain):
                return False
            if run.has_ended:
                self._forget(path)
        return True

    def _render(self, path: Path, *, over: bool = False) -> bool:
        """Render what is new of a run. One of which that fails is left to ``sync``, and the others go on."""
        try:
            self._runs[path].advance(over=over)
        except Exception as error:
            self._note_broken(path, error)
            self._forget(path)
            return False
        return True

    def _note_broken(self, path: Path, error: Exception) -> None:
        self._broken = True
        note(RunDirectory(path), error)

    def _forget(self, path: Path) -> None:
        run = self._runs.pop(path)
        if run.tracker is not None:
            self._answered = max(self._answered, run.tracker.answered)
        run.release()

    def _try(self, path: Path, run: Followed, action: Callable[[], None]) -> bool:
        """Return whether the tracker took it. If not, training continues, and what it missed is sent later."""
        try:
            action()
        except RefusedError as error:
            run.refused = self._refused = True
            note(RunDirectory(path), error)
            self._say(f"{self._place()} refuses {run.name!r}: {error}; training continues, and its folder has it all")
        except Exception as error:
            if not self._lost:
                note(RunDirectory(path), error)
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
        since = time.monotonic()
        while True:
            answers = [run.tracker.answered for run in [*self._runs.values()] if run.tracker is not None]
            if local and not self._lost:
                since = time.monotonic()  # a file is never silent: if it takes long, this machine is busy
            elif time.monotonic() - max(since, self._answered, *answers) >= self._patience:
                os._exit(UNDELIVERED)  # the request in flight may hang for longer
            time.sleep(0.1)


if __name__ == "__main__":
    main()
