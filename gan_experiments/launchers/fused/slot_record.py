"""The record of what the slots of a sweep's stacks were used for: ``slots.json`` in the sweep's folder."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import filelock

from gan_experiments.tracking.run_directory import read_json, write_json
from gan_experiments.tracking.sweep_directory import RUNS_WITH_SLOTS, SweepDirectory
from gan_experiments.training.slots import Use

_COUNTS = (
    *("programs_built", "runs", "slot_steps", "slot_steps_used_while_waiting", "slot_steps_in_all"),
    "slot_steps_used_in_all",
)
_PAUSE = 0.5
"""Seconds between two times of writing steps, which are noted whenever a run comes or leaves."""


class SlotRecord:
    """Adds up programs, runs and steps; several processes of one sweep, and later ones, add to the same file.

    Programs and runs are written at once, steps from time to time, and by ``write`` at the end.

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
        self._counts["programs_built"] += 1
        self.write()

    def took(self, number: int) -> None:
        """Note that a run took a slot. It counts once, though a process was killed before the run had begun there."""
        self.write(number)

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
        self._counts.update({name: value - old[name] for name, value in new.items()})
        self._known = Use(use.steps, use.used, use.steps_in_all, use.used_in_all)
        if time.monotonic() - self._written > _PAUSE:
            self.write()

    def write(self, *took: int) -> None:
        """Add to the file runs that took a slot, and what was noted since it was last written, if anything was."""
        if not self._counts and not took:
            return
        with self._lock:
            found = read_json(self._path) if self._path.is_file() else {}
            known = found.get(RUNS_WITH_SLOTS, [])
            new = [number for number in took if number not in known]
            self._counts["runs"] = len(new)
            content = {"slots": max(found.get("slots", 0), self._slots)}
            content |= {name: found.get(name, 0) + self._counts[name] for name in _COUNTS}
            write_json(self._path, content | {RUNS_WITH_SLOTS: known + new})
        self._counts.clear()
        self._written = time.monotonic()
