"""Folders that were moved: what is on record is found where it is now."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from gan_experiments.configuration.override import write
from gan_experiments.tracking.mlflow.shown import metric_name
from gan_experiments.tracking.moved import (
    Move,
    command_folder,
    move_between,
    run_record,
    settle_run,
    settle_sweep,
    sweep_record,
)
from gan_experiments.tracking.run_directory import RunDirectory, read_json
from gan_experiments.tracking.sweep_directory import SweepDirectory
from tests.support.real_runs import TINY, client, database, only_run, run_id, succeed


def past_run(project: Path, uri: str, directory: str | None) -> RunDirectory:
    """A run that was recorded in ``project``; ``directory`` is its folder as run.json knows it."""
    run = RunDirectory(project / "outputs" / "1")
    (run.path / ".hydra").mkdir(parents=True)
    (project / "mlflow.db").touch()
    hydra = {"runtime": {"cwd": str(project), "output_dir": str(run.path)}}
    (run.path / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump({"hydra": hydra}))
    run.run.write_text(
        json.dumps({"name": "x", "uri": uri, "experiment": "gan"} | ({"directory": directory} if directory else {}))
    )
    run.delivered.write_text(json.dumps({uri: {"run_id": "a" * 32, "position": 7}, "http://other": {"position": 1}}))
    return run


@pytest.mark.parametrize("knows", [True, False])  # runs of older versions do not
def test_a_run_moves_with_its_project(knows: bool, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new name"
    uri = f"sqlite:///{old}/mlflow.db"
    run = past_run(old, uri, str(old / "outputs" / "1") if knows else None)
    settle_run(run)
    assert read_json(run.run)["uri"] == uri
    old.rename(new)
    moved, there = RunDirectory(new / "outputs" / "1"), f"sqlite:///{new}/mlflow.db"
    assert run_record(moved)["uri"] == there
    assert read_json(moved.run)["uri"] == uri  # asking changes nothing
    settle_run(moved)
    assert moved.run_id() == "a" * 32
    assert read_json(moved.run)["directory"] == str(moved.path)
    assert read_json(moved.delivered) == {
        there: {"run_id": "a" * 32, "position": 7},
        "http://other": {"position": 1},
    }
    assert command_folder(moved.path, moved.path / ".hydra" / "hydra.yaml") == new
    assert not old.exists()


def test_what_stayed_behind_is_where_it_was(tmp_path: Path) -> None:
    project = tmp_path / "project"
    uri = f"sqlite:///{project}/mlflow.db"
    run = past_run(project, uri, None)
    kept = tmp_path / "kept"
    run.path.rename(kept)
    settle_run(RunDirectory(kept))
    assert RunDirectory(kept).run_id() == "a" * 32
    assert run_record(RunDirectory(kept))["uri"] == uri
    assert command_folder(kept, kept / ".hydra" / "hydra.yaml") == project


def test_a_copy_of_a_project_has_its_own_database(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    past_run(old, f"sqlite:///{old}/mlflow.db", None)
    shutil.copytree(old, new)
    assert run_record(RunDirectory(new / "outputs" / "1"))["uri"] == f"sqlite:///{new}/mlflow.db"


@pytest.mark.parametrize("uri", ["http://127.0.0.1:5000", "postgresql://me@host/name", None])
def test_other_destinations_do_not_move(uri: str | None, tmp_path: Path) -> None:
    assert Move(Path("/"), tmp_path).uri(uri) == uri


def test_a_log_directory_moves_too(tmp_path: Path) -> None:
    move = Move(tmp_path / "old", tmp_path)
    assert move.uri(f"tensorboard:{tmp_path}/old/logs") == f"tensorboard:{tmp_path}/logs"


@pytest.mark.parametrize(
    ("before", "after", "move"),
    [
        ("/a/b/c", "/a/b/c", None),
        ("/a/b/c", "/x/b/c", ("/a", "/x")),
        ("/a/b/c", "/x/a/b/c", ("/", "/x")),
        ("/a/b/c", "/a/b/d", ("/a/b/c", "/a/b/d")),
    ],
)
def test_the_outermost_folder_with_another_name_has_moved(before: str, after: str, move: Any) -> None:
    found = move_between(Path(before), Path(after))
    assert found == (move and Move(Path(move[0]), Path(move[1])))


@pytest.mark.parametrize("known", [True, False])
def test_a_sweep_moves_with_its_project(known: bool, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    sweep = SweepDirectory(old / "multirun" / "2026-01-31" / "12-00-00")
    (old / "my_conf").mkdir(parents=True)
    sweep.path.mkdir(parents=True)
    (old / "mlflow.db").touch()
    hydra = {
        "runtime": {"cwd": str(old), "output_dir": "???"},
        "sweep": {"dir": "multirun/${now:%Y-%m-%d}/${now:%H-%M-%S}"},
    }
    (sweep.path / "multirun.yaml").write_text(yaml.safe_dump({"hydra": hydra}))
    content = {"uri": f"sqlite:///{old}/mlflow.db", "config_dir": str(old / "my_conf")}
    sweep.create(content | ({"directory": str(sweep.path)} if known else {}))
    old.rename(new)
    moved = SweepDirectory(new / "multirun" / "2026-01-31" / "12-00-00")
    expected = {"uri": f"sqlite:///{new}/mlflow.db", "config_dir": str(new / "my_conf")}
    assert expected.items() <= sweep_record(moved).items()
    settle_sweep(moved)
    assert moved.content() == expected | {"directory": str(moved.path)}


@pytest.mark.slow
def test_a_run_goes_on_in_the_same_mlflow_run_after_its_project_was_moved(
    tmp_path: Path, empty_database: Path
) -> None:
    """The folders have names that mean something in URIs, and the command is given in a third one."""
    old, new, other = (tmp_path / name for name in ("my #1 %20?", "it's new", "other"))
    old.mkdir()
    other.mkdir()
    shutil.copy(empty_database, old / "mlflow.db")
    settings = (*TINY, "evaluate=off", "tracking.system_metrics=false", "train.batch_size=500")
    succeed(old, *settings, "train.epochs=1")
    before = run_id(only_run(old))
    old.rename(new)
    succeed(other, f"train.resume={before}", "train.epochs=2", write("tracking.uri", database(new)))
    assert not old.exists()
    assert list(other.iterdir()) == []
    assert run_id(only_run(new)) == before
    mlflow = client(database(new))
    (run,) = mlflow.search_runs(["1"])
    assert run.info.status == "FINISHED"
    assert run.info.artifact_uri.startswith(f"{new}/mlruns/1/")
    assert [point.value for point in mlflow.get_metric_history(before, metric_name("epoch"))] == [1.0, 2.0]
    assert (new / "mlruns" / "1" / before / "artifacts" / "figures" / "losses.png").is_file()
