"""MLflow is a copy of the run's folder: what it has lost is sent again, whatever the folder remembers of it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from gan_experiments.errors import UserError
from gan_experiments.tracking.run_directory import read_json
from gan_experiments.tracking.synchronise import synchronise
from tests.support.hand_made import HandMadeRun, stored_metrics

pytestmark = pytest.mark.slow


def _database(uri: str) -> Path:
    return Path(uri.removeprefix("sqlite:///"))


def _execute(uri: str, *statements: str) -> None:
    with closing(sqlite3.connect(_database(uri))) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def _is_removed(uri: str, run: Run) -> None:
    _database(uri).unlink()
    shutil.rmtree(_database(uri).parent / "mlruns")


def _is_emptied(uri: str, run: Run) -> None:
    tables = ("metrics", "latest_metrics", "params", "tags", "inputs", "logged_models", "runs", "experiments")
    _execute(uri, *(f"DELETE FROM {table}" for table in tables))


def _is_in_the_trash(uri: str, run: Run) -> None:
    MlflowClient(uri).delete_run(run.info.run_id)


def _has_lost_files(uri: str, run: Run) -> None:
    shutil.rmtree(_database(uri).parent / "mlruns")


def _has_lost_some_files(uri: str, run: Run) -> None:
    shutil.rmtree(str(run.info.artifact_uri).removeprefix("file://") + "/figures")


def _has_lost_values(uri: str, run: Run) -> None:
    _execute(uri, "DELETE FROM metrics WHERE step > 20")


def _has_lost_parameters(uri: str, run: Run) -> None:
    _execute(uri, "DELETE FROM params", "DELETE FROM tags WHERE key != 'mlflow.runName'")


def _has_lost_the_model(uri: str, run: Run) -> None:
    client = MlflowClient(uri)
    (model,) = client.search_logged_models([run.info.experiment_id])
    client.delete_logged_model(model.model_id)


def _stored(uri: str) -> Run:
    client = MlflowClient(uri)
    (run,) = client.search_runs([each.experiment_id for each in client.search_experiments()])
    return run


def _content(uri: str) -> tuple:
    """All that is in MLflow of the only run, but for ids."""
    client, run = MlflowClient(uri), _stored(uri)

    def files(folder: str | None) -> set[str]:
        items = client.list_artifacts(run.info.run_id, folder)
        return {item.path for item in items if not item.is_dir}.union(*(files(i.path) for i in items if i.is_dir))

    tags = {name: text for name, text in run.data.tags.items() if name != "mlflow.note.content"}
    models = client.search_logged_models([run.info.experiment_id])
    code = [{item.path for item in client.list_logged_model_artifacts(model.model_id)} for model in models]
    info = (run.info.status, run.info.start_time, run.info.end_time)
    return stored_metrics(uri), run.data.params, tags, info, files(None), code


@pytest.mark.parametrize(
    "happens",
    [
        _is_removed,
        _is_emptied,
        _is_in_the_trash,
        _has_lost_files,
        _has_lost_some_files,
        _has_lost_values,
        _has_lost_parameters,
        _has_lost_the_model,
    ],
)
def test_a_copy_that_was_damaged_is_made_whole(
    recorded: HandMadeRun, database: str, happens: Callable[[str, Run], None]
) -> None:
    if happens not in (_is_removed, _has_lost_the_model):
        shutil.rmtree(recorded.directory.generator)  # a model takes seconds to make
    synchronise(recorded.directory, database)
    whole, said = _content(database), list[str]()
    happens(database, _stored(database))
    synchronise(recorded.directory, database, say=said.append)
    assert _content(database) == whole
    assert len(said) == 1
    synchronise(recorded.directory, database, say=said.append)
    assert len(said) == 1


def test_another_way_to_the_same_database_leads_to_the_same_run(recorded: HandMadeRun, database: str) -> None:
    run_id = synchronise(recorded.directory, database)
    recorded.directory.delivered.unlink()
    assert synchronise(recorded.directory, database) == run_id


def test_a_tag_that_was_removed_in_the_pages_stays_removed(recorded: HandMadeRun, database: str) -> None:
    run_id = str(synchronise(recorded.directory, database))
    MlflowClient(database).delete_tag(run_id, "mood")
    synchronise(recorded.directory, database)
    assert "mood" not in _stored(database).data.tags


def test_an_experiment_in_the_trash_is_left_there_and_the_run_may_go_to_another(
    recorded: HandMadeRun, database: str
) -> None:
    synchronise(recorded.directory, database)
    client = MlflowClient(database)
    client.delete_experiment(_stored(database).info.experiment_id)
    with pytest.raises(UserError, match=r"experiment=gan: was deleted in MLflow; .*experiments restore"):
        synchronise(recorded.directory, database)
    synchronise(recorded.directory, database, experiment="better")
    assert client.get_experiment(_stored(database).info.experiment_id).name == "better"
    assert stored_metrics(database).keys() == recorded.expected_in_mlflow().keys()
    assert read_json(recorded.directory.run)["experiment"] == "better"


def test_a_database_that_is_removed_while_the_run_goes_on_is_made_anew(tmp_path: Path, database: str) -> None:
    from tests.support.waiting import until

    run = HandMadeRun(tmp_path / "run", database)
    recorder = run.recorder()
    recorder.open()

    def has_arrived() -> bool:
        return run.directory.is_delivered(database)

    for event in run.events(1, 3):
        recorder.record(event)
    until(has_arrived, "the delivery of the first half")
    _database(database).unlink()
    for event in run.events(4, 6):
        recorder.record(event)
    recorder.close("FINISHED", generator=run.generator.generator)
    assert stored_metrics(database) == run.expected_in_mlflow()
    assert _stored(database).info.status == "FINISHED"


def test_a_run_that_is_deleted_while_it_goes_on_stays_deleted_until_sync(
    tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.support.waiting import until

    run = HandMadeRun(tmp_path / "run", database)
    recorder = run.recorder()
    recorder.open()
    for event in run.events(1, 3):
        recorder.record(event)
    until(lambda: run.directory.is_delivered(database), "the delivery of the first half")
    client = MlflowClient(database)
    client.delete_run(_stored(database).info.run_id)
    for event in run.events(4, 6):
        recorder.record(event)
    recorder.close("FINISHED", generator=run.generator.generator)
    said = capsys.readouterr().err
    assert said.count("refuses 'lr=0.1': it was deleted in MLflow's pages while it trained") == 1
    assert "is lost" not in said
    assert f"python -m gan_experiments.sync {run.directory.path}" in said
    assert not client.search_runs(["1"])
    synchronise(run.directory)
    assert stored_metrics(database) == run.expected_in_mlflow()
    assert _stored(database).info.status == "FINISHED"
