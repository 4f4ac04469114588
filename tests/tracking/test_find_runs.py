"""Runs are found in any folder."""

from __future__ import annotations

from pathlib import Path

from gan_experiments.tracking.find_runs import find_runs


def made(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


def test_runs_are_found_at_any_depth_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    made(tmp_path, *(f"sweep/{number}/journal.jsonl" for number in (10, 2, 1)), "a/b/run.json", "a/picture.png")
    found = [run.path.relative_to(tmp_path) for run in find_runs(tmp_path)]
    assert list(map(str, found)) == ["a/b", "sweep/1", "sweep/2", "sweep/10"]


def test_a_run_s_own_folder_is_that_run(tmp_path: Path) -> None:
    made(tmp_path, "journal.jsonl", "run.json")
    assert [run.path for run in find_runs(tmp_path)] == [tmp_path]
