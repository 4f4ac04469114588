"""What MLflow refuses for ever is changed or left out, and said; everything else arrives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from gan_experiments.tracking.journal import read
from gan_experiments.tracking.synchronise import synchronise
from tests.support.hand_made import HandMadeRun, stored_metrics
from tests.support.postgresql import PostgreSQL

pytestmark = pytest.mark.slow


def _change(run: HandMadeRun, kind: str, **values: str) -> None:
    """Add values to the first line of a kind of the journal."""
    lines, changed = [], False
    for line, _ in read(run.directory.journal):
        if line["kind"] == kind and not changed:
            line["values"] |= values
            if kind == "params":  # MLflow gets those that were chosen
                line["chosen"] = line.get("chosen", {}) | values
            changed = True
        lines.append(line)
    assert changed
    run.directory.journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def _deliver(run: HandMadeRun, uri: str) -> tuple[Run, list[str]]:
    said = list[str]()
    run_id = str(synchronise(run.directory, uri, say=said.append))
    return MlflowClient(uri).get_run(run_id), said


def test_names_and_values_that_mlflow_does_not_take_are_changed_and_said(
    recorded: HandMadeRun, database: str
) -> None:
    _change(recorded, "tags", **{"e-mail (work)": "me", "long": "x" * 9000, "nul": "a\0b", "cut off": "\udc80"})
    _change(recorded, "params", **{"data.classes.cat (small)": "1", "data.words": "y" * 7000})
    _change(recorded, "tags", **{f"tag{n}": str(n) for n in range(150)})  # a batch has a hundred at most
    stored, said = _deliver(recorded, database)
    assert stored.data.tags["e-mail _work_"] == "me"
    assert (len(stored.data.tags["long"]), stored.data.tags["nul"]) == (8000, "a?b")
    assert stored.data.tags["tag149"] == "149"
    assert stored.data.params["data.classes.cat _small_"] == "1"
    assert len(stored.data.params["data.words"]) == 6000
    assert stored_metrics(database) == recorded.expected_in_mlflow()
    assert stored.info.status == "FINISHED"
    assert said == [
        "MLflow: parameter 'data.classes.cat (small)' of 'lr=0.1' is named 'data.classes.cat _small_' there; "
        "everything else arrives",
        "MLflow: parameter 'data.words' of 'lr=0.1' is cut to 6000 characters there; everything else arrives",
        "MLflow: tag 'e-mail (work)' of 'lr=0.1' is named 'e-mail _work_' there; everything else arrives",
        "MLflow: tag 'long' of 'lr=0.1' is cut to 8000 characters there; everything else arrives",
    ]
    assert _deliver(recorded, database)[1] == []


def test_one_value_that_is_refused_costs_no_other(recorded: HandMadeRun, database: str) -> None:
    """Two parameters that get one name, of which MLflow takes one."""
    _change(recorded, "params", **{"data.a(b": "1", "data.a[b": "2"})
    stored, said = _deliver(recorded, database)
    assert stored.data.params["data.a_b"] == "1"
    assert stored.data.params["train.epochs"] == "6"
    assert stored_metrics(database) == recorded.expected_in_mlflow()
    (refusal,) = [line for line in said if "is not taken" in line]
    assert "parameter 'data.a_b' of 'lr=0.1' is not taken: " in refusal
    assert "a_b" in refusal.split("is not taken")[1]  # MLflow's own words


def test_a_name_longer_than_postgresqls_column_arrives_cut_on_any_database(
    recorded: HandMadeRun, database: str, postgresql: PostgreSQL
) -> None:
    name = "tall " * 60
    run = json.loads(recorded.directory.run.read_text())
    recorded.directory.run.write_text(json.dumps(run | {"name": name}))
    for uri in (database, postgresql.new_database()):
        stored, said = _deliver(recorded, uri)
        assert stored.info.run_name == name[:249] + "…"
        assert said == [f"MLflow: the run's name of {name!r} is cut to 250 characters there; everything else arrives"]
        assert stored.data.params["train.epochs"] == "6"


def test_files_that_cannot_be_written_cost_no_value_and_come_later(recorded: HandMadeRun, database: str) -> None:
    shutil.rmtree(recorded.directory.generator)
    stored, _ = _deliver(recorded, database)
    folder = Path(str(stored.info.artifact_uri).removeprefix("file://"))
    shutil.rmtree(folder)
    folder.touch()  # in the way, for root too
    again, said = _deliver(recorded, database)
    assert again.to_dictionary()["data"] == stored.to_dictionary()["data"]
    assert again.info.status == "FINISHED"
    lost, refusal = said
    assert "MLflow has lost" in lost
    assert refusal.startswith("MLflow: file 'config/config.yaml' of 'lr=0.1' is not taken: ")
    assert "Not a directory" in refusal
    folder.unlink()
    _deliver(recorded, database)
    assert (folder / "figures" / "samples.png").is_file()
