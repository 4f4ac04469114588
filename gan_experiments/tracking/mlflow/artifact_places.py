"""Keeps MLflow's files of an SQLite database in ``mlruns/`` beside it, whatever the folder is called.

MLflow writes absolute paths into the database, which are wrong in a folder that was moved. They are mended, so that
old files are shown, and nothing is written to the old place.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import chdir, closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlparse

from gan_experiments.tracking.mlflow.private_formats import ARTIFACT_ROOT
from gan_experiments.tracking.mlflow.uri import database_file, database_uri

_FOLDER = "mlruns"
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


@contextmanager
def beside_database(uri: str) -> Iterator[str]:
    """Have MLflow keep a database's files beside it, if the database is opened within.

    Args:
        uri: A destination; nothing is done for one that is no SQLite database.

    Yields:
        The URI by which MLflow is to open it.
    """
    file, before = database_file(uri), os.environ.get(ARTIFACT_ROOT)
    if file is None:
        yield uri
        return
    mend(file)
    os.environ[ARTIFACT_ROOT] = _address(file.parent / _FOLDER)
    try:
        with chdir(file.parent):  # older versions of MLflow look at nothing else
            yield _plain(uri)
    finally:
        os.environ.pop(ARTIFACT_ROOT)
        if before is not None:
            os.environ[ARTIFACT_ROOT] = before


def _plain(uri: str) -> str:
    """Return the URI by which MLflow is to open a destination.

    While it makes tables, MLflow reads a URI twice, so that no quoting is right for a folder with ``%`` or ``?`` in
    its name. Such a one gets a second name, a symbolic link in the folder of temporary files.
    """
    file = database_file(uri)
    if file is None or not {"%", "?"} & set(str(file.parent)):
        return uri
    name = hashlib.sha256(os.fsencode(file.parent)).hexdigest()[:16]
    link = Path(tempfile.gettempdir()) / f"gan-experiments-{os.getuid()}-{name}"
    if not link.is_symlink() or link.readlink() != file.parent or link.lstat().st_uid != os.getuid():
        new = link.with_name(f"{link.name}.{os.getpid()}")
        new.symlink_to(file.parent)
        new.replace(link)
    return database_uri(link / file.name)


def _address(folder: Path) -> str:
    """Return a folder as MLflow reads it: a path, or a URI where a path's characters would mean something."""
    return folder.as_uri() if {"%", "?", "#"} & set(str(folder)) else str(folder)


def _path(location: str) -> Path:
    """Return the folder that MLflow means."""
    return Path(unquote(urlparse(location).path) if location.startswith("file:") else location)


def mend(file: Path) -> None:
    """Mend the paths in a database that was moved, with its files or without; every other is left alone.

    Args:
        file: The database; it need not exist.
    """
    if not file.is_file():
        return
    with closing(sqlite3.connect(file, timeout=60)) as connection, connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "experiments" not in tables:
            return
        here = file.parent / _FOLDER
        for before in _places(connection, here):
            for table, column in _COLUMNS:
                if table in tables and column in _columns(connection, table):
                    _replace(connection, table, column, before, _address(here))


def _places(connection: sqlite3.Connection, here: Path) -> set[str]:
    """Return the folders, as they are written, whose files have moved to ``here`` or are gone with their folder."""
    found = set()
    for number, location in connection.execute("SELECT experiment_id, artifact_location FROM experiments"):
        written, _, last = (location or "").rpartition("/")
        folder = _path(written)
        ours = last == str(number) and folder != here and folder.is_absolute() and folder.name == _FOLDER
        if ours and ((here / last).is_dir() or not folder.parent.exists()):
            found.add(written)
    return found


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info('{table}')")}


def _replace(connection: sqlite3.Connection, table: str, column: str, before: str, here: str) -> None:
    start = f"{before}/"
    connection.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
        (f"{here}/", len(start) + 1, len(start), start),
    )
