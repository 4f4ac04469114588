"""Everything that happened in a run: one JSON object a line, written once, in order."""

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
"""What the keys of lines with warning lights, and the MLflow tags that they become, begin with."""


class Journal:
    """An append-only record in which everything happens exactly once.

    A line is ``{"kind", "key", "step", "epoch", "time", …}``: ``time`` in milliseconds since 1970, the rest as
    its kind wants it. A run that was killed and resumed repeats the steps since its last checkpoint; what those
    had already recorded, known by (kind, key, step), is not recorded again.

    Args:
        path: The file; what is there is continued, less a last line that a crash tore off.
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
        """Record something, unless it was recorded before. It outlives the process from here on."""
        with self._lock:
            if (kind, key, step) in self._known:
                return
            head = {"kind": kind, "key": key, "step": step, "epoch": epoch, "time": time.time_ns() // 1_000_000}
            self._file.write(json.dumps(head | content, separators=(",", ":")).encode() + b"\n")
            self._file.flush()
            self._known.add((kind, key, step))

    def last_step(self, kind: str) -> int:
        """The largest step recorded of a kind, or -1."""
        return max((step for known, _, step in self._known if known == kind), default=-1)

    def synchronise(self) -> None:
        """Return when everything would outlive a power cut; before each checkpoint, which must not be ahead."""
        with self._lock:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()


def read(path: Path, start: int = 0) -> Iterator[tuple[Line, int]]:
    """The complete lines from byte ``start`` on, each with the byte at which it ends."""
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            if not line.endswith(b"\n"):
                return
            start += len(line)
            yield json.loads(line), start


def last_session(path: Path) -> tuple[str, bool]:
    """Key of the last process that trained in the folder, and whether it recorded how it ended."""
    key, ended = "", False
    for line, _ in read(path):
        if line["kind"] == "session":
            key, ended = line["key"], False
        elif line["kind"] == "status":
            ended = True
    return key, ended
