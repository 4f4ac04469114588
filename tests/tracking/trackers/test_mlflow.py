from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from gan_experiments.sync import main as sync_command
from gan_experiments.tracking.metadata import describe
from gan_experiments.tracking.run_directory import write_json
from gan_experiments.tracking.synchronise import synchronise
from tests.support import hand_made
from tests.support.hand_made import STEPS, HandMadeRun, stored_metrics
from tests.support.waiting import until

pytestmark = pytest.mark.slow


def _run(uri: str) -> Run:
    """The only run in a database."""
    (run,) = _runs(uri)
    return run


def _runs(uri: str) -> list[Run]:
    client = MlflowClient(uri)
    return client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])


def _artifacts(uri: str, run_id: str, folder: str | None = None) -> list[str]:
    names = []
    for item in MlflowClient(uri).list_artifacts(run_id, folder):
        names += _artifacts(uri, run_id, item.path) if item.is_dir else [item.path]
    return sorted(names)


def _rewind(run: HandMadeRun, uri: str, **state: object) -> None:
    """Make delivered.json say what it said before an answer was lost."""
    write_json(run.directory.delivered, {uri: {"position": 0} | state})


def test_everything_arrives_once_while_the_run_goes_on(
    tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = HandMadeRun(tmp_path / "run", database, timeout=0)  # a file is never silent, however busy the machine
    run.record()
    stored = _run(database)
    assert stored_metrics(database) == run.expected_in_mlflow()
    assert stored.info.status == "FINISHED"
    assert stored.info.run_name == "lr=0.1"
    assert stored.data.params == {
        "model.name": "mlp",
        "model.latent_dim": "3",
        "train.epochs": "6",
        "seed": "null",
    }
    tags = stored.data.tags
    assert (tags["overrides"], tags["device"], tags["mood"]) == ("train.lr=0.1", "cpu", "hopeful")
    assert tags["run_directory"] == str(tmp_path / "run")
    assert (
        f"![](get-artifact?path=figures%2Fsamples.png&run_uuid={stored.info.run_id})" in tags["mlflow.note.content"]
    )
    assert stored.inputs is not None
    (data,) = stored.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("dots", describe(run.dataset)["digest"])
    files = [path for path in run.directory.artifacts.rglob("*") if path.is_file()]
    local = sorted(str(path.relative_to(run.directory.artifacts)) for path in files)
    assert _artifacts(database, stored.info.run_id) == [name for name in local if not name.startswith("model/")]
    out = capsys.readouterr().out
    assert stored.info.run_id in out
    assert f"mlflow ui --backend-store-uri {database}" in out
    assert run.directory.log.read_text() == ""


def test_values_carry_the_journals_time(recorded: HandMadeRun, database: str) -> None:
    run_id = synchronise(recorded.directory, database)
    assert run_id is not None
    lines = [json.loads(line) for line in recorded.directory.journal.read_text().splitlines()]
    times = [line["time"] for line in lines if line["key"] == "epoch"]
    history = MlflowClient(database).get_metric_history(run_id, "loss/generator")
    assert [metric.timestamp for metric in history] == times
    assert _run(database).info.start_time == lines[0]["time"]
    assert _run(database).info.end_time == lines[-1]["time"]


def test_what_may_have_been_lost_is_sent_again_and_stored_once(recorded: HandMadeRun, database: str) -> None:
    run_id = synchronise(recorded.directory, database)
    before = (stored_metrics(database), _artifacts(database, str(run_id)), _run(database).to_dictionary())
    for state in (
        {"experiment_id": "1", "run_id": run_id, "position": 1500},  # not on a line of its own
        {"experiment_id": "1", "run_id": run_id},
        {"experiment_id": "1", "attempted": True},  # the id itself was lost
        {"attempted": True},
    ):
        position = state.get("position", 0)
        whole = recorded.directory.journal.read_bytes()
        _rewind(recorded, database, **state | {"position": whole.index(b"\n", position) + 1 if position else 0})
        assert synchronise(recorded.directory, database) == run_id
        assert stored_metrics(database) == recorded.expected_in_mlflow()
    assert (stored_metrics(database), _artifacts(database, str(run_id)), _run(database).to_dictionary()) == before


def test_a_run_that_was_killed_and_resumed_is_one_run_with_every_value_once(tmp_path: Path, database: str) -> None:
    run = HandMadeRun(tmp_path / "run", database)
    killed = subprocess.run([sys.executable, hand_made.__file__, str(tmp_path / "run"), database, "3"], check=False)
    assert killed.returncode == -9
    recorder = run.recorder(resumed_from=2 * STEPS)
    recorder.open()
    for event in run.events(3, 6):
        recorder.record(event)
    recorder.close("FINISHED", generator=run.generator.generator)
    assert stored_metrics(database) == run.expected_in_mlflow()
    assert _run(database).info.status == "FINISHED"


def test_a_run_whose_process_died_is_marked_as_killed_by_its_survivor(tmp_path: Path, database: str) -> None:
    subprocess.run([sys.executable, hand_made.__file__, str(tmp_path / "run"), database, "2"], check=False)
    until(lambda: [run.info.status for run in _runs(database)] == ["KILLED"], "the run's status KILLED")
    assert _run(database).data.tags["status_reason"] == "the process died"


def test_a_run_whose_machine_died_is_marked_as_killed_by_the_command(recorded: HandMadeRun, database: str) -> None:
    *lines, _status = recorded.directory.journal.read_bytes().splitlines(keepends=True)
    recorded.directory.journal.write_bytes(b"".join(lines))
    synchronise(recorded.directory, database)
    assert _run(database).info.status == "KILLED"


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_how_a_run_ended_is_told_with_its_reason(tmp_path: Path, database: str, status: str) -> None:
    run = HandMadeRun(tmp_path / "run", None)
    recorder = run.recorder()
    recorder.open()
    recorder.close(status, "the generator's loss is nan at step 3")
    synchronise(run.directory, database)
    stored = _run(database)
    assert stored.info.status == status
    assert stored.data.tags["status_reason"] == "the generator's loss is nan at step 3"


def test_images_are_named_as_mlflow_names_them(recorded: HandMadeRun, database: str) -> None:
    """What ``MlflowClient.log_image`` writes is the reference, whatever version of MLflow is installed."""
    import numpy as np

    run_id = str(synchronise(recorded.directory, database))
    client = MlflowClient(database)
    reference = client.create_run("0").info.run_id
    client.log_image(reference, np.zeros((4, 4), np.uint8), key="samples", step=14, synchronous=True)

    def shapes(of: str) -> set[str]:
        names = [name for name in _artifacts(database, of) if "samples+step+14+" in name]
        return {
            re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", re.sub(r"timestamp\+\d+", "timestamp+T", n)) for n in names
        }

    assert shapes(run_id) == shapes(reference)
    tags = [client.get_run(each).data.tags["mlflow.loggedImages"].lower() for each in (run_id, reference)]
    assert tags == ["true", "true"]


def test_a_description_of_a_persons_own_is_kept(tmp_path: Path, database: str) -> None:
    run = HandMadeRun(tmp_path / "run", None, epochs=1)
    run.tracking.tags = {"mlflow.note.content": "the good one"}
    run.record()
    synchronise(run.directory, database)
    assert _run(database).data.tags["mlflow.note.content"] == "the good one"


def test_an_experiment_keeps_its_files_beside_the_database(
    tmp_path: Path, recorded: HandMadeRun, database: str
) -> None:
    synchronise(recorded.directory, database)
    assert Path(str(_run(database).info.artifact_uri)).is_relative_to(tmp_path / "mlruns")


def test_the_command_completes_a_run_and_may_be_repeated(
    recorded: HandMadeRun, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        sync_command([str(recorded.directory.path), "--uri", database])
    assert stored_metrics(database) == recorded.expected_in_mlflow()
    assert capsys.readouterr().out.count(_run(database).info.run_id) == 2


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = HandMadeRun(tmp_path / "run", None)
    recorder = run.recorder()
    recorder.open()
    for arguments, message in (
        ([str(tmp_path)], "is not the folder of a run"),
        ([str(tmp_path / "run")], "is training or being delivered"),
        ([str(tmp_path / "run"), "--uri", "http://127.0.0.1:9"], "no server answers there"),
    ):
        with pytest.raises(SystemExit) as caught:
            sync_command(arguments)
        assert caught.value.code == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert message in error
        assert error.count("\n") == 1
    recorder.close("KILLED", "test over")
    sync_command([str(tmp_path / "run")])
    assert "tracked nowhere" in capsys.readouterr().out
