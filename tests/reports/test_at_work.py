"""`compare` on a sweep that is at work: it reads only, and says how far the sweep is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import filelock
import pytest

from gan_experiments import compare
from gan_experiments.reports.gather import gather
from gan_experiments.reports.images import samples
from gan_experiments.tracking.complaints import Complaints
from gan_experiments.tracking.sweep_directory import SweepDirectory
from tests.support.hand_made import STEPS
from tests.support.made_up_sweep import make_up_sweep

FINISHED, RUNNING, WAITING = 3, 4, 3
RUNS = FINISHED + RUNNING + WAITING
EPOCHS, REACHED = 4, 2
"""Of every run, and of those that run."""


def cut_short(journal: Path, epoch: int) -> None:
    """Leave of a journal what it had after an epoch, and half a line."""
    lines = [line for line in journal.read_text().splitlines(keepends=True) if line.endswith("\n")]
    known = [line for line in lines if json.loads(line)["epoch"] <= epoch]
    journal.write_text("".join(known) + lines[len(known)][:50])


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[SweepDirectory]:
    """Some runs have finished, some train, one is about to begin, and others wait."""
    sweep = make_up_sweep(tmp_path / "sweep", RUNS, seeds=1, epochs=EPOCHS)
    sweep.remember(status="RUNNING")
    with ExitStack() as held:
        held.enter_context(filelock.FileLock(sweep.lock))
        for number in range(FINISHED, FINISHED + RUNNING):
            cut_short(sweep.path / str(number) / "journal.jsonl", REACHED)
            held.enter_context(filelock.FileLock(sweep.path / str(number) / ".lock"))
        for number in range(FINISHED + RUNNING, RUNS):
            job = (sweep.path / str(number) / "job.json").read_bytes()
            shutil.rmtree(sweep.path / str(number))
            if number == FINISHED + RUNNING:
                (sweep.path / str(number)).mkdir()
                (sweep.path / str(number) / "job.json").write_bytes(job)
        yield sweep


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def test_it_says_how_far_the_sweep_is_and_changes_nothing(
    sweep: SweepDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(sweep.path)
    compare.main([str(sweep.path)])
    out, err = capsys.readouterr()
    assert not err
    assert f"runs      {FINISHED} finished, {RUNNING} running, {WAITING} waiting\n" in out
    steps, total = (FINISHED * EPOCHS + RUNNING * REACHED) * STEPS, RUNS * EPOCHS * STEPS
    assert f"steps     {steps} of {total} ({100 * steps / total:.0f} %)" in out
    assert f"running   at epoch {REACHED} of {EPOCHS}\n" in out
    assert f"after epoch {REACHED} ({FINISHED + RUNNING} runs)" in out
    assert "lr=0.001 (1 seed)" in out
    *lines, report = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert report == f"report    {sweep.so_far}/report.html"
    assert "Running, as of" in (sweep.so_far / "report.html").read_text()
    shutil.rmtree(sweep.so_far)
    assert contents(sweep.path) == before


def test_the_lock_of_a_run_that_does_not_train_is_not_tried(sweep: SweepDirectory) -> None:
    for number in (0, FINISHED + RUNNING):  # has finished; is about to begin
        lock = sweep.path / str(number) / ".lock"
        lock.unlink(missing_ok=True)
        lock.mkdir()  # to try it would fail
    compare.main([str(sweep.path)])
    runs = json.loads((sweep.so_far / "report.json").read_text())["runs"]
    assert [run["state"] for run in runs] == ["finished"] * FINISHED + ["running"] * RUNNING + ["waiting"] * WAITING


def test_samples_are_those_of_one_epoch_which_half_of_the_runs_have_reached(sweep: SweepDirectory) -> None:
    late = sweep.path / str(FINISHED) / "journal.jsonl"
    cut_short(late, 0)
    _, runs = gather([sweep.path], Complaints(), at_work=True)
    pictures = samples(runs, epoch=REACHED)
    remarks = [None if picture is None else picture.remark for picture in pictures]
    assert remarks == [""] * FINISHED + ["epoch 0"] + [""] * (RUNNING - 1) + [None] * WAITING


def test_the_report_at_the_end_replaces_the_one_so_far(sweep: SweepDirectory) -> None:
    compare.main([str(sweep.path)])
    assert not sweep.report.exists()
    sweep.end("FINISHED", "all is done")
    compare.main([str(sweep.path)])
    assert (sweep.report / "report.html").is_file()
    assert not sweep.so_far.exists()
