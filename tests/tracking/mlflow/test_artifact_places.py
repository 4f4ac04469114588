"""MLflow's database writes absolute paths: they are mended in a folder that was moved, and left alone elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gan_experiments.tracking.mlflow.artifact_places import mend
from tests.support.real_runs import client


@pytest.fixture
def project(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a database and the files of one run beside it, as MLflow makes them."""
    folder = tmp_path / "old"
    folder.mkdir()
    shutil.copy(empty_database, folder / "mlflow.db")
    monkeypatch.chdir(folder)
    mlflow = client(f"sqlite:///{folder}/mlflow.db")
    run = mlflow.create_run(mlflow.create_experiment("gan"))
    note = tmp_path / "note.txt"
    note.write_text("hello")
    mlflow.log_artifact(run.info.run_id, str(note))
    monkeypatch.chdir(tmp_path)
    return folder


def test_files_are_found_in_the_new_place_and_none_is_written_to_the_old_one(project: Path, tmp_path: Path) -> None:
    new = project.rename(tmp_path / "new")
    mend(new / "mlflow.db")
    mlflow = client(f"sqlite:///{new}/mlflow.db")
    (run,) = mlflow.search_runs(["1"])
    assert [file.path for file in mlflow.list_artifacts(run.info.run_id)] == ["note.txt"]
    assert mlflow.create_run("1").info.artifact_uri.startswith(f"{new}/mlruns/1/")
    assert not project.exists()


def test_a_database_that_was_not_moved_keeps_its_paths(project: Path) -> None:
    before = (project / "mlflow.db").read_bytes()
    mend(project / "mlflow.db")
    assert (project / "mlflow.db").read_bytes() == before


def test_files_that_are_kept_elsewhere_on_purpose_stay_there(project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "disk" / "mlruns"
    elsewhere.mkdir(parents=True)
    mlflow = client(f"sqlite:///{project}/mlflow.db")
    number = mlflow.create_experiment("far", artifact_location=f"{elsewhere}/2")
    mend(project / "mlflow.db")
    assert mlflow.get_experiment(number).artifact_location == f"{elsewhere}/2"


def test_what_is_no_database_of_mlflow_is_left_alone(tmp_path: Path) -> None:
    mend(tmp_path / "missing.db")
    assert not (tmp_path / "missing.db").exists()
