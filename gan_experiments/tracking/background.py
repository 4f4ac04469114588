"""The background process of a run: it draws the pictures and delivers to MLflow while training goes on.

A process rather than a thread, because drawing, importing MLflow and migrating its database are Python code that
would take the interpreter lock from the training loop, and because a hanging server cannot hold up an exit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import gan_experiments
from gan_experiments.config import TrackingConfig
from gan_experiments.tracking.run_directory import RunDirectory

_DRAWING = 60.0
"""Seconds that the last pictures may take, in addition to what the person grants the server."""


class Background:
    """Starts the background process and sees it out.

    Args:
        directory: The run's folder, with its run.json.
        tracking: Where the run is delivered, and how long its end waits.
        say: Shows a line to the person.
    """

    def __init__(self, directory: RunDirectory, tracking: TrackingConfig, say: Callable[[str], None]) -> None:
        self._directory, self._tracking, self._say = directory, tracking, say

    def start(self) -> None:
        """Start it. It ends by itself when this process does, however that comes about."""
        package = str(Path(gan_experiments.__file__).parent.parent)
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        with self._directory.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "gan_experiments.tracking.worker", str(self._directory.path)],
                stdin=subprocess.PIPE,  # its end tells the worker that this process is through
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | {"PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C is for training, which then ends the run in good order
                text=True,
            )
        self._reader = threading.Thread(target=self._relay, name="tracking-messages", daemon=True)
        self._reader.start()

    def _relay(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._say(line.rstrip())

    def finish(self) -> str | None:
        """Wait until everything is drawn and delivered, as long as the person allows.

        Returns:
            One line saying what is missing and how to complete it, or None.
        """
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            status = self._process.wait(self._tracking.timeout + _DRAWING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join()
        self._process.stdout.close() if self._process.stdout else None
        if status == 0:
            return None
        return f"not everything has reached MLflow; to deliver the rest: {sync_command(self._directory.path)}"


def sync_command(run_directory: Path) -> str:
    """The command that completes a run's pictures and delivery."""
    return f"python -m gan_experiments.sync {run_directory}"
