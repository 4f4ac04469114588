"""Sends a run's journal and artifacts to an MLflow destination, each thing once."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from gan_experiments.tracking.destination import database_folder
from gan_experiments.tracking.gallery import Gallery
from gan_experiments.tracking.journal import Line, last_session, read
from gan_experiments.tracking.model import deliver_model
from gan_experiments.tracking.run_directory import RunDirectory, read_json, write_json

if TYPE_CHECKING:
    from mlflow import MlflowClient

NONCE_TAG = "run_nonce"
"""Tag by which a run is recognised whose id was lost with the process that created it."""
_LONGEST_PARAM, _LONGEST_TAG = 6000, 8000
_PARAMS_A_BATCH, _METRICS_A_BATCH = 100, 1000
_LINES_A_BATCH = 300


def prepare_environment(uri: str) -> None:
    """Settings of MLflow for a process that delivers, before it is imported; those that a person made stay.

    MLflow's own patience with a dead server, minutes, would hide from us that it is back.
    """
    for name, value in (
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "10"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0"),
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("MLFLOW_LOGGING_LEVEL", "WARNING"),
        ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"),
        ("GIT_PYTHON_REFRESH", "quiet"),
    ):
        os.environ.setdefault(name, value)
    folder = database_folder(uri)
    if folder is not None:
        # A new experiment's artifacts go to ./mlruns; of the folder in which `mlflow ui` shows the database.
        os.chdir(folder)


class Delivery:
    """Delivers one run to one destination.

    Everything can be sent again without harm: MLflow keeps one of equal values of a metric (same key, time, step
    and value), parameters and tags replace themselves, files replace files of the same name. So what is not
    certain to have arrived is sent again.

    Args:
        directory: The run's folder.
        run: Its run.json.
        uri: The destination, with an absolute path.
        gallery: Draws the pictures; nothing is delivered before it is drawn.

    Attributes:
        answered: When the destination last took something for the first time, on the monotonic clock.
    """

    def __init__(self, directory: RunDirectory, run: dict[str, Any], uri: str, gallery: Gallery) -> None:
        self._directory, self._run, self._uri, self._gallery = directory, run, uri, gallery
        self._client: MlflowClient | None = None
        self._taken, self._most_taken = 0, 0  # requests since the last line that is done: in this attempt, in any
        self.answered = 0.0
        self._state: dict[str, Any] = {"position": 0}
        if directory.delivered.exists():
            self._state |= read_json(directory.delivered).get(uri, {})

    def send(self) -> bool:
        """Send the next lines of the journal that are drawn; raises whatever MLflow raises.

        Returns:
            Whether there was anything to send.
        """
        client = self._connect()
        lines = self._pending()
        if not lines:
            return False
        run_id = self._state["run_id"]
        self._taken = 0
        self._send_values(client, run_id, [line for line, _ in lines])
        for line, _ in lines:
            for name in self._gallery.names(line):
                self._send_file(client, run_id, name)
            handler = _HANDLERS.get(line["kind"])
            if handler is not None:
                handler(self, client, run_id, line)
                self._note_answer()
        self._remember(position=lines[-1][1])
        self._most_taken = 0
        return True

    def _note_answer(self) -> None:
        """Only what is new counts: a destination that takes a line's first part again and again is no progress."""
        self._taken += 1
        if self._taken > self._most_taken:
            self._most_taken, self.answered = self._taken, time.monotonic()

    def complete(self) -> str:
        """Send everything, and if the process that trained died without a word, mark the run as killed.

        Returns:
            The run's id at the destination.
        """
        while self.send():
            pass
        if not last_session(self._directory.journal)[1]:
            self.end_abandoned()
        return self._state["run_id"]

    def _pending(self) -> list[tuple[Line, int]]:
        lines = []
        for line, end in read(self._directory.journal, self._state["position"]):
            if end > self._gallery.position or len(lines) == _LINES_A_BATCH:
                break
            lines.append((line, end))
        return lines

    def end_abandoned(self) -> None:
        """Mark the run as killed, its process having ended without a word."""
        client = self._connect()
        self._end(client, self._state["run_id"], {"status": "KILLED", "reason": "the process ended abruptly"})

    # -- the run itself ------------------------------------------------------------------------------------------

    def _connect(self) -> MlflowClient:
        """The client, with the experiment and the run there."""
        if self._client is None:
            prepare_environment(self._uri)
            from mlflow import MlflowClient

            with _initialisation(self._uri):
                client = MlflowClient(self._uri, registry_uri=self._uri)
                if "experiment_id" not in self._state:
                    self._remember(experiment_id=_experiment(client, self._run["experiment"]))
            if "run_id" not in self._state:
                self._remember(run_id=self._create_run(client))
            self._client = client
        return self._client

    def _create_run(self, client: MlflowClient) -> str:
        experiment, nonce = self._state["experiment_id"], self._run["nonce"]
        if self._state.get("creating"):
            found = client.search_runs([experiment], f"tags.{NONCE_TAG} = '{nonce}'")
            if found:
                return found[0].info.run_id
        self._remember(creating=True)
        first, _ = next(read(self._directory.journal))
        run = client.create_run(experiment, first["time"], {NONCE_TAG: nonce}, self._run["name"])
        return run.info.run_id

    def _remember(self, **changes: Any) -> None:
        self._state |= changes
        known = read_json(self._directory.delivered) if self._directory.delivered.exists() else {}
        write_json(self._directory.delivered, known | {self._uri: self._state})

    # -- what the lines of the journal say -----------------------------------------------------------------------

    def _send_values(self, client: MlflowClient, run_id: str, lines: list[Line]) -> None:
        from mlflow.entities import Metric

        metrics = [
            Metric(name, value, line["time"], line["step"])
            for line in lines
            if line["kind"] in ("metrics", "system")
            for name, value in line["values"].items()
        ]
        for start in range(0, len(metrics), _METRICS_A_BATCH):
            client.log_batch(run_id, metrics=metrics[start : start + _METRICS_A_BATCH])
            self._note_answer()

    def _send_params(self, client: MlflowClient, run_id: str, line: Line) -> None:
        from mlflow.entities import Param

        params = [Param(name, _cut(value, _LONGEST_PARAM)) for name, value in line["values"].items()]
        for start in range(0, len(params), _PARAMS_A_BATCH):
            client.log_batch(run_id, params=params[start : start + _PARAMS_A_BATCH])
        self._send_file(client, run_id, "config/config.yaml")

    def _send_tags(self, client: MlflowClient, run_id: str, line: Line) -> None:
        from mlflow.entities import RunTag

        tags = [RunTag(name, _cut(value, _LONGEST_TAG)) for name, value in line["values"].items()]
        # Tells MLflow's pages that there are images to show.
        client.log_batch(run_id, tags=[*tags, RunTag("mlflow.loggedImages", "true")])

    def _send_dataset(self, client: MlflowClient, run_id: str, line: Line) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        shape = [line["samples"], *line["sample_shape"]]
        tensor = {"type": "tensor", "tensor-spec": {"dtype": line["dtype"], "shape": [-1, *line["sample_shape"]]}}
        dataset = Dataset(
            name=line["name"],
            digest=line["digest"],
            source_type="code",
            source=json.dumps({"source": line["source"]}),
            schema=json.dumps({"mlflow_tensorspec": {"features": json.dumps([tensor]), "targets": None}}),
            profile=json.dumps({"features_shape": shape, "scale": line["scale"]}),
        )
        client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])

    def _start_session(self, client: MlflowClient, run_id: str, line: Line) -> None:
        client.update_run(run_id, status="RUNNING")  # it may have ended before it was resumed

    def _end(self, client: MlflowClient, run_id: str, line: Line) -> None:
        for name in self._gallery.whole():
            self._send_file(client, run_id, name)
        if line["status"] == "FINISHED" and self._directory.generator.exists():
            deliver_model(self._directory, client, self._state["experiment_id"], run_id)
        client.set_tag(run_id, "status_reason", _cut(line["reason"] or "all epochs are done", _LONGEST_TAG))
        client.set_terminated(run_id, line["status"], line.get("time"))

    def _send_file(self, client: MlflowClient, run_id: str, name: str) -> None:
        folder = Path(name).parent.as_posix()
        client.log_artifact(run_id, str(self._directory.artifacts / name), None if folder == "." else folder)
        self._note_answer()


_HANDLERS: dict[str, Callable[[Delivery, MlflowClient, str, Line], None]] = {
    "params": Delivery._send_params,
    "tags": Delivery._send_tags,
    "dataset": Delivery._send_dataset,
    "session": Delivery._start_session,
    "status": Delivery._end,
}


def _cut(value: str, longest: int) -> str:
    """A value as long as MLflow takes it; config/config.yaml has it whole."""
    return value if len(value) <= longest else value[: longest - 1] + "…"


@contextmanager
def _initialisation(uri: str) -> Iterator[None]:
    """Lets one process of this machine at a time create a database's tables: two at once would ruin it."""
    if uri.startswith("http"):
        yield
        return
    name = hashlib.sha256(uri.encode()).hexdigest()[:16]
    with filelock.FileLock(Path(tempfile.gettempdir()) / f"gan-experiments-{os.getuid()}-{name}.lock"):
        yield


def _experiment(client: MlflowClient, name: str) -> str:
    """The id of the experiment, created if need be; another process may create it at the same time."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.create_experiment(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return experiment.experiment_id
