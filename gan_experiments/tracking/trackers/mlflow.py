"""MLflow: parameters, tags, metrics, images, artifacts and the final generator as a model.

What is sent again replaces itself: the database keeps one row a value, parameters and tags have one value, and a
file replaces the one of the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gan_experiments.tracking.journal import Line, read
from gan_experiments.tracking.mlflow import api, pages
from gan_experiments.tracking.mlflow.private_formats import SHOWS_IMAGES
from gan_experiments.tracking.mlflow.uri import check_uri, database_folder
from gan_experiments.tracking.trackers.tracker import Tracker

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ON_THE_PAGE = ("samples", "losses", "histograms", "probabilities", "neighbours")
"""Figures that describe a run on its page in MLflow."""


class MLflow(Tracker):
    """Delivers one run to an MLflow database or server."""

    title = "MLflow"

    @classmethod
    def check(cls, uri: str) -> str:
        """Make sure that the database can be opened, or that the server answers."""
        return check_uri(uri)

    @classmethod
    def links(cls, uri: str, delivered: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
        """Return the pages of the runs and, for a database, the command that serves them."""
        return pages.links(uri, delivered)

    @classmethod
    def load(cls, uri: str) -> None:
        """Import MLflow, which takes seconds."""
        api.load(uri)

    @classmethod
    def is_local(cls, uri: str) -> bool:
        """Return whether the destination is an SQLite file."""
        return database_folder(uri) is not None

    @classmethod
    def failures(cls) -> tuple[type[Exception], ...]:
        """Return what MLflow raises."""
        from mlflow.exceptions import MlflowException

        return (MlflowException,)

    def _open(self) -> None:
        """Connect, and make sure that the experiment and the run are there."""
        self._client = client = api.connect(self._uri)
        if "experiment_id" not in self._state:
            self._remember(experiment_id=api.find_or_create_experiment(client, self._run["experiment"]))
        if "run_id" not in self._state:
            self._remember(run_id=self._create_run(client))
        self._run_id: str = self._state["run_id"]

    def _create_run(self, client: MlflowClient) -> str:
        experiment_id, nonce = self._state["experiment_id"], self._run["nonce"]
        # An answer that was lost, or a process that died, may have left a run whose id nobody knows.
        found = api.find_run(client, experiment_id, nonce) if self._state.get("attempted") else None
        if found is not None:
            return found
        self._remember(attempted=True)
        first, _ = next(read(self._directory.journal))
        return api.create_run(client, experiment_id, name=self._run["name"], nonce=nonce, time=first["time"])

    def _send(self, lines: list[Line]) -> None:
        values = [line for line in lines if line["kind"] in ("metrics", "system")]
        api.log_metrics(self._client, self._run_id, values)
        self._note_answer()
        for line in lines:
            self._send_line(line)

    def _send_line(self, line: Line) -> None:
        """Send what a line has apart from metrics."""
        client, run_id = self._client, self._run_id
        self._send_files(self._gallery.names(line))
        match line["kind"]:
            case "params":
                api.log_params(client, run_id, line["values"])
                self._send_files(["config/config.yaml"])
            case "tags":
                api.log_tags(client, run_id, line["values"] | SHOWS_IMAGES)
            case "dataset":
                api.log_dataset(client, run_id, line)
            case "figure":
                self._send_files([line["file"]])
            case "session":
                client.update_run(run_id, status="RUNNING")  # it may have ended before it was resumed
            case "status":
                self._send_whole()
                if line["status"] == "FINISHED" and self._directory.generator.exists():
                    from gan_experiments.tracking.mlflow.model import log_model  # imports numpy, see tracker.py

                    log_model(self._directory, client, self._state["experiment_id"], run_id, line["step"])
                api.end_run(client, run_id, line["status"], line["reason"], line["time"])
            case _:
                return
        self._note_answer()

    def _send_whole(self) -> None:
        """Send the files that show the run as a whole."""
        names = self._gallery.whole()
        self._send_files(names)
        figures = [f"figures/{name}.png" for name in _ON_THE_PAGE if f"figures/{name}.png" in names]
        api.describe_run(self._client, self._run_id, figures)

    def _send_files(self, names: Iterable[str]) -> None:
        for name in names:
            api.log_file(self._client, self._run_id, self._directory.artifacts, name)
            self._note_answer()

    def _end_abandoned(self) -> None:
        self._send_whole()
        api.end_run(self._client, self._run_id, "KILLED", "the process died")


TRACKER = MLflow
