"""Runs that join and leave a stack while it trains: each is recorded, drawn and delivered as one by itself."""

from __future__ import annotations

import gc
import shutil
import weakref
from pathlib import Path
from queue import SimpleQueue
from threading import Event

import filelock
import pytest
from mlflow import MlflowClient

from gan_experiments.errors import UserError
from gan_experiments.sync import main as sync_command
from gan_experiments.tracking import stack_recorder, worker
from gan_experiments.tracking.background import sync_command as command_of
from gan_experiments.tracking.journal import Line, read
from gan_experiments.tracking.last_lines import LastLines
from gan_experiments.tracking.mlflow.shown import metric_name
from gan_experiments.tracking.pruned import prune_paused
from gan_experiments.tracking.recorder import Recorder
from gan_experiments.tracking.run_directory import write_json
from gan_experiments.tracking.run_events import ALL_EPOCHS, Ended, Joined
from gan_experiments.tracking.run_outcome import outcome
from gan_experiments.tracking.stack_recorder import StackRecorder
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory
from tests.support.hand_made import STEPS, HandMadeRun, HandMadeStack
from tests.support.waiting import until

PAUSE = Ended("PAUSED", "paused at rung 0, after 2 of 4 epochs")
PRUNED = Ended("FINISHED", "pruned at rung 1, after 1 of 4 epochs", pruned=1)
DONE = Ended("FINISHED", ALL_EPOCHS)


def made(path: Path, uri: str | None = None, epochs: int = 4) -> HandMadeRun:
    run = HandMadeRun(path, uri, epochs=epochs)
    run.name = path.name
    return run


def train(stack: HandMadeStack, k: int, run: HandMadeRun, first: int, last: int) -> None:
    for event in run.events(first, last):
        stack.on(k, event)


def lines(run: HandMadeRun, kind: str) -> list[Line]:
    return [line for line, _ in read(run.directory.journal) if line["kind"] == kind]


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def is_free(lock: Path) -> bool:
    try:
        with filelock.FileLock(lock, timeout=0):
            return True
    except filelock.Timeout:
        return False


def test_a_run_that_leaves_is_complete_and_free_while_others_train(tmp_path: Path) -> None:
    stack, first, second = HandMadeStack(2), made(tmp_path / "a", epochs=1), made(tmp_path / "b", epochs=1)
    stack.join(4, first)
    stack.join(2, second)
    train(stack, 4, first, 1, 1)
    stack.on(4, DONE)
    assert is_free(first.directory.lock)
    assert not is_free(second.directory.lock)
    third = made(tmp_path / "c", epochs=1)
    stack.join(5, third)
    until((first.directory.artifacts / "samples.gif").exists, "the pictures of a run that has ended")
    until(lambda: is_free(first.directory.delivery_lock), "the end of its delivery")
    assert not is_free(second.directory.delivery_lock)
    for k in (2, 5):
        stack.on(k, Ended("KILLED", "stopped"))
    stack.close()
    for run in (first, second, third):
        assert run.directory.log.read_text() == ""
        assert [line["members"] for line in lines(run, "session")] == [2]
    assert outcome(JobDirectory(first.directory.path)).finished
    assert "trained   1 epoch in" in first.directory.run_log.read_text()


def test_nothing_of_a_run_stays_after_it_has_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorders: list[weakref.ref[Recorder]] = []

    def recorder(*arguments: object) -> Recorder:
        made = Recorder(*arguments)  # pyright: ignore[reportArgumentType]
        recorders.append(weakref.ref(made))
        return made

    monkeypatch.setattr(stack_recorder, "Recorder", recorder)
    records, handles = StackRecorder(2), 0
    for k in range(8):
        run = made(tmp_path / str(k), epochs=1)
        records.on(k, Joined(run.directory, run.description(), 0, 2))
        records.on(k, Ended("KILLED", "stopped"))
        handles = handles or open_files()
    assert open_files() == handles
    gc.collect()
    assert [recorder() for recorder in recorders] == [None] * 8
    assert records.finish() == []


def test_a_folder_that_another_process_trains_in_is_refused_and_the_stack_goes_on(tmp_path: Path) -> None:
    records, run, taken = StackRecorder(2), made(tmp_path / "a", epochs=1), made(tmp_path / "b", epochs=1)
    records.on(0, Joined(run.directory, run.description(), 0, 2))
    taken.directory.path.mkdir()
    with (
        filelock.FileLock(taken.directory.lock),
        pytest.raises(UserError, match="another process is training in"),
    ):
        records.on(1, Joined(taken.directory, taken.description(), 0, 2))
    assert [path.name for path in taken.directory.path.iterdir()] in ([".lock"], [])
    records.on(0, DONE)
    assert records.finish() == []
    assert outcome(JobDirectory(run.directory.path)).finished


def test_every_run_has_a_measurement_of_the_machine_however_short_it_is(tmp_path: Path) -> None:
    records, runs = StackRecorder(2), [made(tmp_path / name, epochs=1) for name in "abc"]
    for k, run in enumerate(runs):
        run.tracking.system_metrics = True
        records.on(k, Joined(run.directory, run.description(), 0, 2))
        records.on(k, Ended("KILLED", "stopped"))
    records.finish()
    for run in runs:
        assert [line["step"] for line in lines(run, "system")] == [0]
        assert lines(run, "system")[0]["values"]["system/system_memory_usage_percentage"] > 0


def test_a_paused_run_is_known_by_its_folder_goes_on_and_has_everything_once(
    tmp_path: Path, recorded_once: HandMadeRun
) -> None:
    run, unbroken = made(tmp_path / "a", epochs=6), recorded_once
    stack = HandMadeStack(2)
    stack.join(0, run)
    train(stack, 0, run, 1, 2)
    stack.on(0, PAUSE)
    job = JobDirectory(run.directory.path)
    assert (outcome(job).state, outcome(job).reason, outcome(job).finished) == ("paused", PAUSE.reason, False)
    stack.join(0, run, 2 * STEPS)
    train(stack, 0, run, 3, 6)
    stack.on(0, DONE)
    stack.close()
    assert [line["status"] for line in lines(run, "status")] == ["PAUSED", "FINISHED"]
    seen = [(line["kind"], line["key"], line["step"]) for line, _ in read(run.directory.journal)]
    assert len(seen) == len(set(seen))
    for kind in ("metrics", "histograms", "samples", "probabilities"):
        alike = [[{**line, "time": 0} for line in lines(each, kind)] for each in (run, unbroken)]
        assert alike[0] == alike[1]
    assert run.directory.losses.read_bytes() == unbroken.directory.losses.read_bytes()
    pictures = [(each.directory.artifacts / "figures" / "histograms.png").read_bytes() for each in (run, unbroken)]
    assert pictures[0] == pictures[1]
    assert "paused    paused at rung 0, after 2 of 4 epochs" in run.directory.run_log.read_text()


def recorded_until(end: Ended, path: Path) -> HandMadeRun:
    """A run in its folder alone, which ended after two epochs."""
    run = made(path)
    recorder = Recorder(run.directory, run.description())
    recorder.claim()
    recorder.open(members=2)
    for event in (*run.events(1, 2), end):
        recorder.on(event)
    recorder.release()
    return run


def test_a_run_that_is_pruned_says_at_which_rung_before_how_it_ended(tmp_path: Path) -> None:
    run = recorded_until(PRUNED, tmp_path / "a")
    *_, tag, status = (line for line, _ in read(run.directory.journal))
    assert (tag["kind"], tag["values"]) == ("tags", {"pruned": "1"})
    assert (status["kind"], status["status"], status["reason"]) == ("status", "FINISHED", PRUNED.reason)


def test_one_run_that_cannot_be_drawn_keeps_no_other_from_being_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [recorded_until(DONE, tmp_path / name) for name in ("broken", "held", "gone", "good")]
    next(runs[0].directory.samples.iterdir()).unlink()
    shutil.rmtree(runs[2].directory.path)
    monkeypatch.setattr(worker, "_PREDECESSOR", 0.0)
    joined, over = SimpleQueue[Path](), Event()
    for run in runs:
        joined.put(run.directory.path)
    over.set()
    with filelock.FileLock(runs[1].directory.delivery_lock):
        assert worker.Worker(joined, over, print).work() == 1
    assert (runs[3].directory.artifacts / "samples.gif").exists()
    assert "FileNotFoundError" in runs[0].directory.log.read_text()
    assert "Timeout" in runs[1].directory.log.read_text()
    assert is_free(runs[0].directory.delivery_lock)


def test_a_paused_run_is_ended_for_good_in_its_folder_once(tmp_path: Path) -> None:
    run = recorded_until(PAUSE, tmp_path / "a")
    for rung in (0, 1):
        prune_paused(run.directory, rung, "pruned at rung 0, after 2 of 4 epochs")
    assert [line["values"]["pruned"] for line in lines(run, "tags") if line["key"] == "pruned"] == ["0"]
    last = lines(run, "status")[-1]
    assert (last["status"], last["step"], last["epoch"]) == ("FINISHED", 2 * STEPS, 2.0)
    assert len(lines(run, "status")) == 2
    found = outcome(JobDirectory(run.directory.path))
    assert (found.state, found.reason) == ("finished", "pruned at rung 0, after 2 of 4 epochs")


def test_a_run_that_trains_is_not_ended_by_others(tmp_path: Path) -> None:
    run = recorded_until(PAUSE, tmp_path / "a")
    before = run.directory.journal.read_bytes()
    with filelock.FileLock(run.directory.lock), pytest.raises(UserError, match="while a process trains it"):
        prune_paused(run.directory, 0, "pruned")
    assert run.directory.journal.read_bytes() == before


def test_a_command_names_a_few_runs_or_their_sweep(tmp_path: Path) -> None:
    paths = [tmp_path / "sweep" / str(k) for k in range(9)]
    assert command_of(*paths).count(str(tmp_path)) == 9  # of no sweep
    paths[0].mkdir(parents=True)
    SweepDirectory(tmp_path / "sweep").create({})
    assert command_of(*paths) == f"python -m gan_experiments.sync {tmp_path / 'sweep'}"
    assert command_of(*paths[:2]).endswith(f"{paths[0]} {paths[1]}")


def test_the_last_lines_of_a_thousand_runs_fit_a_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said, run = LastLines(4), made(tmp_path)
    for k in range(1000):
        said.on(k, Joined(run.directory, run.description(), 0, 4))
        ends = {700: Ended("FAILED", "the generator's loss is nan at step 3"), 701: PAUSE}
        said.on(k, ends.get(k, PRUNED if k % 2 else DONE))
        if k < 2:
            said.on(1000, Joined(run.directory, run.description(), 0, 4))
    said.on(1000, DONE)
    said.print()
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 22
    assert out[0].endswith("not tracked: FAILED, the generator's loss is nan at step 3")
    assert out[20] == "run       … and 981 more"
    assert out[21] == f"pictures  {tmp_path}, in each run's artifacts"
    assert said._how_many() == "1001 runs (500 finished, 499 pruned, 1 failed, 1 paused)"


@pytest.mark.slow
def test_mlflow_follows_runs_that_join_leave_and_come_back(tmp_path: Path, database: str) -> None:
    """One ends; one is paused, goes on and ends; one is pruned at work, and one while it is paused."""
    sweep = SweepDirectory(tmp_path / "sweep")
    runs = {name: made(sweep.path / name, database, epochs=2) for name in ("whole", "back", "pruned", "given up")}
    stack, client = HandMadeStack(2), MlflowClient(database)

    def stored(name: str) -> tuple[str, dict[str, str]]:
        run_id = runs[name].directory.run_id()
        run = client.get_run(run_id) if run_id is not None else None
        return ("", {}) if run is None else (run.info.status, run.data.tags)

    def until_is(name: str, status: str) -> None:
        until(lambda: stored(name)[0] == status, f"the run {name!r} as {status}")

    stack.join(0, runs["whole"])
    stack.join(1, runs["back"])
    train(stack, 0, runs["whole"], 1, 1)
    train(stack, 1, runs["back"], 1, 1)
    stack.on(1, PAUSE)
    until_is("back", "SCHEDULED")
    assert stored("back")[1]["status_reason"] == PAUSE.reason
    stack.join(2, runs["pruned"])
    train(stack, 2, runs["pruned"], 1, 1)
    stack.on(2, PRUNED)
    stack.join(1, runs["back"], STEPS)
    until_is("back", "RUNNING")
    train(stack, 1, runs["back"], 2, 2)
    train(stack, 0, runs["whole"], 2, 2)
    stack.on(0, DONE)
    stack.on(1, DONE)
    stack.join(3, runs["given up"])
    train(stack, 3, runs["given up"], 1, 1)
    stack.on(3, PAUSE)
    stack.close()
    for name in ("whole", "back"):
        assert stored(name)[0] == "FINISHED"
        run_id = runs[name].directory.run_id()
        assert run_id is not None
        for metric, points in runs[name].expected_metrics().items():
            history = client.get_metric_history(run_id, metric_name(metric))
            assert [(point.step, point.value) for point in history] == points
    assert (stored("pruned")[0], stored("pruned")[1]["pruned"]) == ("FINISHED", "1")
    assert stored("given up")[0] == "SCHEDULED"
    assert all(run.directory.log.read_text() == "" for run in runs.values())

    # What was paused is given up after the process that trained it: `sync` brings it to MLflow.
    sweep.create({})
    for number, run in enumerate(runs.values()):
        write_json(JobDirectory(run.directory.path).job, {"number": number})
    prune_paused(runs["given up"].directory, 0, "pruned at rung 0")
    sync_command([str(sweep.path), "--uri", database])
    assert stored("given up") == (
        "FINISHED",
        stored("given up")[1] | {"pruned": "0", "status_reason": "pruned at rung 0"},
    )
    assert len(client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])) == 4
