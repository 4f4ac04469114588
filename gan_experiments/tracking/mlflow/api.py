"""One run in MLflow: created, found again, and logged to; anything may be logged again without harm.

MLflow keeps one of equal values of a metric (same key, time, step and value), parameters and tags replace
themselves, files replace files of the same name: so whatever may have been lost on the way is simply sent again.
Only ``MlflowClient`` is used; ``mlflow``'s functions of the same names would share state with the user's program.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import filelock

from gan_experiments.tracking.journal import Line
from gan_experiments.tracking.mlflow.private_formats import NOTE, dataset_schema
from gan_experiments.tracking.mlflow.uri import database_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

NONCE_TAG = "run_nonce"
"""Tag by which a run is found again whose id was lost with the process that created it."""
_LONGEST_PARAM, _LONGEST_TAG = 6000, 8000
_PARAMS_A_BATCH, _METRICS_A_BATCH = 100, 1000


def connect(uri: str) -> MlflowClient:
    """Return a client for a destination whose database has its tables."""
    load(uri)
    from mlflow import MlflowClient

    # A new experiment's artifacts go to ./mlruns of the folder in which the client is made: let it be the one where
    # `mlflow ui` shows the database. Whoever called keeps the folder in which the command was given.
    with _alone(uri), chdir(database_folder(uri) or "."):
        client = MlflowClient(uri, registry_uri=uri)
        client.search_experiments(max_results=1)  # makes the tables, where they are missing
    return client


def load(uri: str) -> None:
    """Import MLflow now, so that the import does not count against the server's timeout."""
    _prepare_environment()
    import mlflow

    if not uri.startswith("http"):
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  # now, for its client holds a lock


def _prepare_environment() -> None:
    """Set MLflow's environment variables for this process, before it is imported; those that the user set stay.

    MLflow's own patience with a dead server, minutes, would hide that it is back.
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


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Let one process of this machine at a time create a database's tables: two at once would ruin it."""
    if uri.startswith("http"):
        yield
        return
    name = hashlib.sha256(uri.encode()).hexdigest()[:16]
    with filelock.FileLock(Path(tempfile.gettempdir()) / f"gan-experiments-{os.getuid()}-{name}.lock"):
        yield


def find_or_create_experiment(client: MlflowClient, name: str) -> str:
    """Return the experiment's id. Another process may be creating it at the same time."""
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


def find_run(client: MlflowClient, experiment_id: str, nonce: str) -> str | None:
    """Return the id of the run with a nonce, or None."""
    found = client.search_runs([experiment_id], f"tags.{NONCE_TAG} = '{nonce}'", max_results=1)
    return found[0].info.run_id if found else None


def create_run(client: MlflowClient, experiment_id: str, *, name: str, nonce: str, time: int) -> str:
    """Create a run and return its id; ``time`` is when it started, in milliseconds since 1970."""
    return client.create_run(experiment_id, time, {NONCE_TAG: nonce}, name).info.run_id


def log_metrics(client: MlflowClient, run_id: str, lines: list[Line]) -> None:
    """Log all values of the journal's lines of metrics, with the times of the journal."""
    from mlflow.entities import Metric

    metrics = [
        Metric(name, value, line["time"], line["step"]) for line in lines for name, value in line["values"].items()
    ]
    for start in range(0, len(metrics), _METRICS_A_BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + _METRICS_A_BATCH])


def log_params(client: MlflowClient, run_id: str, values: dict[str, str]) -> None:
    """Log parameters, cut where they are longer than MLflow takes.

    Those that the run has stay: MLflow lets nobody change them, and a resumed run may have other epochs.
    """
    from mlflow.entities import Param

    known = client.get_run(run_id).data.params
    params = [Param(name, _cut(value, _LONGEST_PARAM)) for name, value in values.items() if name not in known]
    for start in range(0, len(params), _PARAMS_A_BATCH):
        client.log_batch(run_id, params=params[start : start + _PARAMS_A_BATCH])


def log_tags(client: MlflowClient, run_id: str, values: dict[str, str]) -> None:
    """Log tags, cut where they are longer than MLflow takes."""
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(name, _cut(value, _LONGEST_TAG)) for name, value in values.items()])


def log_dataset(client: MlflowClient, run_id: str, data: dict[str, Any]) -> None:
    """Log the data set, described as ``metadata.describe`` does, as the run's input."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=data["name"],
        digest=data["digest"],
        source_type="code",
        source=json.dumps({"source": data["source"]}),
        schema=dataset_schema(data["dtype"], data["sample_shape"]),
        profile=json.dumps({"features_shape": [data["samples"], *data["sample_shape"]], "scale": data["scale"]}),
    )
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def log_file(client: MlflowClient, run_id: str, folder: Path, name: str) -> None:
    """Log the file ``name`` below ``folder`` as the artifact of the same name."""
    parent = Path(name).parent.as_posix()
    client.log_artifact(run_id, str(folder / name), None if parent == "." else parent)


def describe_run(client: MlflowClient, run_id: str, figures: list[str]) -> None:
    """Show figures, which are artifacts, on the run's page, unless the user has described the run already."""
    images = [f"![](get-artifact?{urlencode({'path': name, 'run_uuid': run_id})})" for name in figures]
    known = client.get_run(run_id).data.tags.get(NOTE, "")
    if set(known.split("\n\n")) <= {*images, ""}:  # a run that was stopped and resumed has more to show
        client.set_tag(run_id, NOTE, "\n\n".join(images))


def end_run(client: MlflowClient, run_id: str, status: str, reason: str, time: int | None = None) -> None:
    """End a run: ``FINISHED``, ``FAILED`` or ``KILLED``, why, and when in milliseconds since 1970 (None: now)."""
    client.set_tag(run_id, "status_reason", _cut(reason, _LONGEST_TAG))
    client.set_terminated(run_id, status, time)


def _cut(value: str, longest: int) -> str:
    return value if len(value) <= longest else value[: longest - 1] + "…"
