"""``python -m gan_experiments.stop`` ends a run that trains, and no other."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from gan_experiments import stop
from gan_experiments.reports.comparison import compare
from gan_experiments.runs.run_queue import TheseRuns
from gan_experiments.runs.train import train_runs
from gan_experiments.tracking.run_directory import RunDirectory, write_json
from gan_experiments.tracking.run_outcome import outcome, result
from gan_experiments.tracking.sweep_directory import JobDirectory
from gan_experiments.training import checkpoint
from tests.support import small_runs
from tests.support.commands import Command
from tests.support.real_runs import OFF, lines, start
from tests.support.results import losses
from tests.support.waiting import until

RING = (
    *("train=article", "data=ring", "data.samples=200", "model=mlp", "model.latent_dim=2", *OFF),
    *("model.generator_widths=[8]", "model.discriminator_widths=[8]", "train.batch_size=10", "evaluate=off"),
)
EPOCH = 20
"""Steps."""
LONG = 100_000
"""Epochs that nobody waits for."""
SWEEP = ("-m", "hydra/launcher=fused", "fused.slots=2", *RING)


def stop_while_it_trains(run: RunDirectory) -> None:
    until(lambda: run.losses.exists() and len(losses(run)) > 4 * EPOCH, f"steps of {run.path}")
    stop.main([str(run.path)])


@pytest.mark.slow
def test_a_run_of_a_stack_leaves_with_all_that_a_run_has_and_the_others_train_as_without_it(command: Command) -> None:
    stays, goes, waits = (JobDirectory(Path("sweep", str(n))) for n in range(3))
    hand = threading.Thread(target=stop_while_it_trains, args=(goes,))
    hand.start()
    answer = command(*SWEEP, f"train.epochs=30,{LONG},5", "hydra.sweep.dir=sweep")
    hand.join()
    assert answer.status == 0, answer.err
    done = len(losses(goes))
    reason = f"stopped by request after step {done} of {LONG * EPOCH}"
    assert f"ended: {reason}" in answer.err
    out = answer.out.splitlines()
    first = out.index(f"stopped   {goes.path}: {reason}")
    assert out[first + 1] == f"saved     {goes.checkpoint}"
    assert out[first + 2] == f"resume    python -m gan_experiments.run train.resume={goes.path}"
    assert checkpoint.load(goes.checkpoint)["step"] == done
    for kind in ("samples", "probabilities"):
        assert lines(goes, kind)[-1]["step"] == done
    assert (goes.generator / "generator.pt").is_file()
    assert [outcome(run).reason for run in (stays, waits)] == ["all epochs are done"] * 2

    # The others are what they are where nobody stops anything, in the slots that they had.
    assert command(*SWEEP, "train.epochs=30,5", "hydra.sweep.dir=same").status == 0
    for run, expected in ((stays, 0), (waits, 1)):
        assert np.array_equal(losses(run), losses(RunDirectory(Path("same", str(expected)))))

    # For the sweep it is over, and nobody compares it with complete runs.
    assert command("-m", "sweep.resume=sweep").status == 0
    assert len(losses(goes)) == done
    (group,) = compare([Path("sweep")]).groups
    assert {run.number for place in group.ranked for run in place.runs} == {0, 2}


@pytest.mark.slow
def test_a_run_in_another_process_ends_well(tmp_path: Path) -> None:
    process = start(tmp_path, *RING, f"train.epochs={LONG}", "hydra.run.dir=run")
    run = JobDirectory(tmp_path / "run")
    stop_while_it_trains(run)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert f"ended     stopped by request after step {len(losses(run))} of {LONG * EPOCH}" in out.splitlines()
    assert not run.stop.exists()


def stopped_at_once(folder: Path, *overrides: str) -> JobDirectory:
    """A run, trained in this process, that was asked to stop before its first step was done."""
    run = small_runs.run(folder, "train.epochs=200", "evaluate=off", *overrides)
    directory = JobDirectory(folder)

    class Asked(TheseRuns):
        def tally(self):  # asked when the run has joined
            directory.stop.touch()
            return super().tally()

    train_runs(Asked([run]))
    return directory


def test_one_that_is_stopped_in_its_first_epoch_has_a_result_and_a_place_in_reports(tmp_path: Path) -> None:
    run = stopped_at_once(tmp_path / "run", "data.samples=10000")
    (status,) = lines(run, "status")
    assert (status["status"], status["step"]) == ("FINISHED", 50)
    assert checkpoint.load(run.checkpoint)["step"] == len(losses(run)) == 50
    assert np.isnan(result(run))
    comparison = compare([run.path])
    assert comparison.records[0].is_cut_short
    assert not comparison.groups[0].ranked


def test_a_request_that_came_too_late_does_not_stop_who_goes_on(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "run").path.mkdir()
    RunDirectory(tmp_path / "run").stop.touch()
    run = small_runs.run(tmp_path / "run", "train.epochs=2", "evaluate=off")
    train_runs(TheseRuns([run]))
    assert outcome(JobDirectory(tmp_path / "run")).reason == "all epochs are done"


def test_mistakes_are_one_line_each(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ended = stopped_at_once(tmp_path / "sweep" / "0")
    step = len(losses(ended))
    write_json(tmp_path / "sweep" / "sweep.json", {})
    capfd.readouterr()
    names = [str(tmp_path / name) for name in ("sweep/0", "sweep/7", "sweep", "nowhere")]
    with pytest.raises(SystemExit) as end:
        stop.main(names)
    assert end.value.code == 2
    reason = lines(ended, "status")[0]["reason"]
    assert reason.startswith(f"stopped by request after step {step} of ")
    assert capfd.readouterr().err.splitlines() == [
        f"error: {names[0]}: does not train now (finished: {reason})",
        f"error: {names[1]}: has not begun, so there is nothing to stop",
        f"error: {names[2]}: is a sweep's folder; give those of its runs, or interrupt its command",
        f"error: {names[3]} is not the folder of a run: it has no run.json",
    ]
    assert not ended.stop.exists()
