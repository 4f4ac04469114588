"""MLflow: parameters, tags, metrics, images, artifacts and the final generator as a model.

What is sent again replaces itself: the database keeps one row a value, parameters and tags have one value, and a
file replaces the one of the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gan_experiments.tracking.delivery_errors import GoneError, RefusedError
from gan_experiments.tracking.journal import PAUSED, Line, read
from gan_experiments.tracking.mlflow import api, pages, shown
from gan_experiments.tracking.mlflow.completeness import lacking
from gan_experiments.tracking.mlflow.logged_run import LoggedRun
from gan_experiments.tracking.mlflow.names import LONGEST_RUN_NAME, MODEL_NAME, check_names
from gan_experiments.tracking.mlflow.preflight import check_experiment, check_schema
from gan_experiments.tracking.mlflow.private_formats import SHOWS_IMAGES
from gan_experiments.tracking.mlflow.refusals import get_run, is_refusal, restore, words
from gan_experiments.tracking.mlflow.uri import check_uri, database_folder
from gan_experiments.tracking.trackers.tracker import Tracker

if TYPE_CHECKING:
    from mlflow.entities import Run

_ON_THE_PAGE = tuple(
    f"figures/{name}.png" for name in ("samples", "losses", "histograms", "probabilities", "neighbours")
)
"""Figures that describe a run on its page in MLflow, below the strip."""


class MLflow(Tracker):
    """Delivers one run to an MLflow database or server."""

    title = "MLflow"
    _is_checked = False
    """True once this process has seen that MLflow has all that it confirmed to those before."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._said = set[str]()

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
        api.load(uri)

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
        try:
            self._client = api.connect(self._uri)
            if "run_id" in self._state:
                self._find_again(self._state["run_id"])
            if "run_id" not in self._state:
                self._create_run()
        except Exception as error:
            # Where nothing at all is found, a proxy may stand for a server that is about to come back.
            if is_refusal(error) and getattr(error, "error_code", None) != "ENDPOINT_NOT_FOUND":
                raise RefusedError(words(error)) from error
            raise
        self._run_id: str = self._state["run_id"]
        self._logged = LoggedRun(self._client, self._run_id, self._note)

    def _create_run(self) -> None:
        """Find or create the experiment and the run.

        An answer that was lost, or a process that died, may have left a run whose id nobody knows; and two addresses
        may lead to one database.
        """
        experiment_id = api.find_or_create_experiment(self._client, self._run["experiment"])
        name, nonce = self._run["name"], self._run["nonce"]
        run_id = api.find_run(self._client, experiment_id, nonce)
        if run_id is None:
            first, _ = next(read(self._directory.journal))
            run_id = api.create_run(self._client, experiment_id, name=name, nonce=nonce, time=first["time"])
            if len(name) > LONGEST_RUN_NAME:
                self._note("the run's name", f"is cut to {LONGEST_RUN_NAME} characters there")
        self._restore(self._client.get_run(run_id))
        self._remember(experiment_id=experiment_id, run_id=run_id)

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
        lines = [self._as_shown(line) for line in lines]
        values = [line for line in lines if line["kind"] in ("metrics", "system")]
        try:
            self._logged.log_metrics(values)
            self._note_answer()
            for line in lines:
                self._send_line(line)
            if any(line["kind"] == "samples" for line in lines):
                self._send_files(self._gallery.latest())
            if not any(_is_end(line) for line in lines) and any(line.get("details") for line in lines):
                self._send_files(self._gallery.scored())
                self._describe()
        except (GoneError, RefusedError):
            raise
        except Exception as error:
            self._logged.refusals.judge(error)
            raise RefusedError(words(error)) from error

    def _send_line(self, line: Line) -> None:
        """Send what a line has apart from metrics."""
        self._send_files(self._files_of(line))
        match line["kind"]:
            case "params":
                self._logged.log_params(line["values"])
            case "tags":
                self._logged.log_tags(line["values"] | SHOWS_IMAGES | {api.NONCE_TAG: self._run["nonce"]})
            case "dataset":
                self._logged.log_dataset(line)
            case "session":
                self._client.update_run(self._run_id, status="RUNNING")  # it may have ended before it was resumed
            case "status" if not _is_end(line):
                api.pause_run(self._client, self._run_id, line["reason"])
            case "status":
                self._describe()
                if self._has_model(line):
                    self._send_model(line["step"])
                api.end_run(self._client, self._run_id, line["status"], line["reason"], line["time"])
            case _:
                return
        self._note_answer()

    def _files_of(self, line: Line) -> list[str]:
        """Return the artifacts that belong to a line; the last line's show the run as a whole."""
        match line["kind"]:
            case "params":
                return ["config/config.yaml"]
            case "figure":
                return [line["file"]]
            case "status" if _is_end(line):
                return [*self._gallery.whole(), *self._gallery.latest()]
        return [*self._gallery.names(line)]

    def _has_model(self, line: Line) -> bool:
        """Return whether a run that ended with this line has a generator to log."""
        return line["status"] == "FINISHED" and self._directory.generator.exists()

    def _send_model(self, step: int) -> None:
        from gan_experiments.tracking.mlflow.model import log_model  # imports numpy, see tracker.py

        def send(_: list[str]) -> None:
            log_model(self._directory, self._client, self._state["experiment_id"], self._run_id, step)

        try:
            self._logged.refusals.send("model", [MODEL_NAME], send)
        except (GoneError, RefusedError, *self.failures()):
            raise
        except Exception as error:  # its own code or packages may be missing; the weights are in the run's folder
            self._note("the model", f"cannot be made: {words(error)}")

    def _describe(self) -> None:
        """Show the figures of the run as a whole on its page."""
        names = [name for name in (shown.GLANCE, *_ON_THE_PAGE) if (self._directory.artifacts / name).exists()]
        head = shown.GLANCE if shown.GLANCE in names else ""
        figures = [name for name in names if name != head]
        api.describe_run(self._client, self._run_id, head, self._gallery.score_table(), figures)

    def _send_files(self, names: Iterable[str]) -> None:
        for name in names:
            self._logged.log_file(self._directory.artifacts, name)
            self._note_answer()

    def _end_abandoned(self) -> None:
        self._send_files(self._gallery.whole())
        self._describe()
        api.end_run(self._client, self._run_id, "KILLED", "the process died")


def _is_end(line: Line) -> bool:
    """Return whether a line says how the run ended; one that is paused may go on."""
    return line["kind"] == "status" and line["status"] != PAUSED


TRACKER = MLflow
