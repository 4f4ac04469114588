"""The life of a run: what its consumers are told, in which order, and what is left of it afterwards."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import filelock
import pytest

from gan_experiments.errors import RunFailedError, UserError
from gan_experiments.runs import train
from gan_experiments.runs.checkpoints import Checkpoints
from gan_experiments.runs.run_queue import TheseRuns
from gan_experiments.tracking.journal import read
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_events import Ended, RunEvent
from gan_experiments.tracking.stack_recorder import StackRecorder
from gan_experiments.training import checkpoint
from gan_experiments.training.member import Member
from gan_experiments.training.trainer import Trainer
from tests.support.real_runs import lines
from tests.support.small_runs import run


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    """Consumer, run and event, as the first and the last consumer are told."""
    seen: list[tuple[str, int, str]] = []
    for consumer in (StackRecorder, Checkpoints):
        original = consumer.on

        def on(self: object, k: int, event: RunEvent, name: str = consumer.__name__, original=original) -> None:
            seen.append((name, k, type(event).__name__))
            original(self, k, event)

        monkeypatch.setattr(consumer, "on", on)
    return seen


def test_events_are_recorded_first_and_saved_last(tmp_path: Path, told: list[tuple[str, int, str]]) -> None:
    train.train_run(run(tmp_path / "run", "train.epochs=2"))
    recorded = [event for name, _, event in told if name == "StackRecorder" and event != "StepsFinished"]
    epoch = ["EpochFinished", "Scored"]
    assert recorded == [
        "Joined",
        *("SamplesDrawn", "CheckpointDue"),
        *(*epoch, "CheckpointDue"),
        *(*epoch, "SamplesDrawn", "ProbabilitiesTaken", "CheckpointDue", "Completed"),
        "Ended",
    ]
    # A score reaches all consumers before those after the monitor hear of the epoch that it belongs to.
    at = told.index(("StackRecorder", 0, "Scored"))
    assert told[at - 1] == ("StackRecorder", 0, "EpochFinished")
    assert told[at + 1 : at + 3] == [("Checkpoints", 0, "Scored"), ("Checkpoints", 0, "EpochFinished")]
    for name in ("CheckpointDue", "Completed"):
        at = told.index(("StackRecorder", 0, name))
        assert told[at + 1] == ("Checkpoints", 0, name)


def test_each_member_ends_when_it_is_over(tmp_path: Path, told: list[tuple[str, int, str]]) -> None:
    runs = [run(tmp_path / str(k), "train.epochs=1", f"train.lr={lr}") for k, lr in enumerate((1e-4, 1e30, 2e-4))]
    queue = TheseRuns(runs)
    train.train_runs(queue)
    first, lost, last = queue.results
    assert isinstance(lost, RunFailedError)
    assert isinstance(first, float)
    assert isinstance(last, float)
    recorded = [(k, event) for name, k, event in told if name == "StackRecorder"]
    assert recorded[recorded.index((1, "Diverged")) + 1] == (1, "Ended")
    assert [k for k, event in recorded if event == "Ended"] == [1, 0, 2]
    statuses = [
        [line["status"] for line, _ in read(RunDirectory(tmp_path / str(k)).journal) if line["kind"] == "status"]
        for k in range(3)
    ]
    assert statuses == [["FINISHED"], ["FAILED"], ["FINISHED"]]


def test_what_breaks_off_training_is_recorded_and_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Trainer, k: int = 0) -> None:
        raise MemoryError("no room\nfor more")

    monkeypatch.setattr(Trainer, "generator", fail)
    with pytest.raises(MemoryError, match="no room"):
        train.train_run(run(tmp_path / "run", "train.epochs=1"))
    *_, (line, _) = read(RunDirectory(tmp_path / "run").journal)
    assert (line["kind"], line["status"], line["reason"]) == ("status", "FAILED", "MemoryError: no room")


@pytest.mark.parametrize("rate", [1e-4, 1e30])
def test_a_trained_run_leaves_no_networks_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: float
) -> None:
    trainers: list[weakref.ref[Trainer]] = []

    class Known(Trainer):
        def __init__(self, *args, **kwargs) -> None:
            super().__init__(*args, **kwargs)
            trainers.append(weakref.ref(self))

    monkeypatch.setattr(train, "Trainer", Known)
    gc.collect()
    gc.disable()
    try:
        train.train_runs(TheseRuns([run(tmp_path / "run", "train.epochs=1", f"train.lr={rate}")]))
        (trainer,) = trainers
        assert trainer() is None
    finally:
        gc.enable()


def test_a_run_whose_folder_is_taken_does_not_join_and_the_others_go_on(tmp_path: Path) -> None:
    runs = [run(tmp_path / str(k), "train.epochs=1", f"seed={k}") for k in range(4)]

    class Line(TheseRuns):
        """Two slots; the last two runs wait."""

        def outlook(self) -> list[Member]:
            return [each.member for each in runs]

    queue = Line(runs)
    queue.slots = 2
    taken = RunDirectory(tmp_path / "2")
    taken.path.mkdir()
    with filelock.FileLock(taken.lock):
        train.train_runs(queue)
    first, second, refused, last = queue.results
    assert isinstance(refused, UserError)
    assert "another process is training" in str(refused)
    assert all(isinstance(result, float) for result in (first, second, last))
    assert not taken.journal.exists()


def test_a_run_by_itself_leaves_at_its_rung_too(tmp_path: Path) -> None:
    alone = run(tmp_path / "run", "train.epochs=3")
    alone.member = replace(alone.member, rungs=(1,))

    class Asked(TheseRuns):
        """Asks every run to leave at its rung."""

        def leaving(self, steps: Mapping[int, int]) -> Mapping[int, Ended]:
            return {number: Ended("PAUSED", "paused at rung 1, after 1 of 3 epochs") for number in steps}

    queue = Asked([alone])
    train.train_runs(queue)
    assert queue.results == [None]
    epochs = [line["epoch"] for line in lines(alone.directory, "metrics", "epoch")]
    assert epochs == [1]
    assert checkpoint.load(alone.directory.checkpoint)["step"] == 10
    (end,) = lines(alone.directory, "status")
    assert end["status"] == "PAUSED"
