"""``run.log``: what was said about a run, and nothing that can end it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_log import LogFile, RunLogs, note
from tests.support.commands import Command
from tests.support.real_runs import OFF, TINY, lines


def test_a_line_about_all_is_printed_and_logged_and_one_about_a_run_is_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [RunDirectory(tmp_path / name) for name in ("a", "b")]
    for run in runs:
        run.path.mkdir()
    logs = RunLogs(runs)
    logs.say("both", sys.stdout)
    logs.note(1, "bäd", logging.WARNING)
    assert capsys.readouterr().out == "both\n"
    first, second = (run.run_log.read_text(encoding="utf-8").splitlines() for run in runs)
    assert [line.partition("][")[2] for line in first] == ["gan_experiments][INFO] - both"]
    assert [line.partition("][")[2] for line in second] == [
        "gan_experiments][INFO] - both",
        "gan_experiments][WARNING] - bäd",
    ]


def test_a_log_that_cannot_be_written_is_done_without(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunDirectory(tmp_path)
    run.run_log.mkdir()
    note(run, "a line")
    note(RunDirectory(tmp_path / "gone"), "a line")
    handler = LogFile(str(run.run_log))
    handler.emit(logging.LogRecord("a library", logging.ERROR, "", 0, "a line", None, None))
    assert capsys.readouterr() == ("", "")


def test_a_run_whose_log_cannot_be_written_trains(command: Command) -> None:
    Path("out/run.log").mkdir(parents=True)
    answer = command(*TINY, *OFF, "evaluate=off", "train.epochs=1", "hydra.run.dir=out")
    assert answer.status == 0, answer.err
    assert [line["status"] for line in lines(RunDirectory("out"), "status")] == ["FINISHED"]
