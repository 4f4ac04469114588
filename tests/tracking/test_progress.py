"""The progress of runs: what fits the terminal, the most important first; plain lines elsewhere and in run.log."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gan_experiments.tracking import progress_parts
from gan_experiments.tracking.line_parts import fit
from gan_experiments.tracking.naming import clock, duration
from gan_experiments.tracking.progress import Progress, StackProgress
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.run_events import Headline, Scored, WarningsChanged
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
    progress = Progress.__new__(Progress)  # its line alone
    progress._epochs, progress._steps = 250, None
    progress._members = {}
    from gan_experiments.tracking.progress import _Member

    member = _Member("a run", score=SCORE, lights=frozenset({"mode_collapse"}))
    line = progress._line_of(member, 79, 123, 410.0, [1.2049, 1.609, 0.62, 0.38])
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


def test_progress_is_one_live_line_on_a_terminal(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from gan_experiments.tracking.progress import Progress;"
        "from gan_experiments.tracking.run_directory import RunDirectory;"
        "from tests.tracking.test_progress import window;"
        "bar = Progress(['a'], [RunDirectory(sys.argv[1])], 100, 10); bar.on(0, window(50)); bar.close()"
    )
    output = shown(80, program, str(tmp_path))
    drawn = [part for part in output.replace("\033[J", "").split("\r") if part.strip()]
    assert drawn[0] == "training the first steps …"
    expected = "epoch  5/10, 0:05 left, loss D 0.500 G 1.000, D(x) 0.50 D(G(z)) 0.50"
    assert drawn[1] == expected
    assert drawn[-1].strip() == expected  # it stays


def test_a_run_that_has_nothing_left_to_train_shows_no_progress(tmp_path: Path) -> None:
    program = (
        "import sys; from gan_experiments.tracking.progress import Progress;"
        "from gan_experiments.tracking.run_directory import RunDirectory;"
        "Progress(['a'], [RunDirectory(sys.argv[1])], 100, 10, 100).close(); print('over', file=sys.stderr)"
    )
    assert shown(80, program, str(tmp_path)).split() == ["over"]


def test_progress_of_a_group_tells_of_its_members_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = directories(tmp_path, 3)
    progress = StackProgress(["lr=0.1", "lr=0.2", "lr=0.3"], runs, 150, 3)
    losses = ((0.5, 0.9), (0.4, 0.8), (0.3, 0.7))
    for number in (1, 2):
        for k in (0, 1, 2):
            if (number, k) == (2, 2):
                progress.on(2, Diverged(51, 1, "the generator's loss is nan at step 51"))
                continue
            progress.on(k, window(50 * number))
            progress.on(k, epoch(number, losses[k][number - 1]))
    for k, value in ((0, 0.5), (1, 0.7)):
        progress.on(k, Scored(100, 2, {}, {}, {}, None, Headline("precision", value, larger_is_better=True)))
    progress.on(1, WarningsChanged(100, 2, ["oscillation"], {"oscillation"}))
    progress.on(1, epoch(3))
    progress.close()
    foretold, first, failed, *_, warning, last = capsys.readouterr().err.splitlines()
    assert foretold == "time      about 10 s for 3 runs of 3 epochs"
    assert first.startswith("epoch 1/3, 3 members, ")
    assert first.endswith(" left, lowest loss G 0.300: lr=0.3, 10 steps/s, 30 member-steps/s")
    assert failed == "lr=0.3 failed: the generator's loss is nan at step 51; 2 still training"
    assert warning == "warning   oscillation, since epoch 2: lr=0.2"
    assert ", best precision 0.7: lr=0.2, ! 1 with warnings, 10 steps/s, 20 member-steps/s" in last
    logs = [run.run_log.read_text() for run in runs]
    assert "epoch 2/3, 0:" in logs[0]
    assert "precision 0.7" in logs[1]
    assert "[WARNING] - warning   oscillation, since epoch 2" in logs[1]
    assert "oscillation" not in logs[0]
