"""The background process of a run: it draws the pictures and delivers to MLflow while training goes on.

A process rather than a thread, because drawing, importing MLflow and migrating its database are Python code that
would take the interpreter lock from the training loop, and because a hanging server cannot hold up an exit.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import gan_experiments
from gan_experiments.tracking.run_directory import RunDirectory

UNDELIVERED = 3
"""Exit status of the background process when the destination did not take everything in time."""


class Background:
    """Starts the background process and sees it out.

    Args:
        directory: The run's folder, with its run.json.
        uri: Where the run is delivered, or None.
        say: Shows a line to the person.
    """

    def __init__(self, directory: RunDirectory, uri: str | None, say: Callable[[str], None]) -> None:
        self._directory, self._uri, self._say = directory, uri, say

    def start(self) -> None:
        """Start it. It ends by itself when this process does, however that comes about."""
        with self._directory.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gan_experiments.tracking.worker", str(self._directory.path)],
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

    def finish(self) -> str | None:
        """Wait until everything is drawn and delivered; no longer than the person grants a silent server.

        Returns:
            One line saying what is missing and how to complete it, or None.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()
        status = self._process.wait()
        self._reader.join()
        if status == 0:
            return None
        log = self._directory.log
        what = f"{self._uri} did not take everything" if status == UNDELIVERED else f"tracking broke off (see {log})"
        return f"{what}; to complete it: {sync_command(self._directory.path)}"


def environment() -> dict[str, str]:
    """Variables for a process that imports what this one can import, and computes little."""
    # This package first: a model loaded through MLflow puts a part of it on the path.
    path = [str(Path(gan_experiments.__file__).parent.parent), *map(os.path.abspath, sys.path)]
    # Its threads would only take turns with those of training.
    return os.environ | {"PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"}


def sync_command(run_directory: Path) -> str:
    """The command that completes a run's pictures and delivery."""
    return f"python -m gan_experiments.sync {shlex.quote(str(run_directory))}"
