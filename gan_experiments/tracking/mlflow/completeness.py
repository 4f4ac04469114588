"""Tells whether MLflow still has what it once confirmed: a copy may be emptied, or restored from an older one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from gan_experiments.tracking.journal import Line
from gan_experiments.tracking.mlflow.names import MODEL_NAME, allowed_key

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def lacking(
    client: MlflowClient,
    run: Run,
    lines: Iterable[Line],
    files: Collection[str],
    refused: Collection[str],
    model: bool,
) -> str | None:
    """Return what a run in MLflow lacks of what was delivered, or None where it lacks nothing.

    One tag may have been removed in the pages on purpose; all of them at once have been lost.

    Args:
        client: Where the run is.
        run: The run.
        lines: The journal's lines that were delivered.
        files: The artifacts that were delivered.
        refused: What MLflow did not take of them: a kind and a name.
        model: Whether its generator was delivered.
    """
    params, tags, points = set[str](), set[str](), dict[str, set[tuple[int, int]]]()
    for line in lines:
        match line["kind"]:
            case "params":
                params |= {allowed_key(name) for name in line["values"]}
            case "tags":
                tags |= {allowed_key(name) for name in line["values"]}
            case "metrics" | "system":
                for name in line["values"]:
                    points.setdefault(allowed_key(name), set()).add((line["step"], line["time"]))

    def taken(kind: str, names: Iterable[str]) -> set[str]:
        return {name for name in names if f"{kind} {name!r}" not in refused}

    if lost := taken("parameter", params) - run.data.params.keys():
        return f"{len(lost)} of the parameters"
    if tags and not tags & run.data.tags.keys():
        return "the tags"
    for name in taken("metric", points):
        known = client.get_metric_history(run.info.run_id, name) if name in run.data.metrics else []
        if len(known) < len(points[name]):
            return f"{len(points[name]) - len(known)} of the values of {name}"
    if lost := {*files} - _files(client, run.info.run_id):
        return f"{len(lost)} of the files"
    if model and taken("model", [MODEL_NAME]) and not _has_model(client, run):
        return "the model"
    return None


def _files(client: MlflowClient, run_id: str) -> set[str]:
    """Return the names of all artifacts of a run."""
    names, folders = set[str](), [""]
    while folders:
        for item in client.list_artifacts(run_id, folders.pop() or None):
            if item.is_dir:
                folders.append(item.path)
            else:
                names.add(item.path)
    return names


def _has_model(client: MlflowClient, run: Run) -> bool:
    """Return whether a run has its generator as a model, with files."""
    query = f"name = '{MODEL_NAME}' AND source_run_id = '{run.info.run_id}'"
    found = client.search_logged_models([run.info.experiment_id], filter_string=query)
    return any(each.status == "READY" and client.list_logged_model_artifacts(each.model_id) for each in found)
