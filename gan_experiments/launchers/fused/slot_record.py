"""The record of what the slots of a sweep's stacks were used for: ``slots.json`` in the sweep's folder."""

from __future__ import annotations

from pathlib import Path

import filelock

from gan_experiments.tracking.run_directory import read_json, write_json
from gan_experiments.tracking.sweep_directory import SweepDirectory
from gan_experiments.training.slots import Use


class SlotRecord:
    """Adds up programs, runs and steps; several processes of one sweep, and later ones, add to the same file.

    Args:
        sweep: The sweep's folder.
    """

    def __init__(self, sweep: Path) -> None:
        self._path = SweepDirectory(sweep).slots
        self._lock = filelock.FileLock(sweep / ".slots.lock")
        self._known = Use()

    def begin(self, slots: int) -> None:
        """Note that a program was built, with so many slots."""
        self._known = Use()
        self._add(slots, programs_built=1)

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

    def _add(self, slots: int = 0, **counts: int) -> None:
        with self._lock:
            found = read_json(self._path) if self._path.is_file() else {}
            names = ("programs_built", "runs", "slot_steps", "slot_steps_used_while_waiting", "slot_steps_in_all")
            content = {"slots": max(found.get("slots", 0), slots)}
            for name in (*names, "slot_steps_used_in_all"):
                content[name] = found.get(name, 0) + counts.get(name, 0)
            write_json(self._path, content)
