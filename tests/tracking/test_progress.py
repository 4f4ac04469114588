"""The progress of runs: what fits the terminal, the most important first; plain lines elsewhere and in run.log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan_experiments.tracking import progress_parts
from gan_experiments.tracking.line_parts import fit
from gan_experiments.tracking.naming import clock, duration
from gan_experiments.tracking.pace import Pace
from gan_experiments.tracking.progress import progress_of
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_events import ALL_EPOCHS, Ended, Headline, Joined, Scored, Tally, WarningsChanged
from gan_experiments.tracking.run_progress import Progress, RunState
from gan_experiments.training.events import LOSSES, PROBABILITIES, Diverged, EpochFinished, StepsFinished
from tests.support.hand_made import HandMadeRun
from tests.support.terminals import shown

SCORE = Headline("frechet_classifier_distance", 17.2345, larger_is_better=False, real_data=6.6)
WIDTHS = (1, 5, 10, 20, 40, 60, 79, 119, 199)
COUNTS = np.zeros(50, dtype=np.int64)


def directories(folder: Path, count: int) -> list[RunDirectory]:
    """Folders of runs."""
    found = [RunDirectory(folder / str(k)) for k in range(count)]
    for directory in found:
        directory.path.mkdir()
    return found


def joined(folder: Path, name: str, steps: int, epochs: int, step: int = 0) -> Joined:
    run = HandMadeRun(folder, None, epochs=epochs)
    return Joined(run.directory, replace(run.description(), name=name, total_steps=steps), step, 1)


def window(step: int, rate: float = 10.0) -> StepsFinished:
    half = np.full(50, 0.5)
    return StepsFinished(step, step / 10, half, 2 * half, half, half, rate)


def epoch(number: int, loss: float = 1.1) -> EpochFinished:
    metrics = dict(zip((*LOSSES, *PROBABILITIES), (1.0, loss, 0.6, 0.4), strict=True))
    return EpochFinished(50 * number, number, metrics | {"speed/steps_per_second": 10.0}, COUNTS, COUNTS)


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("light", ["mode_collapse", "saturated_discriminator"])
def test_no_line_is_longer_than_the_terminal_and_no_part_is_cut(columns: int, light: str) -> None:
    parts = [
        progress_parts.epochs_done(123, 250),
        progress_parts.time_left(92),
        progress_parts.losses(1.2, 1.6),
        progress_parts.probabilities(0.62, 0.38),
        progress_parts.score(SCORE),
        progress_parts.lights([light]),
    ]
    line = fit(parts, columns)
    assert len(line) <= columns
    whole = {text for part in parts for text in part}
    assert all(said in whole for said in filter(None, line.split(", ")))


def test_eighty_columns_have_room_for_all_that_matters() -> None:
    run = RunState("a run", 1000, 250, step=492, score=SCORE, lights=frozenset({"mode_collapse"}))
    line = Progress()._line_of(run, 79, 123, 410.0, [1.2049, 1.609, 0.62, 0.38])
    for part in ("123/250", "left", "D 1.20 G 1.61", "D(x) .62 D(G(z)) .38", "score 17.2", "!collapse"):
        assert part in line


def test_what_matters_most_stays_longest() -> None:
    parts = [["1/9", "epoch 1/9"], ["left"], ["score 1", "distance 1.0"]]
    lines = {columns: fit(parts, columns, extras=[["rate"]]) for columns in range(45)}
    assert lines[2] == ""
    assert lines[3] == "1/9"
    assert lines[9] == "1/9, left"
    assert lines[18] == "1/9, left, score 1"
    assert lines[24] == "epoch 1/9, left, score 1"
    assert lines[35] == "epoch 1/9, left, distance 1.0, rate"


def test_times_are_said_as_people_say_them() -> None:
    said = [duration(seconds) for seconds in (0.2, 59.4, 59.6, 70, 3599.6, 7500, 86400, 276000)]
    assert said == ["1 s", "59 s", "1 min", "1 min 10 s", "1 h", "2 h 5 min", "1 day", "3 days 5 h"]
    assert [clock(seconds) for seconds in (5, 65, 3725, 720_000)] == ["0:05", "1:05", "1:02:05", "8 days"]


def test_progress_is_plain_lines_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = HandMadeRun(tmp_path / "run", None)
    run.record()
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert len(lines) == 6
    assert lines[-1].startswith("epoch 6/6")
    assert "loss D 1.000 G 1.100, D(x) 1.20 D(G(z)) 1.30" in lines[0]
    assert lines[0].endswith("steps/s")
    assert f"pictures  {tmp_path / 'run' / 'artifacts'}" in out
    logged = run.directory.run_log.read_text()
    assert [line for line in lines if line in logged] == lines
    assert out.splitlines()[-1] in logged


LIVE = """
import sys
from pathlib import Path
from gan_experiments.tracking.progress import progress_of
from tests.tracking.test_progress import joined, window
bar = progress_of(1)
bar.on(0, joined(Path(sys.argv[1]), "a", 100, 10, int(sys.argv[2])))
"""


def test_progress_is_one_live_line_on_a_terminal(tmp_path: Path) -> None:
    output = shown(80, f"{LIVE}bar.on(0, window(50)); bar.close()", str(tmp_path), "0")
    drawn = [part for part in output.replace("\033[J", "").split("\r") if part.strip()]
    assert drawn[0] == "training the first steps …"
    expected = "epoch  5/10, 0:05 left, loss D 0.500 G 1.000, D(x) 0.50 D(G(z)) 0.50"
    assert drawn[1] == expected
    assert drawn[-1].strip() == expected  # it stays


def test_a_run_that_has_nothing_left_to_train_shows_no_progress(tmp_path: Path) -> None:
    assert shown(80, f"{LIVE}bar.close(); print('over', file=sys.stderr)", str(tmp_path), "100").split() == ["over"]


def test_progress_of_a_stack_tells_of_its_runs_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = directories(tmp_path, 3)
    progress = progress_of(3)
    for k, run in enumerate(runs):
        progress.on(k, joined(run.path, f"lr=0.{k + 1}", 150, 3))
    losses = ((0.5, 0.9), (0.4, 0.8), (0.3, 0.7))
    for number in (1, 2):
        for k in (0, 1, 2):
            if (number, k) == (2, 2):
                progress.on(2, Diverged(51, 1, "the generator's loss is nan at step 51"))
                progress.on(2, Ended("FAILED", "the generator's loss is nan at step 51"))
                continue
            progress.on(k, window(50 * number))
            progress.on(k, epoch(number, losses[k][number - 1]))
    for k, value in ((0, 0.5), (1, 0.7)):
        progress.on(k, Scored(100, 2, {}, {}, {}, None, Headline("precision", value, larger_is_better=True)))
    progress.on(1, WarningsChanged(100, 2, ["oscillation"], {"oscillation"}))
    progress.close()
    foretold, first, *_, failed, warning, last = capsys.readouterr().err.splitlines()
    assert foretold == "time      about 10 s for 3 runs"
    assert first.startswith("3/3 slots, ")
    assert first.endswith(" left, lowest loss G 0.300: lr=0.3, 10 steps/s, 30 member-steps/s")
    assert failed == "lr=0.3 failed: the generator's loss is nan at step 51; 2 still training"
    assert warning == "warning   oscillation, since epoch 2: lr=0.2"
    assert last.startswith("2/3 slots, 1 done, ")
    assert last.endswith(", best precision 0.7: lr=0.2, ! 1 with warnings, 10 steps/s, 20 member-steps/s")
    logs = [run.run_log.read_text() for run in runs]
    assert "epoch 2/3, 0:" in logs[0]
    assert "precision 0.7" in logs[1]
    assert "[WARNING] - warning   oscillation, since epoch 2" in logs[1]
    assert "oscillation" not in logs[0]


def test_runs_that_pass_through_slots_are_counted_and_the_best_is_remembered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = directories(tmp_path, 6)
    tally = Tally(waiting=4, steps=400)
    progress = progress_of(2, lambda: tally)
    for k, steps in ((10, 100), (7, 300)):
        progress.on(k, joined(runs[k // 4].path, f"seed={k}", steps, steps // 50))
        progress.on(k, window(50))
    progress.on(10, Scored(50, 1, {}, {}, {}, None, Headline("recall", 0.75, larger_is_better=True)))
    assert progress._line(199).startswith("2/2 slots, 4 waiting, ")
    tally = Tally(waiting=3, done=1, pruned=1, steps=350)
    progress.on(10, Ended("FINISHED", "pruned at rung 1", pruned=1))
    progress.on(7, window(100))
    progress.on(3, joined(runs[0].path, "seed=3", 50, 1))
    line = progress._line(199)
    assert line.startswith("2/2 slots, 3 waiting, 1 done, 1 pruned, ")
    assert ", best recall 0.75: seed=10, " in line
    assert "20% |" in line  # 150 of 750 steps that are done or left
    tally = Tally(waiting=3, done=1)
    progress._recount()
    assert progress._steps_left() == 200 + 50 + 3 * (100 + 300 + 50) / 3  # as long as those that came
    progress.on(3, Ended("PAUSED", "paused at rung 0"))
    assert progress._line(199).startswith("1/2 slots, ")
    progress.close()
    said = capsys.readouterr().err.splitlines()
    assert not any("seed=3" in line or "still training" in line for line in said)  # what is planned is counted alone


@pytest.mark.parametrize("columns", WIDTHS)
def test_no_line_of_a_stack_is_longer_than_the_terminal(columns: int, tmp_path: Path) -> None:
    progress = progress_of(64, lambda: Tally(1200, 140, 33, 5e5))
    for k in range(2):
        progress.on(k, joined(tmp_path, f"latent_dim={k} lr=0.0002 generator_lr=0.0001", 100, 2))
        progress.on(k, window(50))
    progress.on(1, WarningsChanged(50, 1, [], {"oscillation"}))
    progress.on(1, Scored(50, 1, {}, {}, {}, None, SCORE))
    lines = progress._line(columns), progress._line(119)
    progress.close()  # the live line is the whole process's
    assert len(lines[0]) <= columns
    assert "2/64 slots, 1200 waiting, 140 done, 33 pruned, " in lines[1]


def test_a_stack_prints_some_twenty_lines_however_many_runs_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = 200
    waiting = number
    progress = progress_of(4, lambda: Tally(waiting, number - waiting, 0, 100.0 * waiting))
    for first in range(0, number, 4):
        for k in range(first, first + 4):
            waiting -= 1
            progress.on(k, joined(tmp_path, f"seed={k}", 100, 2))
        for step in (50, 100):
            for k in range(first, first + 4):
                progress.on(k, window(step))
                progress.on(k, epoch(step // 50))
        for k in range(first, first + 4):
            progress.on(k, Ended("FINISHED", ALL_EPOCHS))
    progress.close()
    assert 18 <= len(capsys.readouterr().err.splitlines()) <= 24


def test_time_left_counts_the_runs_that_wait_and_the_longest_of_those_that_train(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("gan_experiments.tracking.pace.time.monotonic", lambda: now)
    pace = Pace()
    assert pace.left(1000, 500) == 0  # nothing is known yet
    now = 30.0  # compiling
    for k in (0, 1):
        pace.note(k, 10, 100.0, {0, 1})
    assert pace.left(1000, 500) == pytest.approx(1000 / 200)
    now = 32.0
    for k in (0, 1):
        pace.note(k, 100, 100.0, {0, 1})
    assert pace.left(1000, 100) == pytest.approx(1000 / 100)  # by the clock, with all that came between
    assert pace.left(1000, 5000) == pytest.approx(5000 / 100)  # side by side with nothing, it is no faster
    now = 33.0
    assert pace.left(1000, 100) == pytest.approx(9)
    assert pace.done == 220
