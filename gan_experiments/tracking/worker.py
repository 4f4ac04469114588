"""The background process of a run; see ``background.Background``, which starts it."""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import filelock

from gan_experiments.tracking.background import UNDELIVERED
from gan_experiments.tracking.gallery import Gallery
from gan_experiments.tracking.journal import last_session
from gan_experiments.tracking.mlflow_delivery import Delivery
from gan_experiments.tracking.mlflow_run import brief
from gan_experiments.tracking.run_directory import RunDirectory, read_json

_PAUSE = 0.5
"""Seconds between looks at the journal."""
_LONGEST_BACKOFF = 15.0
_PREDECESSOR = 120.0
"""Seconds that the worker of a run that was killed and resumed may take to end."""
_NICENESS = 10
"""Training goes first where processors are short."""


def main() -> None:
    """Draw and deliver until standard input ends, and what is left then."""
    os.nice(_NICENESS)
    directory = RunDirectory(sys.argv[1])
    over = threading.Event()
    threading.Thread(target=_watch, args=(over,), daemon=True).start()
    with filelock.FileLock(directory.delivery_lock, timeout=_PREDECESSOR):
        Worker(directory, read_json(directory.run), over).work()


def _watch(over: threading.Event) -> None:
    """The training process holds the other end; however it ends, this returns."""
    sys.stdin.buffer.read()
    over.set()


class Worker:
    """Draws and delivers a run in the making.

    Args:
        directory: The run's folder.
        run: Its run.json.
        over: Set when the training process is through, or gone.
    """

    def __init__(self, directory: RunDirectory, run: dict[str, Any], over: threading.Event) -> None:
        self._directory, self._over, self._uri = directory, over, run["uri"]
        self._patience: float = run["timeout"]
        self._gallery = Gallery(directory, run)
        self._delivery = Delivery(directory, run, run["uri"], self._gallery) if run["uri"] else None
        self._lost = False

    def work(self) -> None:
        """Follow the journal to its end; then give the destination what time it is granted."""
        session, _ = last_session(self._directory.journal)
        backoff = 0.0
        while not self._over.is_set():
            self._gallery.advance()
            backoff = 0.0 if self._try(self._drain) else min(_LONGEST_BACKOFF, 2 * backoff + 1)
            self._over.wait(backoff or _PAUSE)
        self._gallery.advance()
        if self._delivery is None:
            if not last_session(self._directory.journal)[1]:
                self._gallery.finish()
            return
        threading.Thread(target=self._give_up, args=(self._delivery, time.monotonic()), daemon=True).start()
        while not self._try(self._drain):
            time.sleep(1.0)
        # A process that died left no status; unless, resumed, it is already training again.
        while last_session(self._directory.journal) == (session, False):
            if self._try(self._delivery.end_abandoned):
                break
            time.sleep(1.0)

    def _drain(self) -> None:
        while self._delivery is not None and self._delivery.send():
            pass

    def _try(self, action: Callable[[], None]) -> bool:
        """Whether MLflow took it. When it does not, training goes on and what it missed is sent later."""
        try:
            action()
        except Exception as error:
            if not self._lost:
                traceback.print_exc()  # into tracking.log
                self._say(f"MLflow at {self._uri} is lost ({brief(error)}); the run goes on, and is delivered later")
            self._lost = True
            return False
        if self._lost:
            self._say(f"MLflow at {self._uri} is back; it has everything up to here")
        self._lost = False
        return True

    def _give_up(self, delivery: Delivery, since: float) -> None:
        """End this process when the destination has not answered for as long as the person grants it."""
        while time.monotonic() - max(since, delivery.answered) < self._patience:
            time.sleep(0.1)
        os._exit(UNDELIVERED)  # the request in flight may hang for longer

    def _say(self, line: str) -> None:
        try:
            print(line, flush=True)
        except OSError:  # the training process was killed
            self._say = lambda line: None


if __name__ == "__main__":
    main()
