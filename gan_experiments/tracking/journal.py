"""The journal of a run: everything that happened in it, one JSON object a line, each once and in order."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]

WARNING = "warning."
"""Prefix of the keys of lines with warning lights, and of the tags that they become in MLflow."""
PAUSED = "PAUSED"
"""Status of a run that may go on from its checkpoint."""
PRUNED = "pruned"
"""Key of the line of a run that was pruned, and its tag: the rung at which it was given up."""
STOPPED = "stopped by request"
"""Beginning of the reason of a run that somebody ended before its last step. Its status is ``FINISHED``."""


class Journal:
    """An append-only record in which everything appears exactly once.

    A line is ``{"kind", "key", "step", "epoch", "time", …}``: ``time`` in milliseconds since 1970, the rest as
    its kind needs it. A run that was killed and resumed repeats the steps since its last checkpoint; lines that they
    recorded before, known by (kind, key, step), are not recorded again.

    Args:
        path: The file; an existing one is continued, without a last line that a crash left incomplete.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._known: set[tuple[str, str, int]] = set()
        end = 0
        if path.exists():
            for line, position in read(path):
                self._known.add((line["kind"], line["key"], line["step"]))
                end = position
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self._file.truncate(end)

    def append(self, kind: str, *, step: int, epoch: float, key: str = "", **content: Any) -> None:
        """Record a line, unless it was recorded before; it survives the end of the process from here on."""
        with self._lock:
            if (kind, key, step) in self._known:
                return
            head = {"kind": kind, "key": key, "step": step, "epoch": epoch, "time": time.time_ns() // 1_000_000}
            self._file.write(json.dumps(head | content, separators=(",", ":")).encode() + b"\n")
            self._file.flush()
            self._known.add((kind, key, step))

    def last_step(self, kind: str) -> int:
        """Return the largest step recorded of a kind, or -1."""
        return max((step for known, _, step in self._known if known == kind), default=-1)

    def synchronise(self) -> None:
        """Return when everything would survive a power cut; call it before a checkpoint, which must not be ahead."""
        with self._lock:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()


def read(path: Path, start: int = 0) -> Iterator[tuple[Line, int]]:
    """Yield the complete lines from byte ``start`` on, each with the byte at which it ends."""
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            if not line.endswith(b"\n"):
                return
            start += len(line)
            yield json.loads(line), start


def last_session(path: Path) -> tuple[str, bool]:
    """Return the key of the last process that trained in the folder, and whether it recorded how it ended."""
    key, ended = "", False
    for line, _ in read(path):
        if line["kind"] == "session":
            key, ended = line["key"], False
        elif line["kind"] == "status":
            ended = True
    return key, ended
