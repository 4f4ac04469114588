"""Find a run's folder by its MLflow id."""

from __future__ import annotations

import re
from pathlib import Path

from gan_experiments.errors import UserError
from gan_experiments.tracking.mlflow.artifact_places import beside_database
from gan_experiments.tracking.mlflow.uri import check_uri, database_file
from gan_experiments.tracking.run_directory import RunDirectory
from gan_experiments.tracking.terminal import busy


def is_run_id(text: str) -> bool:
    """Return whether ``text`` has the form of an MLflow run id: 32 hexadecimal digits."""
    return re.fullmatch(r"[0-9a-f]{32}", text) is not None


def folder_of_run(run_id: str, uri: str | None) -> Path:
    """Return the folder that the run's tag ``run_directory`` names.

    Args:
        run_id: MLflow's id.
        uri: The tracking URI to look it up at.

    Raises:
        UserError: Nothing can be looked up there, there is no such run, or its folder is not on this machine.
    """
    if uri is None:
        raise UserError(f"run {run_id}: tracking=off has no MLflow to look it up in; give the run's folder instead")
    uri = check_uri(uri)
    database = database_file(uri)
    if database is not None and not database.is_file():
        raise UserError(f"run {run_id}: cannot be looked up, {database} does not exist (tracking.uri says where)")
    with busy(f"looking up run {run_id}"):
        from mlflow import MlflowClient, MlflowException

        try:
            with beside_database(uri) as address:
                folder = MlflowClient(address).get_run(run_id).data.tags.get("run_directory")
        except MlflowException as error:
            raise UserError(f"run {run_id}: {uri} has no such run ({error.message})") from error
    if folder is not None and database is not None and not Path(folder).is_dir():
        folder = _moved_with(database, Path(folder), run_id) or folder
    if folder is None or not Path(folder).is_dir():
        raise UserError(f"run {run_id}: its folder is not on this machine (tag run_directory: {folder})")
    return Path(folder)


def _moved_with(database: Path, folder: Path, run_id: str) -> Path | None:
    """Return the folder of a run that was moved together with its database; None where it is not there."""
    names = folder.parts[1:]
    for start in range(len(names)):
        there = RunDirectory(database.parent.joinpath(*names[start:]))
        if there.delivered.is_file() and run_id in there.delivered.read_text(encoding="utf-8"):
            return there.path
    return None
