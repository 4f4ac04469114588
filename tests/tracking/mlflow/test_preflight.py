"""What is seen of MLflow's database or server before a run."""

from __future__ import annotations

import json
import shlex
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow import MlflowClient

from gan_experiments.errors import UserError
from gan_experiments.tracking.destination import check_names, check_uri
from gan_experiments.tracking.mlflow.connection import alone

OLDER = "0584bdc529eb"
"""The schema of MLflow 2.11 to 2.22."""


@contextmanager
def _answering(status: int, body: str) -> Iterator[str]:
    """The address of a server that answers everything alike, once it has said that it is well."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_health = self.path == "/health"
            self.send_response(200 if is_health else status)
            self.end_headers()
            self.wfile.write(b"OK" if is_health else body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def _execute(uri: str, statement: str) -> None:
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(statement)


@pytest.mark.slow
def test_the_database_of_an_older_mlflow_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine
    from mlflow.store.tracking.dbmodels.initial_models import Base

    uri = f"sqlite:///{tmp_path}/old er.db"
    engine = create_sqlalchemy_engine(uri)  # as that MLflow made it
    Base.metadata.create_all(engine)
    config = _get_alembic_config(uri)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, OLDER)
    engine.dispose()

    before = Path(tmp_path / "old er.db").read_bytes()
    with pytest.raises(UserError, match="is the database of an MLflow older than the installed one") as refusal:
        check_uri(uri)
    assert Path(tmp_path / "old er.db").read_bytes() == before
    _, _, mend = str(refusal.value).partition("then: ")
    program, *arguments = shlex.split(mend)
    subprocess.run([sys.executable, "-m", program, *arguments], check=True, capture_output=True)
    assert check_uri(uri) == uri


@pytest.mark.parametrize(
    ("begun", "done"),
    [
        ("DROP TABLE alembic_version", "CREATE TABLE alembic_version AS SELECT '{}' AS version_num"),
        (f"UPDATE alembic_version SET version_num = '{OLDER}'", "UPDATE alembic_version SET version_num = '{}'"),
    ],
    ids=["by another program", "by another run"],
)
def test_a_database_whose_tables_are_being_made_is_not_an_older_mlflows(database: str, begun: str, done: str) -> None:
    with closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as connection:
        ((latest,),) = connection.execute("SELECT version_num FROM alembic_version")
    _execute(database, begun)
    is_held = threading.Event()

    def make() -> None:
        with alone(database) if OLDER in begun else nullcontext():
            is_held.set()
            time.sleep(1.5)
            _execute(database, done.format(latest))

    maker = threading.Thread(target=make)
    maker.start()
    is_held.wait()
    assert check_uri(database) == database
    maker.join()


def test_the_database_of_a_newer_mlflow_is_refused(database: str) -> None:
    assert check_uri(database) == database
    _execute(database, "UPDATE alembic_version SET version_num = 'f4a9b2c7d1e6'")  # MLflow 3.18's
    with pytest.raises(UserError, match=r"an MLflow newer than the installed one, .*; pip install --upgrade mlflow"):
        check_uri(database)


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/study.db"
    _execute(uri, "CREATE TABLE alembic_version (version_num)")
    assert check_uri(uri) == uri  # nothing in it yet
    _execute(uri, "INSERT INTO alembic_version VALUES ('v3.2.0.a')")
    with pytest.raises(UserError, match="another program has its tables"):
        check_uri(uri)


def test_an_experiment_in_the_trash_is_refused_with_the_command_that_restores_it(database: str) -> None:
    client = MlflowClient(database)
    experiment_id = client.create_experiment("it's mine")
    check_names(database, "it's mine", {})
    client.delete_experiment(experiment_id)
    with pytest.raises(UserError, match=f"experiment=it's mine: was deleted in MLflow; .* -x {experiment_id}"):
        check_names(database, "it's mine", {})


@pytest.mark.parametrize(
    ("status", "body", "line"),
    [
        (404, "<html>not here</html>", "must be MLflow's server; this one has no "),
        (200, "<html>welcome</html>", "must be MLflow's server; this one answers something else"),
        (200, "[]", "must be MLflow's server; this one answers something else"),
        (
            401,
            json.dumps({"error_code": "UNAUTHENTICATED", "message": "who is it?"}),
            r"refuses this user \(.*who is",
        ),
        (
            403,
            json.dumps({"error_code": "PERMISSION_DENIED", "message": "not yours"}),
            r"refuses this user \(.*not yours",
        ),
    ],
)
def test_a_server_that_never_takes_a_run_is_refused(status: int, body: str, line: str) -> None:
    with _answering(status, body) as uri, pytest.raises(UserError, match=line):
        check_names(uri, "gan", {})


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no experiment"})),
        (503, "busy"),
        (200, json.dumps({"experiment": {"experiment_id": "1", "lifecycle_stage": "active"}})),
    ],
)
def test_a_server_that_may_take_a_run_is_not(status: int, body: str) -> None:
    with _answering(status, body) as uri:
        check_names(uri, "gan", {})
