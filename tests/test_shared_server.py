"""The commands for a shared server on the page of tracking, as they stand there."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from gan_experiments.tracking.mlflow import shown
from gan_experiments.tracking.run_directory import read_json
from gan_experiments.tracking.sweep_directory import JobDirectory, SweepDirectory
from tests.support.postgresql import PostgreSQL
from tests.support.real_runs import lines
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "gan_experiments" / "tracking" / "README.md").read_text(encoding="utf-8")
SHORT = (
    *("data=ring", "data.samples=520", "model.generator_widths=[8]", "model.discriminator_widths=[8]"),
    *("train.epochs=2", "tracking.system_metrics=false", "tracking.timeout=600", "hydra.sweep.dir=sweep"),
)
"""Overrides that make the page's sweep short enough for a test."""


def block(name: str) -> str:
    """A block of the page."""
    found = re.search(rf"<!-- command: {name} -->\n```bash\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1].strip()


@dataclass(frozen=True)
class Shared:
    """What the commands left behind.

    Attributes:
        address: Of the server.
        files: Folder in which it was started.
        sweep: The sweep's folder.
        postgresql: Where the database is.
    """

    address: str
    files: Path
    sweep: SweepDirectory
    postgresql: PostgreSQL

    def ask(self, endpoint: str, post: dict | None = None, **query: str) -> Any:
        """What the REST API answers."""
        body = None if post is None else json.dumps(post).encode()
        headers = {"Content-Type": "application/json"}
        address = f"{self.address}/api/2.0/mlflow/{endpoint}?{urlencode(query)}"
        with urlopen(Request(address, body, headers), timeout=PATIENCE) as answer:
            return json.load(answer)

    def runs(self) -> dict[str, Any]:
        """All runs of the experiment, by id."""
        experiment = self.ask("experiments/get-by-name", experiment_name="shared")["experiment"]
        found = self.ask("runs/search", {"experiment_ids": [experiment["experiment_id"]]})["runs"]
        return {run["info"]["run_id"]: run for run in found}

    def artifacts(self, run_id: str, folder: str = "") -> dict[str, int]:
        """Sizes of a run's files, by their paths."""
        sizes = {}
        for item in self.ask("artifacts/list", run_id=run_id, path=folder).get("files", []):
            sizes |= (
                self.artifacts(run_id, item["path"]) if item["is_dir"] else {item["path"]: int(item["file_size"])}
            )
        return sizes

    def jobs(self) -> dict[str, JobDirectory]:
        """The sweep's runs, by their ids."""
        return {job.run_id() or "": job for job in self.sweep.jobs()}


@pytest.fixture(scope="module")
def shared(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    folder = tmp_path_factory.mktemp("shared")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    python_path = os.pathsep.join(map(os.path.abspath, sys.path))
    anybody = os.environ | {"PATH": path, "PYTHONPATH": python_path, "MLFLOW_PORT": port}
    subprocess.run(["bash", "-ec", block("database")], env=anybody | postgresql.variables, cwd=folder, check=True)
    # One worker will do, and no processes for what this project does not use.
    few = {"MLFLOW_WORKERS": "1", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            ["bash", "-ec", block("server")],
            env=anybody | few | {"PGPORT": postgresql.variables["PGPORT"]},
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert server.poll() is None, log.read_text()
        try:
            with urlopen(f"{address}/health", timeout=60):
                return True
        except (URLError, OSError):
            return False

    work = folder / "work"
    work.mkdir()
    try:
        until(answers, f"the server's first answer at {address}")
        command = " ".join((block("shared sweep"), *map("'{}'".format, SHORT)))
        ended = subprocess.run(["bash", "-ec", command], env=anybody, cwd=work, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        assert "4 of 4 runs have finished" in ended.stdout
        yield Shared(address, folder, SweepDirectory(work / "sweep"), postgresql)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def test_runs_and_their_summary_are_on_the_server(shared: Shared) -> None:
    runs, jobs = shared.runs(), shared.jobs()
    summary = shared.sweep.content()["run_id"]
    assert runs.keys() == {*jobs, summary}
    assert {run["info"]["status"] for run in runs.values()} == {"FINISHED"}
    tags = {run_id: {tag["key"]: tag["value"] for tag in run["data"]["tags"]} for run_id, run in runs.items()}
    assert {each["sweep"] for each in tags.values()} == {shared.sweep.content()["name"]}
    assert tags[summary]["role"] == "summary"
    assert tags[summary]["best_run"] in jobs
    assert [tags[run_id]["setting"] for run_id in jobs] == ["lr=0.0001", "lr=0.0001", "lr=0.0002", "lr=0.0002"]


def test_the_database_has_every_value_once(shared: Shared) -> None:
    stored = shared.postgresql.query("SELECT run_uuid, key, step, value FROM metrics", "mlflow")
    for run_id, job in shared.jobs().items():
        once = read_json(job.run)["scored_once"]
        recorded = [
            (name, line["step"], value)
            for line in (shown.line(line, once) for line in lines(job, "metrics"))
            for name, value in line["values"].items()
        ]
        assert sorted(tuple(row[1:]) for row in stored if row[0] == run_id) == sorted(recorded)
    assert not (shared.sweep.path.parent / "mlflow.db").exists()


def test_files_and_report_are_in_the_artifact_store(shared: Shared) -> None:
    for run_id, job in shared.jobs().items():
        local = {
            str(file.relative_to(job.artifacts)): file.stat().st_size
            for file in job.artifacts.rglob("*")
            if file.is_file() and not file.is_relative_to(job.artifacts / "model")
        }
        assert shared.artifacts(run_id) == local
    summary = shared.sweep.content()["run_id"]
    query = urlencode({"path": "report/report.html", "run_uuid": summary})
    with urlopen(f"{shared.address}/get-artifact?{query}", timeout=PATIENCE) as answer:
        assert answer.read() == (shared.sweep.report / "report.html").read_bytes()
    (kept,) = (shared.files / "mlflow-artifacts").glob(f"**/{summary}/artifacts/report/report.html")
    assert kept.is_file()
