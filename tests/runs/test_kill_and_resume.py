"""A run that is killed, whenever and however often, and goes on, ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from gan_experiments.runs.verification import verify_run
from gan_experiments.tracking.mlflow.shown import metric_name
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.training import checkpoint
from tests.support.real_runs import TINY, client, database, lines, run_id, start, succeed
from tests.support.results import assert_equal
from tests.support.waiting import until

pytestmark = pytest.mark.slow

EPOCHS, KILLS = 40, 10
SETTINGS = (
    *TINY,
    f"train.epochs={EPOCHS}",
    "train.checkpoint_every=3",
    "train.ema=0.99",
    "tracking.sample_every=10",
    "tracking.log_every=50",
    "tracking.system_metrics=false",
)
PROGRESS = (b'{"kind":"metrics"', b'{"kind":"histograms"', b'{"kind":"samples"', b'{"kind":"status"')


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    shutil.copy(empty_database, folder / "mlflow.db")
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> RunDirectory:
    """A run that was never interrupted."""
    succeed(folder, *SETTINGS, "hydra.run.dir=whole")
    return RunDirectory(folder / "whole")


@pytest.fixture(scope="module")
def killed(folder: Path, whole: RunDirectory) -> RunDirectory:
    """The same run, killed ten times: as soon as it writes, on its way, and when all but its delivery is done.

    With it, every second time, dies the process that delivers it.
    """
    directory, number = RunDirectory(folder / "killed"), random.Random(0)
    length = sum(map(whole.journal.read_bytes().count, PROGRESS))
    moments = [0, *sorted(number.sample(range(1, length), KILLS - 2)), length]
    for kill, moment in enumerate(moments):
        resume = f"train.resume={directory.path}"
        process = start(folder, *([resume] if kill else [*SETTINGS, "hydra.run.dir=killed"]))
        wait_for(directory, sessions=kill + 1, progress=moment)
        time.sleep(number.uniform(0, 0.05))
        children = psutil.Process(process.pid).children() if kill % 2 else []
        for pid in (process.pid, *(child.pid for child in children)):
            os.kill(pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    succeed(folder, f"train.resume={directory.path}")
    return directory


def wait_for(directory: RunDirectory, sessions: int, progress: int) -> None:
    """Wait until a process has begun to write, and the run has come so far."""

    def has_come_so_far() -> bool:
        journal = directory.journal.read_bytes() if directory.journal.exists() else b""
        return journal.count(b'{"kind":"session"') >= sessions and sum(map(journal.count, PROGRESS)) >= progress

    until(has_come_so_far, f"session {sessions} and {progress} lines of progress in {directory.journal}", pause=0.001)


def test_it_was_killed_at_every_stage(killed: RunDirectory) -> None:
    sessions = [line["step"] for line in lines(killed, "session")]
    assert len(sessions) == KILLS + 1
    assert sessions[0] == 0
    assert sessions[-1] == lines(killed, "samples")[-1]["step"]
    assert len(set(sessions)) > KILLS / 2
    # The last kill came when the run had said so; how many came before its process had gone depends on the machine.
    finished = [line["status"] for line in lines(killed, "status")]
    assert len(finished) >= 2
    assert set(finished) == {"FINISHED"}


def test_the_weights_are_the_same_bit_for_bit(whole: RunDirectory, killed: RunDirectory) -> None:
    expected, found = (checkpoint.load(directory.checkpoint) for directory in (whole, killed))
    for key in expected.keys() - {"config", "statistics"}:
        assert_equal(expected[key], found[key], key)
    names = sorted(path.name for path in whole.generators.iterdir())
    assert sorted(path.name for path in killed.generators.iterdir()) == names
    for name in names:
        expected, found = (checkpoint.load(directory.generators / name) for directory in (whole, killed))
        assert_equal(expected["generator"], found["generator"], name)


def test_every_steps_losses_are_the_same_bit_for_bit(whole: RunDirectory, killed: RunDirectory) -> None:
    assert whole.losses.read_bytes() == killed.losses.read_bytes()


def rows(directory: RunDirectory, uri: str) -> list[tuple[str, int, float]]:
    """Every row of metrics that the database has of a run, duplicates included; a speed without its value."""
    query = "SELECT key, step, value FROM metrics WHERE run_uuid = ? ORDER BY key, step"
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as connection:
        found = connection.execute(query, (run_id(directory),)).fetchall()
    return [(key, step, 0.0 if key == metric_name("speed/steps_per_second") else value) for key, step, value in found]


def test_mlflow_has_every_value_once(whole: RunDirectory, killed: RunDirectory, folder: Path) -> None:
    expected = rows(whole, database(folder))
    assert len(expected) == len({(key, step) for key, step, _ in expected})
    assert [key for key, _, _ in expected].count("loss/generator") == EPOCHS
    assert rows(killed, database(folder)) == expected


def pictures(directory: RunDirectory) -> Counter[tuple[str, int, str, bytes]]:
    """Key, step, ending and content of the stepped images."""
    return Counter(
        (path.name.split("+")[0], int(path.name.split("+")[2]), path.suffix, path.read_bytes())
        for path in (directory.artifacts / "images").iterdir()
    )


def test_every_picture_is_there_once(whole: RunDirectory, killed: RunDirectory, folder: Path) -> None:
    expected = pictures(whole)
    assert {key for key, *_ in expected} == {
        *("samples", "histograms", "probabilities"),
        *("latest~samples", "latest~histograms", "latest~losses"),
    }
    assert pictures(killed) == expected
    listed = client(database(folder)).list_artifacts(run_id(killed), "images")
    local = sorted(f"images/{path.name}" for path in (killed.artifacts / "images").iterdir())
    assert sorted(item.path for item in listed) == local


def test_the_files_are_the_same(whole: RunDirectory, killed: RunDirectory) -> None:
    for name in ("losses.csv", "histograms.json", "samples.gif", "figures/losses.png", "figures/probabilities.png"):
        assert (whole.artifacts / name).read_bytes() == (killed.artifacts / name).read_bytes(), name
    assert sorted(path.name for path in whole.samples.iterdir()) == sorted(
        path.name for path in killed.samples.iterdir()
    )


def test_in_mlflow_it_is_one_run_like_any_other(whole: RunDirectory, killed: RunDirectory, folder: Path) -> None:
    mlflow = client(database(folder))
    expected, found = (mlflow.get_run(run_id(directory)) for directory in (whole, killed))
    assert found.info.status == "FINISHED"
    assert len(mlflow.search_runs([found.info.experiment_id])) == 2
    assert found.info.run_name == expected.info.run_name
    assert found.data.params == expected.data.params
    assert found.data.tags.keys() == expected.data.tags.keys()
    for text in ("status_reason", "mlflow.note.content"):
        assert found.data.tags[text] == expected.data.tags[text].replace(run_id(whole), run_id(killed))
    assert len(found.inputs.dataset_inputs) == len(expected.inputs.dataset_inputs) == 1
    assert len(found.outputs.model_outputs) == len(expected.outputs.model_outputs) == 1
    assert len(mlflow.search_logged_models([found.info.experiment_id])) == 2


def test_it_verifies_from_the_first_step_to_the_last(killed: RunDirectory) -> None:
    said: list[str] = []
    verify_run(killed, said.append, everything=True, overrides={})
    assert said[-1].startswith("same bits steps 1 to ")
