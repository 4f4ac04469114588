"""The record of what the slots of a sweep's stacks were used for: ``slots.json`` in the sweep's folder."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import filelock

from gan_experiments.tracking.run_directory import read_json, write_json
from gan_experiments.tracking.sweep_directory import SweepDirectory
from gan_experiments.training.slots import Use

_COUNTS = (
    *("programs_built", "runs", "slot_steps", "slot_steps_used_while_waiting", "slot_steps_in_all"),
    "slot_steps_used_in_all",
)
_PAUSE = 0.5
"""Seconds between two times of writing: of a thousand small runs, a hundred may end in a second."""


class SlotRecord:
    """Adds up programs, runs and steps; several processes of one sweep, and later ones, add to the same file.

    It is written from time to time, and by ``write`` at the end.

    Args:
        sweep: The sweep's folder.
    """

    def __init__(self, sweep: Path) -> None:
        self._path = SweepDirectory(sweep).slots
        self._lock = filelock.FileLock(sweep / ".slots.lock")
        self._known, self._slots, self._counts, self._written = Use(), 0, Counter[str](), 0.0

    def begin(self, slots: int) -> None:
        """Note that a program was built, with so many slots."""
        self._known = Use()
        self._slots = max(self._slots, slots)
        self._add(programs_built=1)
        self.write()

    def took(self) -> None:
        """Note that a run took a slot for the first time."""
        self._add(runs=1)

    def note(self, use: Use) -> None:
        """Bring up to date what the slots of the latest program were used for."""
        new, old = (
            {
                "slot_steps": each.steps,
                "slot_steps_used_while_waiting": each.used,
                "slot_steps_in_all": each.steps_in_all,
                "slot_steps_used_in_all": each.used_in_all,
            }
            for each in (use, self._known)
        )
        self._add(**{name: value - old[name] for name, value in new.items()})
        self._known = Use(use.steps, use.used, use.steps_in_all, use.used_in_all)

    def _add(self, **counts: int) -> None:
        for name, value in counts.items():
            self._counts[name] += value
        if time.monotonic() - self._written > _PAUSE:
            self.write()

    def write(self) -> None:
        """Add to the file what was noted since it was last written, if anything was."""
        if not self._counts:
            return
        with self._lock:
            found = read_json(self._path) if self._path.is_file() else {}
            content = {"slots": max(found.get("slots", 0), self._slots)}
            write_json(self._path, content | {name: found.get(name, 0) + self._counts[name] for name in _COUNTS})
        self._counts.clear()
        self._written = time.monotonic()
