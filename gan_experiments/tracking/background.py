"""The background processes of training: they render pictures and deliver to the tracker while it trains.

Processes rather than threads, because rendering, importing MLflow and migrating its database are Python code that
would take the interpreter lock from the training loop, and because a hanging server cannot hold up an exit.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import gan_experiments
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.sweep_directory import SweepDirectory

UNDELIVERED = 3
"""Exit status of a background process when the destination did not take everything in time."""
_NOTICES = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""A queue gives notice to all processes of a job; it is for training, which then ends the run in good order."""
_CORES_A_PROCESS = 4
"""A stack of many runs has many pictures to render; where there are cores to spare, several processes share them."""
_NAMED_ONE_BY_ONE = 8
"""Folders that a command names one by one at most."""


class Background:
    """Starts the background processes of runs that train together, and waits for their ends.

    Args:
        slots: How many runs can train together.
        uri: Where the runs are delivered, or None.
        say: Shows a line to the user.
    """

    def __init__(self, slots: int, uri: str | None, say: Callable[[str], None]) -> None:
        self._count = min(slots, max(1, (os.cpu_count() or 1) // _CORES_A_PROCESS))
        self._uri, self._say = uri, say
        self._processes: dict[int, _Process] = {}

    def add(self, k: int, directory: RunDirectory) -> None:
        """Have run ``k`` rendered and delivered from now on, until its journal says how it ended.

        Args:
            k: Number of the run. One that goes on after a pause returns to the process that had it before.
            directory: Its folder, with its run.json and its journal.
        """
        directory.log.touch()
        number = k % self._count
        if number not in self._processes:
            self._processes[number] = _Process(directory.log, self._uri, self._say)
        self._processes[number].add(directory)

    def remedy(self) -> str:
        """Return the command that completes the pictures and the delivery of what is not delivered yet."""
        processes = self._processes.values()
        missing = [path for process in processes for path in process.missing()]
        return sync_command(*(missing or (path for process in processes for path in process.paths)))

    def finish(self) -> list[str]:
        """Wait until everything is rendered and delivered, on a silent server no longer than ``tracking.timeout``.

        Returns:
            Lines saying what is missing and how to complete it.
        """
        for process in self._processes.values():
            process.release()
        return [line for process in self._processes.values() for line in process.wait()]


class _Process:
    """One background process: starts at once, and ends by itself after this process, however this one ends."""

    def __init__(self, log: Path, uri: str | None, say: Callable[[str], None]) -> None:
        self._log, self._uri, self._say = log, uri, say
        self.paths: dict[Path, None] = {}  # a set in order: a stack may see a thousand runs pass
        with log.open("ab") as errors, _blocked(*_NOTICES):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gan_experiments.tracking.worker"],
                stdin=subprocess.PIPE,  # brings the folders; its end tells the worker that this process is through
                stdout=subprocess.PIPE,
                stderr=errors,
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

    def add(self, directory: RunDirectory) -> None:
        """Pass on a run's folder."""
        assert self._process.stdin is not None
        self.paths[directory.path] = None
        with suppress(BrokenPipeError):  # it has ended, which `wait` tells of
            self._process.stdin.write(f"{json.dumps(str(directory.path))}\n")
            self._process.stdin.flush()

    def release(self) -> None:
        """Say that training is over."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def wait(self) -> list[str]:
        """Wait for its end, and return lines saying what is missing."""
        status = self._process.wait()
        self._reader.join()
        if status == 0:
            return []
        # A process that broke off may have done so after its last delivery; pictures are then still to be rendered.
        missing = self.missing() or [*self.paths]
        logs = [path / self._log.name for path in missing]
        log = next((each for each in logs if each.is_file() and each.stat().st_size), self._log)
        what = f"{self._uri} did not take everything" if status == UNDELIVERED else f"tracking broke off (see {log})"
        return [f"{what}; to complete it: {sync_command(*missing)}"]

    def missing(self) -> list[Path]:
        """Return the folders of which not everything is delivered yet; of runs that are tracked nowhere, all."""
        found = [RunDirectory(path) for path in self.paths if (path / "journal.jsonl").is_file()]
        uri = self._uri
        return [directory.path for directory in found if uri is None or not directory.is_delivered(uri)]


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
    """Return the command that completes runs' pictures and delivery; many of a sweep are named by its folder."""
    named = run_directories
    if len(named) > _NAMED_ONE_BY_ONE:
        sweep = SweepDirectory.around(named[0])
        if sweep is not None and all(path.is_relative_to(sweep.path) for path in named):
            named = (sweep.path,)
    return shlex.join(["python", "-m", "gan_experiments.sync", *map(str, named)])
