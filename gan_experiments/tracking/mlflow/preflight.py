"""Checks MLflow's database or server before a run, without importing mlflow or changing a thing."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote
from urllib.request import Request, urlopen

from gan_experiments.errors import UserError
from gan_experiments.tracking.mlflow.artifact_places import mend
from gan_experiments.tracking.mlflow.connection import alone
from gan_experiments.tracking.mlflow.uri import database_file

_PATIENCE = 5.0
"""Seconds that a destination has for its answer."""
_MAKING = 30.0
"""Seconds that another program has for making MLflow's tables."""
DENIED = {"PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED", "UNAUTHENTICATED"}
"""Codes of MLflow's errors that refuse a user."""
_USER, _PASSWORD, _TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"


def check_schema(uri: str) -> None:
    """Make sure that a database has the tables of the installed MLflow, or none yet.

    MLflow migrates some older ones without asking, and then no older MLflow can read them.

    Raises:
        UserError: It is an older or a newer MLflow's, or another program's.
    """
    if uri.startswith("http"):
        return
    revision, is_mlflows = _schema(uri)
    if is_mlflows and revision != _revisions()[1]:
        revision, is_mlflows = _schema_once_made(uri)
    if revision is None and not is_mlflows:
        return
    known, latest = _revisions()
    if revision == latest:
        return
    shown, installed = _shown(uri), f"the installed one, {version('mlflow')}"
    if not is_mlflows:
        raise UserError(
            f"tracking.uri={shown}: must be MLflow's alone; another program has its tables in this database"
        )
    if revision is None or revision in known:
        remedy = f"keep a copy, then: mlflow db upgrade {shlex.quote(shown)}"
        raise UserError(f"tracking.uri={shown}: is the database of an MLflow older than {installed}; {remedy}")
    raise UserError(
        f"tracking.uri={shown}: is the database of an MLflow newer than {installed}; pip install --upgrade mlflow"
    )


def _schema(uri: str) -> tuple[str | None, bool]:
    """Return the revision that a database says it has, and whether it has MLflow's tables."""
    found = _select(uri, "SELECT version_num FROM alembic_version")
    return found[0][0] if found else None, _select(uri, "SELECT count(*) FROM experiments") is not None


def _schema_once_made(uri: str) -> tuple[str | None, bool]:
    """Return a database's schema when nobody makes its tables any more: half made, they look like an old MLflow's."""
    with alone(uri):  # no other process of this user's is at it
        found = _schema(uri)
    # Of anybody else it is known by the revision, which is there at last, or changes.
    end = time.monotonic() + _MAKING
    while found[0] != _revisions()[1] and time.monotonic() < end:
        time.sleep(1)
        before, found = found, _schema(uri)
        if found == before and found[0] is not None:
            break
    return found


def check_experiment(uri: str, name: str) -> None:
    """Make sure that runs can be recorded in an experiment: it is not in the trash, and this user may write there.

    Raises:
        UserError: They cannot.
    """
    if uri.startswith("http"):
        found = _ask(uri, name)
    else:
        if (file := database_file(uri)) is not None:
            mend(file)  # a folder that was moved has its files beside it, not where they were
        quoted = name.replace("'", "''")
        keys = ("experiment_id", "lifecycle_stage", "artifact_location")
        rows = _select(uri, f"SELECT {', '.join(keys)} FROM experiments WHERE name = '{quoted}'")
        found = dict(zip(keys, rows[0], strict=True)) if rows else None
        _check_files(uri, name, "mlruns" if found is None else found["artifact_location"])
    if found is not None and found["lifecycle_stage"] != "active":
        restore = restore_command(_shown(uri), found["experiment_id"])
        raise UserError(
            f"tracking.experiment={name}: was deleted in MLflow; choose another, or restore it: {restore}"
        )


def restore_command(uri: str, experiment_id: str | int) -> str:
    """Return the command that takes an experiment out of MLflow's trash, with its runs."""
    return f"MLFLOW_TRACKING_URI={shlex.quote(uri)} mlflow experiments restore -x {experiment_id}"


def _check_files(uri: str, name: str, location: str) -> None:
    """Make sure that an experiment's files can be written where they are kept on this machine."""
    file = database_file(uri)
    if file is None or ("://" in location and not location.startswith("file://")):
        return
    folder = file.parent
    path = folder / unquote(location.removeprefix("file://"))
    for place in (folder, next(each for each in (path, *path.parents) if each.exists())):
        if not os.access(place, os.W_OK | os.X_OK):
            raise UserError(
                f"tracking.uri={uri}: {place} cannot be written, and MLflow keeps the files of {name!r} there"
            )


def _select(uri: str, query: str) -> list[Any] | None:
    """Return the rows of a query; None where there is no such table, or no database yet, or it is busy."""
    file = database_file(uri)
    if file is not None:
        try:
            with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)) as connection:
                return connection.execute(query).fetchall()
        except sqlite3.Error:
            return None
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    engine = sqlalchemy.create_engine(uri)
    try:
        with engine.connect() as connection:
            return [*connection.exec_driver_sql(query.replace("%", "%%"))]
    except SQLAlchemyError:
        return None
    finally:
        engine.dispose()


@cache
def _revisions() -> tuple[set[str], str]:
    """Return the schemas that the installed MLflow knows, and the one that it works with: its migrations' last."""
    spec = find_spec("mlflow")
    assert spec is not None
    assert spec.origin is not None
    known, before = set[str](), set[str]()
    for file in (Path(spec.origin).parent / "store" / "db_migrations" / "versions").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        known |= {*re.findall(r"""^revision = ["'](\w+)""", text, re.M)}
        before |= {*re.findall(r"""^down_revision = ["'](\w+)""", text, re.M)}
    (latest,) = known - before
    return known, latest


def _ask(uri: str, experiment: str) -> Mapping[str, Any] | None:
    """Return what a server says about an experiment; None where it has none of that name, or cannot say just now."""
    address = f"{uri}/api/2.0/mlflow/experiments/get-by-name?experiment_name={quote(experiment, safe='')}"
    try:
        with urlopen(Request(address, headers=_credentials()), timeout=_PATIENCE) as answer:
            return json.loads(answer.read())["experiment"]
    except HTTPError as error:
        with error:
            said = error.read().decode(errors="replace")
        if error.code in (401, 403):
            _ask_mlflow(uri, experiment)
        if error.code == 404 and '"error_code"' not in said:
            raise UserError(f"tracking.uri={uri}: must be MLflow's server; this one has no {address}") from error
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"tracking.uri={uri}: must be MLflow's server; this one answers something else") from error
    except (URLError, OSError):
        return None


def _credentials() -> dict[str, str]:
    """Return the header that says who asks, from MLflow's variables."""
    if token := os.environ.get(_TOKEN):
        return {"Authorization": f"Bearer {token}"}
    if user := os.environ.get(_USER):
        pair = f"{user}:{os.environ.get(_PASSWORD, '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {}


def _ask_mlflow(uri: str, experiment: str) -> None:
    """Ask through MLflow itself, which knows more ways to say who asks.

    Raises:
        UserError: The server refuses this user.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        MlflowClient(uri).get_experiment_by_name(experiment)
    except MlflowException as error:
        if error.error_code in DENIED:
            said = error.message.strip().splitlines()[0]
            raise UserError(
                f"tracking.uri={uri}: the server refuses this user ({said}); {_USER} and {_PASSWORD} say who it is"
            ) from error


def _shown(uri: str) -> str:
    """Return a URI without its password."""
    return re.sub(r"(://[^/:@]*):[^@/]*@", r"\1:***@", uri)
