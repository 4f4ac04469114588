"""The record of what a sweep's slots were used for."""

from __future__ import annotations

from pathlib import Path

from gan_experiments.launchers.fused.slot_record import SlotRecord
from gan_experiments.tracking.run_directory import read_json, write_json
from gan_experiments.training.slots import Use


def test_a_run_counts_once_whatever_process_was_killed_after_it_had_taken_its_slot(tmp_path: Path) -> None:
    for _ in range(2):  # the second process finds no journal of run 1
        record = SlotRecord(tmp_path)
        record.begin(2)
        record.took(0)
        record.took(1)
    record.took(2)
    found = read_json(tmp_path / "slots.json")
    assert (found["slots"], found["programs_built"], found["runs"]) == (2, 2, 3)


def test_steps_of_all_programs_add_up_and_a_record_of_before_goes_on(tmp_path: Path) -> None:
    write_json(tmp_path / "slots.json", {"slots": 4, "programs_built": 1, "runs": 5, "slot_steps": 100})
    for _ in range(2):
        record = SlotRecord(tmp_path)
        record.begin(2)
        record.note(Use(10, 8, 12, 9))
        record.note(Use(20, 16, 24, 18))
        record.write()
    record.took(7)
    found = read_json(tmp_path / "slots.json")
    assert (found["slots"], found["programs_built"], found["runs"]) == (4, 3, 6)
    assert (found["slot_steps"], found["slot_steps_used_while_waiting"]) == (140, 32)
    assert (found["slot_steps_in_all"], found["slot_steps_used_in_all"]) == (48, 36)
