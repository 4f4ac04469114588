"""TensorBoard's pages, served from a log directory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import until


@contextmanager
def served(logs: Path, folder: Path) -> Iterator[str]:
    """The address at which ``tensorboard``, at work in ``folder``, serves a log directory's pages."""
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--host", "127.0.0.1", "--port", "0"],
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def address() -> str | None:
        assert server.poll() is None, log.read_text()
        found = re.search(r"at (http://127\.0\.0\.1:\d+)/", log.read_text())
        return found[1] if found else None

    try:
        until(lambda: address() is not None, "the address of TensorBoard")
        yield address() or ""
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
