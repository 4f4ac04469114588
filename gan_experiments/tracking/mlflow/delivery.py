"""Sends a run's journal, and the pictures drawn from it, to an MLflow destination."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gan_experiments.tracking.journal import Line, last_session, read
from gan_experiments.tracking.mlflow import api
from gan_experiments.tracking.mlflow.model import log_model
from gan_experiments.tracking.pictures.gallery import Gallery
from gan_experiments.tracking.run_directory import RunDirectory, read_json, write_json

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LINES_A_BATCH = 300
_ON_THE_PAGE = ("samples", "losses", "histograms", "probabilities", "neighbours")
"""Figures that describe a run on its page in MLflow."""


class Delivery:
    """Delivers one run to one destination, from where it was left.

    The run's delivered.json has, for each destination, the byte of the journal up to which everything arrived. It
    moves after the destination has confirmed; what lies behind it is sent again after a failure.

    Args:
        directory: The run's folder.
        run: Its run.json.
        uri: The destination, with an absolute path.
        gallery: Draws the pictures; nothing is delivered before it is drawn.

    Attributes:
        answered: When the destination last took something that it had not taken before, on the monotonic clock.
    """

    def __init__(self, directory: RunDirectory, run: dict[str, Any], uri: str, gallery: Gallery) -> None:
        self._directory, self._run, self._uri, self._gallery = directory, run, uri, gallery
        self._connection: MlflowClient | None = None
        self._taken, self._most_taken = 0, 0  # of the current batch: in this attempt, and in any
        self.answered = 0.0
        self._state: dict[str, Any] = {"position": 0}
        if directory.delivered.exists():
            self._state |= read_json(directory.delivered).get(uri, {})

    def send(self) -> bool:
        """Send the next lines of the journal that are drawn; raises whatever MLflow raises.

        Returns:
            Whether there was anything to send.
        """
        self._open()
        batch = self._next_batch()
        if not batch:
            return False
        self._taken = 0
        values = [line for line, _ in batch if line["kind"] in ("metrics", "system")]
        api.log_metrics(self._client, self._run_id, values)
        self._note_answer()
        for line, _ in batch:
            self._send_line(line)
        self._remember(position=batch[-1][1])
        self._most_taken = 0
        return True

    def complete(self) -> str:
        """Send everything, and mark a run as killed whose process died without a word.

        Returns:
            The run's id at the destination.
        """
        while self.send():
            pass
        if not last_session(self._directory.journal)[1]:
            self.end_abandoned()
        return self._run_id

    def end_abandoned(self) -> None:
        """Mark the run as killed, its process having died without a word."""
        self._open()
        self._gallery.finish()
        self._send_whole()
        api.end_run(self._client, self._run_id, "KILLED", "the process died")

    @property
    def _client(self) -> MlflowClient:
        assert self._connection is not None
        return self._connection

    @property
    def _run_id(self) -> str:
        return self._state["run_id"]

    def _open(self) -> None:
        """Connect, and make sure that the experiment and the run are there."""
        if self._connection is None:
            client = api.connect(self._uri)
            if "experiment_id" not in self._state:
                self._remember(experiment_id=api.find_or_create_experiment(client, self._run["experiment"]))
            if "run_id" not in self._state:
                self._remember(run_id=self._create_run(client))
            self._connection = client

    def _create_run(self, client: MlflowClient) -> str:
        experiment_id, nonce = self._state["experiment_id"], self._run["nonce"]
        # An answer that was lost, or a process that died, may have left a run whose id nobody knows.
        found = api.find_run(client, experiment_id, nonce) if self._state.get("attempted") else None
        if found is not None:
            return found
        self._remember(attempted=True)
        first, _ = next(read(self._directory.journal))
        return api.create_run(client, experiment_id, name=self._run["name"], nonce=nonce, time=first["time"])

    def _next_batch(self) -> list[tuple[Line, int]]:
        batch = []
        for line, end in read(self._directory.journal, self._state["position"]):
            if end > self._gallery.position or len(batch) == _LINES_A_BATCH:
                break
            batch.append((line, end))
        return batch

    def _send_line(self, line: Line) -> None:
        """What a line says besides metrics."""
        client, run_id = self._client, self._run_id
        self._send_files(self._gallery.names(line))
        match line["kind"]:
            case "params":
                api.log_params(client, run_id, line["values"])
                self._send_files(["config/config.yaml"])
            case "tags":
                # The last one tells MLflow's pages that there are images to show.
                api.log_tags(client, run_id, line["values"] | {"mlflow.loggedImages": "true"})
            case "dataset":
                api.log_dataset(client, run_id, line)
            case "figure":
                self._send_files([line["file"]])
            case "session":
                client.update_run(run_id, status="RUNNING")  # it may have ended before it was resumed
            case "status":
                self._send_whole()
                if line["status"] == "FINISHED" and self._directory.generator.exists():
                    log_model(self._directory, client, self._state["experiment_id"], run_id, line["step"])
                api.end_run(client, run_id, line["status"], line["reason"], line["time"])
            case _:
                return
        self._note_answer()

    def _send_whole(self) -> None:
        """What shows the run as a whole."""
        names = self._gallery.whole()
        self._send_files(names)
        figures = [f"figures/{name}.png" for name in _ON_THE_PAGE if f"figures/{name}.png" in names]
        api.describe_run(self._client, self._run_id, figures)

    def _send_files(self, names: Iterable[str]) -> None:
        for name in names:
            api.log_file(self._client, self._run_id, self._directory.artifacts, name)
            self._note_answer()

    def _note_answer(self) -> None:
        """Only what is new counts: taking a batch's first part again and again is no progress."""
        self._taken += 1
        if self._taken > self._most_taken:
            self._most_taken, self.answered = self._taken, time.monotonic()

    def _remember(self, **changes: Any) -> None:
        self._state |= changes
        known = read_json(self._directory.delivered) if self._directory.delivered.exists() else {}
        write_json(self._directory.delivered, known | {self._uri: self._state})
