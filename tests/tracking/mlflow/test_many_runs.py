"""Many runs that one process delivers: little is asked of MLflow for each, and each is as whole as one alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from sqlalchemy import Engine, event

from gan_experiments.tracking.followed import Followed
from gan_experiments.tracking.journal import read
from gan_experiments.tracking.mlflow import model
from gan_experiments.tracking.mlflow.api import NONCE_TAG
from gan_experiments.tracking.run_directory import RunDirectory, read_json, write_json
from gan_experiments.tracking.synchronise import synchronise
from tests.support.hand_made import HandMadeRun

pytestmark = pytest.mark.slow

TRANSACTIONS = 30
"""At most, for a run that MLflow does not have yet; they are what delivery to a database costs."""
REQUESTS = (
    *("create_run", "log_batch", "log_inputs", "log_artifacts", "log_artifact", "create_logged_model"),
    *("log_model_artifacts", "finalize_logged_model", "log_outputs", "set_terminated"),
)
"""What changes something in MLflow."""
OWN = ("artifact_path", "model_id", "model_uuid", "run_id", "utc_time_created")
"""What tells two models of one kind apart."""


PICTURES = ("samples", "histograms", "probabilities")


class KilledError(BaseException):
    """The process is killed."""


@pytest.fixture
def again(recorded: HandMadeRun) -> Callable[[], RunDirectory]:
    """Makes another run with the same values, as yet in no tracker."""
    made = list[Path]()

    def make() -> RunDirectory:
        folder = recorded.directory.path.with_name(f"run{len(made)}")
        made.append(folder)
        shutil.copytree(recorded.directory.path, folder)
        directory = RunDirectory(folder)
        write_json(directory.run, read_json(directory.run) | {"nonce": folder.name})
        return directory

    return make


def _content(uri: str, nonce: str) -> tuple[Any, ...]:
    """All that MLflow has of a run, but for what tells it from others of the same values."""
    client = MlflowClient(uri)
    experiments = [each.experiment_id for each in client.search_experiments()]
    (run,) = client.search_runs(experiments, f"tags.{NONCE_TAG} = '{nonce}'")
    number = run.info.run_id
    metrics = {
        name: [(m.step, m.timestamp, m.value) for m in client.get_metric_history(number, name)]
        for name in run.data.metrics
    }
    tags = {name: text.replace(number, "ID") for name, text in run.data.tags.items() if name != NONCE_TAG}
    assert run.inputs is not None
    assert run.outputs is not None
    (model_of_run,) = client.search_logged_models(experiments, filter_string=f"source_run_id = '{number}'")
    assert [output.model_id for output in run.outputs.model_outputs] == [model_of_run.model_id]
    data = [each.dataset.digest for each in run.inputs.dataset_inputs]
    info = (run.info.run_name, run.info.status, run.info.start_time, run.info.end_time)
    return metrics, run.data.params, tags, data, info, _files(run), str(model_of_run.status)


def _files(run: Run) -> list[str]:
    """The files of a run, without what is in the names of pictures of a run's own."""
    folder = Path(str(run.info.artifact_uri).removeprefix("file://"))
    return sorted(str(p.relative_to(folder)).partition("+timestamp+")[0] for p in folder.rglob("*") if p.is_file())


def test_a_run_takes_few_transactions_and_is_whole(
    database: str, again: Callable[[], RunDirectory], recorded: HandMadeRun
) -> None:
    begun = list[object]()

    def begin(connection: object) -> None:
        begun.append(connection)

    synchronise(again(), database)
    event.listen(Engine, "begin", begin)
    try:
        synchronise(again(), database)
    finally:
        event.remove(Engine, "begin", begin)
    assert 0 < len(begun) <= TRANSACTIONS
    whole = _content(database, "run0")
    assert _content(database, "run1") == whole
    points = {name: [(step, value) for step, _, value in rows] for name, rows in whole[0].items()}
    assert points == recorded.expected_in_mlflow()


def test_a_process_that_is_killed_at_any_place_leaves_nothing_out_and_nothing_twice(
    database: str, recorded: HandMadeRun, again: Callable[[], RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line for line, _ in read(recorded.directory.journal) if line["kind"] not in PICTURES]
    recorded.directory.journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    write_json(recorded.directory.run, read_json(recorded.directory.run) | {"pictures": "last"})  # few are drawn
    shutil.rmtree(recorded.directory.artifacts / "images")
    synchronise(again(), database)
    whole = _content(database, "run0")
    left = 0

    def dying(request: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise KilledError
            return request(*arguments, **named)

        return call

    for name in REQUESTS:
        monkeypatch.setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))
    places = 0
    while True:
        run, places = again(), places + 1
        left = places
        try:
            synchronise(run, database)
        except KilledError:
            left = 0
            synchronise(run, database)
            assert _content(database, run.path.name) == whole
        else:
            break
    assert places > len(REQUESTS)


def test_a_model_that_is_like_an_earlier_one_is_as_mlflow_makes_it_with_weights_of_its_own(
    database: str, again: Callable[[], RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [again() for _ in range(3)]
    weights = torch.load(runs[1].generator / "generator.pt", weights_only=True)
    for run in runs[1:]:
        torch.save({name: value + 1 for name, value in weights.items()}, run.generator / "generator.pt")
    for run in runs[:2]:
        synchronise(run, database)
    monkeypatch.setattr(model, "_saved", {})  # as a process that has saved none
    synchronise(runs[2], database)

    def saved(run: RunDirectory) -> dict[str, Any]:
        folder = run.artifacts / "model"
        files: dict[str, Any] = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        about = yaml.safe_load(files.pop("MLmodel"))
        assert about["run_id"] in str(read_json(run.delivered))
        return files | {name: text for name, text in about.items() if name not in OWN}

    assert saved(runs[1]) == saved(runs[2])
    assert saved(runs[1]).keys() == saved(runs[0]).keys()


def test_a_model_is_made_though_the_one_that_it_is_like_was_removed(
    database: str, again: Callable[[], RunDirectory]
) -> None:
    first, second = again(), again()
    synchronise(first, database)
    shutil.rmtree(first.path)
    synchronise(second, database)
    assert (second.artifacts / "model" / "MLmodel").is_file()


def test_a_database_that_takes_anothers_place_between_two_runs_is_the_one_that_is_used(
    database: str, empty_database: Path, again: Callable[[], RunDirectory]
) -> None:
    synchronise(again(), database)
    shutil.copy(empty_database, f"{database.removeprefix('sqlite:///')}.new")
    Path(f"{database.removeprefix('sqlite:///')}.new").replace(database.removeprefix("sqlite:///"))
    synchronise(again(), database)
    client = MlflowClient(database)
    found = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert [run.data.tags[NONCE_TAG] for run in found] == ["run1"]


@pytest.mark.parametrize(("pictures", "at_once"), [("all", True), ("last", False)])
def test_a_run_of_many_is_delivered_at_times_and_at_its_end(
    database: str, again: Callable[[], RunDirectory], pictures: str, at_once: bool
) -> None:
    run = again()
    write_json(run.run, read_json(run.run) | {"uri": database, "pictures": pictures})
    *lines, status = run.journal.read_bytes().splitlines(keepends=True)
    run.journal.write_bytes(b"".join(lines))
    followed = Followed(run, print)
    assert followed.has_news == at_once
    run.journal.write_bytes(b"".join([*lines, status]))
    followed.advance()
    assert followed.has_news
    followed.drain()
    assert not followed.has_news
    assert run.is_delivered(database)
    followed.release()
