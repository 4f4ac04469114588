"""``run.log``: what was said about a run, and nothing that can end it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_events import ALL_EPOCHS, Ended, Joined
from gan_experiments.tracking.run_log import LogFile, RunLogs, note
from tests.support.commands import Command
from tests.support.hand_made import HandMadeRun
from tests.support.real_runs import OFF, TINY, lines


def test_a_line_about_all_goes_to_the_logs_of_those_that_train_and_one_about_a_run_to_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs, runs = RunLogs(2), [RunDirectory(tmp_path / name) for name in ("a", "b", "c")]
    for k, run in enumerate(runs):
        run.path.mkdir()
        logs.on(k, Joined(run, HandMadeRun(run.path, None).description(), 0, 2))
        logs.say("all", sys.stdout)
        if k == 0:
            logs.on(0, Ended("FINISHED", ALL_EPOCHS))
    logs.note(1, "bäd", logging.WARNING)
    assert capsys.readouterr().out == "all\n" * 3
    logged = [run.run_log.read_text(encoding="utf-8").splitlines() for run in runs]
    assert [[line.partition("][")[2] for line in lines] for lines in logged] == [
        ["gan_experiments][INFO] - all"],
        ["gan_experiments][INFO] - all", "gan_experiments][INFO] - all", "gan_experiments][WARNING] - bäd"],
        ["gan_experiments][INFO] - all"],
    ]


def test_what_is_said_after_the_end_of_a_run_by_itself_is_in_its_log(tmp_path: Path) -> None:
    logs, run = RunLogs(1), RunDirectory(tmp_path)
    logs.on(0, Joined(run, HandMadeRun(run.path, None).description(), 0, 1))
    logs.on(0, Ended("FINISHED", ALL_EPOCHS))
    logs.say("not everything was delivered")
    assert "not everything was delivered" in run.run_log.read_text()


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
