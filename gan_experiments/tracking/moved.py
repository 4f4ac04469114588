"""Folders that were moved: a project in another place is the same project, with the same runs and the same database.

A run's and a sweep's folder know by absolute paths where they were written and where they are recorded. Where the
folder lies somewhere else now, so does all that moved with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gan_experiments.tracking.mlflow.uri import database_file, database_uri
from gan_experiments.tracking.run_directory import RunDirectory, read_json, write_json
from gan_experiments.tracking.sweep_directory import SweepDirectory

_TENSORBOARD = "tensorboard:"
_UNKNOWN = "???"


@dataclass(frozen=True)
class Move:
    """Move of a folder, by itself or with the folders around it.

    Attributes:
        before: The outermost folder that has another name or place now, as it was.
        after: The same folder as it is.
    """

    before: Path
    after: Path

    def path(self, path: Path) -> Path:
        """Return where a file or folder is now; one that did not move, or stayed behind, is where it was."""
        if not path.is_relative_to(self.before):
            return path
        moved = self.after / path.relative_to(self.before)
        return moved if moved.exists() or not path.exists() else path

    def uri(self, uri: str | None) -> str | None:
        """Return the destination that a destination is now."""
        file = database_file(uri) if uri else None
        if uri and file is not None:
            moved = self.path(file)
            return uri if moved == file else database_uri(moved)
        if uri and uri.startswith(_TENSORBOARD):
            return f"{_TENSORBOARD}{self.path(Path(uri.removeprefix(_TENSORBOARD)))}"
        return uri


def move_between(before: Path, after: Path) -> Move | None:
    """Return the move of a folder from one place to another; None where both are the same."""
    while before.name == after.name and before != after and before.name:
        before, after = before.parent, after.parent
    return None if before == after else Move(before, after)


def move_since(directory: Path, hydra: Path) -> Move | None:
    """Return the move of a run's or a sweep's folder since it was made; None where it has not moved.

    Args:
        directory: The folder.
        hydra: The file in which Hydra stored its own configuration.
    """
    stored = _stored(hydra)
    return None if stored is None else _move(stored, directory)


def command_folder(directory: Path, hydra: Path) -> Path | None:
    """Return the folder in which the command was given that made a run or a sweep, where it is now.

    Args:
        directory: The run's or the sweep's folder.
        hydra: The file in which Hydra stored its own configuration.
    """
    stored = _stored(hydra)
    if stored is None:
        return None
    folder, move = Path(stored["runtime"]["cwd"]), _move(stored, directory)
    folder = folder if move is None else move.path(folder)
    return folder if folder.is_dir() else None


def run_record(directory: RunDirectory) -> dict[str, Any]:
    """Return a run's run.json with the destination of the place where its folder lies now; empty where there is none.

    Args:
        directory: The run's folder.
    """
    if not directory.run.is_file():
        return {}
    run, move = read_json(directory.run), _move_of_run(directory)
    return run if move is None else run | {"uri": move.uri(run["uri"])}


def settle_run(directory: RunDirectory) -> None:
    """Write down where a run's folder lies now, and its destinations; nothing is written where it has not moved."""
    move = _move_of_run(directory) if directory.run.is_file() else None
    if move is None:
        return
    if directory.delivered.is_file():
        delivered = read_json(directory.delivered)
        write_json(directory.delivered, {str(move.uri(uri)): state for uri, state in delivered.items()})
    write_json(directory.run, run_record(directory) | {"directory": str(directory.path)})


def sweep_record(directory: SweepDirectory) -> dict[str, Any]:
    """Return a sweep's sweep.json with the destination, and folder of options, of the place where it lies now."""
    sweep, move = directory.content(), _move_of_sweep(directory)
    if move is None:
        return sweep
    options = sweep["config_dir"] and str(move.path(Path(sweep["config_dir"])))
    return sweep | {"uri": move.uri(sweep["uri"]), "config_dir": options}


def settle_sweep(directory: SweepDirectory) -> None:
    """Write down where a sweep's folder lies now, and what moved with it."""
    if _move_of_sweep(directory) is not None:
        directory.remember(**sweep_record(directory) | {"directory": str(directory.path)})


def _move_of_run(directory: RunDirectory) -> Move | None:
    known = read_json(directory.run).get("directory")
    if known:
        return move_between(Path(known), directory.path)
    return move_since(directory.path, directory.path / ".hydra" / "hydra.yaml")


def _move_of_sweep(directory: SweepDirectory) -> Move | None:
    known, begun = directory.content().get("directory"), directory.begun_with()
    if known:
        return move_between(Path(known), directory.path)
    return None if begun is None else move_since(directory.path, begun)


def _stored(file: Path) -> dict[str, Any] | None:
    """Return Hydra's part of a stored configuration, as it stands there."""
    if not file.is_file():
        return None
    return yaml.safe_load(file.read_text(encoding="utf-8"))["hydra"]


def _move(stored: dict[str, Any], directory: Path) -> Move | None:
    return move_between(_made_in(stored, directory), directory)


def _made_in(stored: dict[str, Any], directory: Path) -> Path:
    """Return the folder of the run or the sweep that a stored configuration made.

    A sweep's own configuration does not say at which time its folder was made; that part is as it is called now.
    """
    output = stored["runtime"]["output_dir"]
    if output != _UNKNOWN:
        return Path(output)
    parts = Path(stored["sweep"]["dir"]).parts
    named = [now if "${" in part else part for part, now in zip(parts, directory.parts[-len(parts) :], strict=False)]
    return Path(stored["runtime"]["cwd"], *named)
