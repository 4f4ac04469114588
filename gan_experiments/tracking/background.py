"""The background processes of training: they render pictures and deliver to the tracker while it trains.

Processes rather than threads, because rendering, importing MLflow and migrating its database are Python code that
would take the interpreter lock from the training loop, and because a hanging server cannot hold up an exit.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import gan_experiments
from gan_experiments.tracking.run_directory import RunDirectory

UNDELIVERED = 3
"""Exit status of a background process when the destination did not take everything in time."""
_NOTICES = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""A queue gives notice to all processes of a job; it is for training, which then ends the run in good order."""
_CORES_A_PROCESS = 4
"""A stack of many runs has many pictures to render; where there are cores to spare, several processes share them."""


class Background:
    """Starts the background processes of runs that train together, and waits for their ends.

    Args:
        directories: The runs' folders, each with its run.json.
        uri: Where the runs are delivered, or None.
        say: Shows a line to the user.
    """

    def __init__(self, directories: Sequence[RunDirectory], uri: str | None, say: Callable[[str], None]) -> None:
        count = min(len(directories), max(1, (os.cpu_count() or 1) // _CORES_A_PROCESS))
        self._processes = [_Process(directories[i::count], uri, say) for i in range(count)]

    def finish(self) -> list[str]:
        """Wait until everything is rendered and delivered, on a silent server no longer than ``tracking.timeout``.

        Returns:
            Lines saying what is missing and how to complete it.
        """
        for process in self._processes:
            process.release()
        return [line for process in self._processes for line in process.wait()]


class _Process:
    """One background process: starts at once, and ends by itself after this process, however this one ends."""

    def __init__(self, directories: Sequence[RunDirectory], uri: str | None, say: Callable[[str], None]) -> None:
        self._directories, self._uri, self._say = directories, uri, say
        for directory in directories:
            directory.log.touch()
        with directories[0].log.open("ab") as log, _blocked(*_NOTICES):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gan_experiments.tracking.worker", *(str(d.path) for d in directories)],
                stdin=subprocess.PIPE,  # its end tells the worker that this process is through
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(),
                # Ctrl-C is for training, which then ends the run in good order. A session of its own would keep it
                # off too, but Linux shares processors out by session, and niceness would count for nothing.
                process_group=0,
                text=True,
            )
        self._reader = threading.Thread(target=self._relay, name="tracking-messages", daemon=True)
        self._reader.start()

    def _relay(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._say(line.rstrip())

    def release(self) -> None:
        """Say that training is over."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait(self) -> list[str]:
        """Wait for its end, and return lines saying what is missing."""
        status = self._process.wait()
        self._reader.join()
        if status == 0:
            return []
        # A process that broke off may have done so after its last delivery; pictures are then still to be rendered.
        uri = self._uri
        missing = [d for d in self._directories if uri is None or not d.is_delivered(uri)] or self._directories
        log = self._directories[0].log
        what = f"{self._uri} did not take everything" if status == UNDELIVERED else f"tracking broke off (see {log})"
        return [f"{what}; to complete it: {sync_command(*(directory.path for directory in missing))}"]


@contextmanager
def _blocked(*signals: signal.Signals) -> Iterator[None]:
    """Block signals for the processes that are started within."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def environment() -> dict[str, str]:
    """Return variables for a process that can import all that this one can, and computes little."""
    # This package first: a model loaded through MLflow puts a part of it on the path.
    path = [str(Path(gan_experiments.__file__).parent.parent), *map(os.path.abspath, sys.path)]
    # Its threads would only take turns with those of training.
    return os.environ | {"PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"}


def sync_command(*run_directories: Path) -> str:
    """Return the command that completes runs' pictures and delivery."""
    return shlex.join(["python", "-m", "gan_experiments.sync", *map(str, run_directories)])
