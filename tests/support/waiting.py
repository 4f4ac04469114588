"""Waits for what other processes do, with limits that a slow and busy machine keeps."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

import pytest

PATIENCE = 600.0
"""Seconds that a wait may take. Only a wait in vain takes them, so they are many."""


def until(
    condition: Callable[[], bool],
    what: str,
    process: subprocess.Popen[str] | None = None,
    *,
    pause: float = 0.05,
    patience: float = PATIENCE,
) -> None:
    """Wait for something that another process does; a test that waits in vain fails and says what it waited for.

    Args:
        condition: Whether it has happened.
        what: Its name in the failure: "waited 600 s in vain for …".
        process: The process that is to do it. If it ends without having done it, the test fails at once, with the
            process's outputs.
        pause: Seconds between looks.
        patience: Seconds until the wait is in vain.
    """
    deadline = time.monotonic() + patience
    while True:
        ended = process is not None and process.poll() is not None  # asked first: what it does last counts too
        if condition():
            return
        if ended:
            assert process is not None
            said = "\n".join(output for output in process.communicate() if output)
            pytest.fail(f"waited for {what}, but the process ended with status {process.returncode}:\n{said}")
        if time.monotonic() > deadline:
            pytest.fail(f"waited {patience:g} s in vain for {what}")
        time.sleep(pause)
