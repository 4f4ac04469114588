"""A machine of its own for Ray, whose ports are open on every interface: namespaces without a way out."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

_PROGRAMS = ("unshare", "nsenter", "ip")
MISSING = [
    *([] if os.geteuid() == 0 else ["root's right to make namespaces"]),
    *(program for program in _PROGRAMS if shutil.which(program) is None),
    *([] if importlib.util.find_spec("ray") else ["ray"]),
]
"""What these namespaces need, and is not here."""


@contextmanager
def namespaces(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What enters them stands before a command; in them are the loopback and each other, and all end here."""
    # Paths of sockets have at most a hundred characters.
    folder = tempfile.mkdtemp(prefix="ray")
    monkeypatch.setenv("RAY_TMPDIR", folder)
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))  # it would put one into the home folder
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    unshare = ["unshare", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
    hold = ["sh", "-c", "ip link set lo up && echo up && exec sleep infinity"]
    with subprocess.Popen([*unshare, *hold], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            (first,) = psutil.Process(process.pid).children()
            yield ["nsenter", f"--target={first.pid}", "--net", "--pid", "--mount"]
        finally:
            process.kill()  # and with the first process of its namespace end all
    shutil.rmtree(folder)


def start_cluster(inside: list[str]) -> None:
    """Start Ray's cluster of one node with two processors, which runs until the namespaces end."""
    ray = Path(sys.executable).with_name("ray")
    options = ("--head", "--num-cpus=2", "--include-dashboard=false", f"--temp-dir={os.environ['RAY_TMPDIR']}")
    subprocess.run([*inside, ray, "start", *options], stdin=subprocess.DEVNULL, check=True, capture_output=True)
