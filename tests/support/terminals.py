"""A terminal of a size, and what a program shows there."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
from collections.abc import Sequence
from pathlib import Path


def shown(columns: int, program: str, *arguments: str) -> str:
    """Return what a Python program writes on a terminal, as its stderr."""
    return shown_by(["-c", program, *arguments], columns, Path(__file__).parents[2])


def shown_by(arguments: Sequence[str], columns: int, folder: Path) -> str:
    """Return what Python, called with these arguments in a folder, writes on a terminal as its stderr."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (40, columns))
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=follower,
        cwd=folder,
        env=os.environ | {"TERM": "xterm-256color"},
    )
    os.close(follower)
    output = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        output += part
    os.close(leader)
    assert process.wait() == 0, output.decode()
    return output.decode()
