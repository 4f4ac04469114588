"""Eight processes that write one new database at once, which nobody has prepared, lose nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import sqlalchemy
from mlflow import MlflowClient

from gan_experiments.tracking.journal import read
from gan_experiments.tracking.mlflow.api import NONCE_TAG, find_or_create_experiment
from gan_experiments.tracking.run_directory import read_json, write_json
from tests.support import delivered_together
from tests.support.hand_made import MODEL, HandMadeRun
from tests.support.postgresql import PostgreSQL

pytestmark = pytest.mark.slow

WRITERS = 8
PICTURES = ("samples", "histograms", "probabilities")
_OF_RUNS = f"JOIN tags t ON t.run_uuid = x.run_uuid AND t.key = '{NONCE_TAG}'"
_EXPERIMENTS = "JOIN experiments e ON e.experiment_id = x.experiment_id"
RUNS = f"SELECT t.value, e.name, x.status, x.artifact_uri FROM runs x {_OF_RUNS} {_EXPERIMENTS}"
METRICS = f"SELECT t.value, x.key, x.step, x.value FROM metrics x {_OF_RUNS}"
PARAMS = f"SELECT t.value, x.key, x.value FROM params x {_OF_RUNS}"


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URI of a database without a table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new.db"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.new_database()


@pytest.fixture
def runs(recorded_once: HandMadeRun, tmp_path: Path) -> dict[str, HandMadeRun]:
    """Runs of the same values, by their nonces; without pictures and model, which take long and no database."""
    made = {f"nonce{n}": HandMadeRun(tmp_path / f"run{n}", None) for n in range(WRITERS)}
    for nonce, run in made.items():
        shutil.copytree(recorded_once.directory.path, run.directory.path)
        write_json(run.directory.run, read_json(run.directory.run) | {"nonce": nonce})
        shutil.rmtree(run.directory.generator)
        lines = [line for line, _ in read(run.directory.journal) if line["kind"] not in PICTURES]
        run.directory.journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return made


def test_every_run_has_every_value_once_in_its_experiment(
    new_database: str, runs: dict[str, HandMadeRun], tmp_path: Path
) -> None:
    folders = [str(run.directory.path) for run in runs.values()]
    ended = subprocess.run(
        [sys.executable, delivered_together.__file__, new_database, *folders],
        cwd=tmp_path,  # an experiment that is made here gets its files here
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    engine = sqlalchemy.create_engine(new_database)
    with engine.connect() as connection:
        stored, metrics, params = (
            [tuple(row) for row in connection.execute(sqlalchemy.text(query))] for query in (RUNS, METRICS, PARAMS)
        )
    engine.dispose()

    assert sorted(row[:3] for row in stored) == [(nonce, "gan", "FINISHED") for nonce in runs]
    values: dict[str, list[tuple]] = defaultdict(list)
    for nonce, *value in metrics:
        values[nonce].append(tuple(value))
    for nonce, run in runs.items():
        points = ((name, *point) for name, points in run.expected_in_mlflow().items() for point in points)
        assert sorted(values.pop(nonce)) == sorted(points)
    assert not values
    expected = {(nonce, "model.latent_dim", str(MODEL["latent_dim"])) for nonce in runs}
    assert expected == {row for row in params if row[1] == "model.latent_dim"}
    assert len(params) == len(set(params))
    for *_, uri in stored:
        assert (Path(uri.removeprefix("file://")) / "losses.csv").is_file()


def test_an_experiment_that_somebody_else_just_made_is_taken(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client, made, look = MlflowClient(database), [], MlflowClient.get_experiment_by_name

    def look_too_early(name: str) -> object:
        found = look(client, name)
        if not made:
            made.append(MlflowClient(database).create_experiment(name))
        return found

    monkeypatch.setattr(client, "get_experiment_by_name", look_too_early)
    assert find_or_create_experiment(client, "gan") == made[0]
