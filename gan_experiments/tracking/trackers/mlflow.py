"""MLflow: parameters, tags, metrics, images, artifacts and the final generator as a model.

What is sent again replaces itself: the database keeps one row a value, parameters and tags have one value, and a
file replaces the one of the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gan_experiments.tracking.delivery_errors import GoneError, RefusedError
from gan_experiments.tracking.journal import Line, read
from gan_experiments.tracking.mlflow import api, connection, pages, shown
from gan_experiments.tracking.mlflow.batch import Batch, is_end
from gan_experiments.tracking.mlflow.completeness import lacking
from gan_experiments.tracking.mlflow.description import describe, is_ours
from gan_experiments.tracking.mlflow.logged_run import LoggedRun
from gan_experiments.tracking.mlflow.names import LONGEST_RUN_NAME, MODEL_NAME, check_names
from gan_experiments.tracking.mlflow.preflight import check_experiment, check_schema
from gan_experiments.tracking.mlflow.private_formats import NOTE
from gan_experiments.tracking.mlflow.refusals import get_run, is_refusal, restore, words
from gan_experiments.tracking.mlflow.uri import check_uri, database_folder
from gan_experiments.tracking.trackers.tracker import Tracker

if TYPE_CHECKING:
    from mlflow.entities import Run


class MLflow(Tracker):
    """Delivers one run to an MLflow database or server."""

    title = "MLflow"
    _is_checked = False
    """True once this process has seen that MLflow has all that it confirmed to those before."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._said = set[str]()
        self._is_new = False  # this process made the run, which has no model yet, and nothing has failed since

    @classmethod
    def check(cls, uri: str) -> str:
        """Make sure that the database can be opened, and is of this MLflow's version, or that the server answers."""
        uri = check_uri(uri)
        check_schema(uri)
        return uri

    @classmethod
    def links(cls, uri: str, delivered: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
        """Return the pages of the runs and, for a database, the command that serves them."""
        return pages.links(uri, delivered)

    @classmethod
    def load(cls, uri: str) -> None:
        """Import MLflow, which takes seconds."""
        connection.load(uri)

    @classmethod
    def is_local(cls, uri: str) -> bool:
        """Return whether the destination is an SQLite file."""
        return database_folder(uri) is not None

    @classmethod
    def check_names(cls, uri: str, experiment: str, tags: Mapping[str, str]) -> None:
        """Make sure that MLflow takes the names, and that the experiment is not in its trash."""
        check_names(uri, experiment, tags)
        check_experiment(uri, experiment)

    @classmethod
    def failures(cls) -> tuple[type[Exception], ...]:
        """Return what MLflow, its database, and the upload of a file raise."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        return (MlflowException, SQLAlchemyError, OSError)

    def _open(self) -> None:
        """Connect, and make sure that the experiment and the run are there, with all that they had."""
        self._is_new = False
        try:
            self._client = connection.connect(self._uri)
            self._database = connection.database_now(self._uri)
            if "run_id" in self._state:
                self._find_again(self._state["run_id"])
            if "run_id" not in self._state:
                self._create_run()
        except Exception as error:
            connection.forget(self._uri)
            # Where nothing at all is found, a proxy may stand for a server that is about to come back.
            if is_refusal(error) and getattr(error, "error_code", None) != "ENDPOINT_NOT_FOUND":
                raise RefusedError(words(error)) from error
            raise
        self._run_id: str = self._state["run_id"]
        self._logged = LoggedRun(self._client, self._run_id, self._note, () if self._is_new else None)

    def _create_run(self) -> None:
        """Find or create the experiment and the run.

        An answer that was lost, or a process that died, may have left a run whose id nobody knows; and two addresses
        may lead to one database.
        """
        experiment_id = api.find_or_create_experiment(self._client, self._run["experiment"])
        name, nonce = self._run["name"], self._run["nonce"]
        run = api.find_run(self._client, experiment_id, nonce)
        if run is None:
            first, _ = next(read(self._directory.journal))
            run = api.create_run(self._client, experiment_id, name=name, nonce=nonce, time=first["time"])
            self._is_new = True
            if len(name) > LONGEST_RUN_NAME:
                self._note("the run's name", f"is cut to {LONGEST_RUN_NAME} characters there")
        else:
            self._restore(run)
        self._remember(experiment_id=experiment_id, run_id=run.info.run_id)

    def _find_again(self, run_id: str) -> None:
        """Make sure that MLflow has what it once had of the run; else send it again, as a whole."""
        run = get_run(self._client, run_id)
        if run is None:
            self._say(f"MLflow no longer has the run {run_id}; it is made anew")
            self._forget()
            return
        self._restore(run)
        if self._state["position"] and not self._is_checked:
            missing = self._missing(run)
            if missing is not None:
                self._say(f"MLflow has lost {missing} of the run {run_id}; it is sent again")
                self._remember(position=0, refused={})
        self._is_checked = True

    def _restore(self, run: Run) -> None:
        if restore(self._client, run):
            self._say(f"MLflow had the run {run.info.run_id} in its trash; it is restored")

    def _missing(self, run: Run) -> str | None:
        """Return what MLflow lacks of what it has confirmed."""
        lines, files, later, model = list[Line](), set[str](), set[str](), False
        for line, end in read(self._directory.journal):
            if end > self._state["position"]:
                later |= {*self._files_of(line)} if line["kind"] == "figure" else set()
                continue
            lines.append(self._as_shown(line))
            files |= {*self._files_of(line)}
            model = self._has_model(line) if line["kind"] == "status" else model
        try:
            here = {name for name in files - later if (self._directory.artifacts / name).exists()}
            return lacking(self._client, run, lines, here, self._refused, model)
        except Exception as error:
            if is_refusal(error):  # it does not tell what it has
                return None
            raise

    @property
    def _refused(self) -> dict[str, str]:
        """What MLflow does not take as it is, and why."""
        return self._state.get("refused", {})

    def _note(self, what: str, why: str) -> None:
        """Tell the user, once for each reason, of a value that MLflow does not take as it is."""
        if why not in self._said:
            self._say(f"MLflow: {what} of {self._run['name']!r} {why}; everything else arrives")
        self._said.add(why)
        if not what.startswith("file "):  # a folder that cannot be written is soon mended
            self._state["refused"] = self._refused | {what: why}

    def _as_shown(self, line: Line) -> Line:
        """Return a line with what MLflow gets of it; runs of older versions keep the names that they have there."""
        return shown.line(line, self._run["scored_once"]) if "scored_once" in self._run else line

    def _send(self, lines: list[Line]) -> None:
        try:
            self._send_batch(Batch([self._as_shown(line) for line in lines]))
        except (GoneError, RefusedError):
            raise
        except Exception as error:
            if connection.database_now(self._uri) != self._database:
                raise GoneError from error
            connection.forget(self._uri)
            self._logged.refusals.judge(error)
            raise RefusedError(words(error)) from error
        if connection.database_now(self._uri) != self._database:
            raise GoneError  # it was deleted while this was sent

    def _send_batch(self, batch: Batch) -> None:
        tags = batch.tags()
        if batch.of("tags"):
            tags |= {api.NONCE_TAG: self._run["nonce"]}
        if batch.has_end or batch.has_scores:
            tags |= self._description(tags)
        self._logged.log(batch.of("metrics", "system"), batch.params(), tags)
        self._note_answer()
        for line in batch.of("dataset"):
            self._logged.log_dataset(line)
            self._note_answer()
        names = [name for line in batch.lines for name in self._files_of(line)]
        names += self._gallery.latest() if batch.of("samples") else []
        names += self._gallery.scored() if batch.has_scores else []
        self._send_files(dict.fromkeys(names))  # at the end, the latest pictures are among both
        if batch.status is not None:
            self._send_status(batch.status)

    @property
    def _is_empty(self) -> bool:
        """Whether nobody can have changed a thing in the run, which has just been made."""
        return self._is_new and not self._state["position"]

    def _send_status(self, line: Line) -> None:
        """Say how a run is doing, according to a line that begins or ends a process of it."""
        if is_end(line):
            if self._has_model(line):
                self._send_model(line["step"])
                self._is_new = False
            self._client.set_terminated(self._run_id, line["status"], line["time"])
        elif line["kind"] == "status":
            self._client.update_run(self._run_id, status="SCHEDULED")  # it may go on later
        elif not self._is_empty:
            self._client.update_run(self._run_id, status="RUNNING")  # it may have ended before it was resumed
        self._note_answer()

    def _files_of(self, line: Line) -> list[str]:
        """Return the artifacts that belong to a line; the last line's show the run as a whole."""
        match line["kind"]:
            case "params":
                return ["config/config.yaml"]
            case "figure":
                return [line["file"]]
            case "status" if is_end(line):
                return [*self._gallery.whole(), *self._gallery.latest()]
        return [*self._gallery.names(line)]

    def _has_model(self, line: Line) -> bool:
        """Return whether a run that ended with this line has a generator to log."""
        return line["status"] == "FINISHED" and self._directory.generator.exists()

    def _send_model(self, step: int) -> None:
        from gan_experiments.tracking.mlflow.model import log_model  # imports numpy, see tracker.py

        def send(_: list[str]) -> None:
            experiment_id = self._state["experiment_id"]
            log_model(self._directory, self._client, experiment_id, self._run_id, step, is_new=self._is_new)

        try:
            self._logged.refusals.send("model", [MODEL_NAME], send)
        except (GoneError, RefusedError, *self.failures()):
            raise
        except Exception as error:  # its own code or packages may be missing; the weights are in the run's folder
            self._note("the model", f"cannot be made: {words(error)}")

    def _description(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return the tag that describes the run on its page, unless the user has described it already."""
        if NOTE not in tags and not self._is_empty:
            tags = self._client.get_run(self._run_id).data.tags
        if not is_ours(tags.get(NOTE, "")):
            return {}
        return {NOTE: describe(self._run_id, self._gallery.whole(), self._gallery.score_table())}

    def _send_files(self, names: Iterable[str]) -> None:
        whole = self.is_local(self._uri)  # of a server, every file's answer counts
        for _ in self._logged.log_files(self._directory.artifacts, names, whole):
            self._note_answer()

    def _end_abandoned(self) -> None:
        self._send_files(self._gallery.whole())
        self._logged.log(tags=self._description({}) | {"status_reason": "the process died"})
        self._client.set_terminated(self._run_id, "KILLED")


TRACKER = MLflow
