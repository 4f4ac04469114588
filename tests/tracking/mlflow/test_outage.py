"""A real MLflow server that freezes, dies and comes back while a run goes on."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from mlflow import MlflowClient

from gan_experiments.tracking.run_directory import read_json
from gan_experiments.tracking.synchronise import synchronise
from tests.support.hand_made import HandMadeRun, stored_metrics
from tests.support.waiting import until

pytestmark = pytest.mark.slow


class Server:
    """``mlflow server`` on the loopback interface, on one database throughout."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder = folder
        self.database = f"sqlite:///{shutil.copy(template, folder / 'server.db')}"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        places = ["--backend-store-uri", self.database, "--artifacts-destination", str(self.folder / "files")]
        network = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *places, *network],
                env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},  # starts processes of its own
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._answers, f"the server's first answer at {self.uri}")

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.uri}/health", timeout=60):
                return True
        except (URLError, OSError):
            return False

    def signal(self, number: signal.Signals) -> None:
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"), empty_database)
    server.start()
    yield server
    server.kill()


def test_a_server_that_freezes_dies_and_comes_back_loses_nothing(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Seconds until a frozen server counts as lost. A busy one may do so too, for a while: that changes nothing here.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    run = HandMadeRun(tmp_path / "run", server.uri, epochs=8, timeout=1)  # at the end the server is dead
    said = ""

    def hear() -> int:
        """Take in what has been said, and return its length."""
        nonlocal said
        said += capsys.readouterr().err
        return len(said)

    def until_said(line: str, since: int) -> None:
        def has_been_said() -> bool:
            hear()
            return line in said[since:]

        until(has_been_said, f"the line {line!r}")

    def until_arrived() -> None:
        until(has_arrived, "the delivery of everything in the journal")

    def has_arrived() -> bool:
        size = run.directory.journal.stat().st_size
        return run.directory.delivered.exists() and read_json(run.directory.delivered)[server.uri]["position"] == size

    recorder = run.recorder()
    recorder.open()

    def train(first: int, last: int) -> None:
        for event in run.events(first, last):
            recorder.record(event)

    train(1, 2)
    until_arrived()
    moment = hear()
    server.signal(signal.SIGSTOP)
    train(3, 4)
    until_said("is lost", moment)
    moment = hear()
    server.signal(signal.SIGCONT)
    until_said("is back", moment)
    until_arrived()
    assert stored_metrics(server.database).keys() == run.expected_in_mlflow().keys()

    moment = hear()
    server.kill()
    train(5, 6)
    until_said("is lost", moment)
    moment = hear()
    server.start()
    until_said("is back", moment)
    until_arrived()

    server.kill()
    train(7, 8)
    recorder.close("FINISHED", generator=run.generator.generator)
    hear()
    assert said.count(f"to complete it: python -m gan_experiments.sync {run.directory.path}") == 1
    assert (run.directory.artifacts / "samples.gif").exists()

    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT")
    server.start()
    run_id = synchronise(run.directory)
    assert run_id is not None
    assert stored_metrics(server.database) == run.expected_in_mlflow()
    client = MlflowClient(server.uri)
    stored = client.get_run(run_id)
    assert stored.info.status == "FINISHED"
    assert len(client.search_runs([stored.info.experiment_id])) == 1
    images = [item.path for item in client.list_artifacts(run_id, "images")]
    local = [f"images/{path.name}" for path in (run.directory.artifacts / "images").iterdir()]
    assert sorted(images) == sorted(local)
