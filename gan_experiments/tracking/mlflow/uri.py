"""Check that a tracking URI can be opened, before anything is created and without importing mlflow."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from gan_experiments.errors import UserError

if TYPE_CHECKING:
    import ssl

_KEY = "tracking.uri"
_VARIABLE = "MLFLOW_TRACKING_URI"
_ALLOWED = "allowed are sqlite:///FILE, http(s)://HOST:PORT, postgresql://…, mysql://…, mssql://…, or tracking=off"
_DATABASES = ("postgresql", "mysql", "mssql")
_SQLITE = "sqlite:///"
_PATIENCE = 5.0
"""Seconds that a server has for its first answer."""


def check_uri(uri: str) -> str:
    """Make sure that MLflow can be reached, and return the URI with an absolute path.

    A relative ``sqlite:///`` path is taken from the working directory, as ``mlflow ui`` takes it. Names of folders
    are just names: what means something in a URI is quoted in the one that is returned.

    Raises:
        UserError: The scheme is unknown, the database cannot be opened, or the server does not answer.
    """
    scheme, separator, _ = uri.partition(":")
    if scheme in ("http", "https"):
        return _check_server(uri)
    if _names_database(uri):
        return check_database(uri, _KEY)
    if scheme == "file" or not separator:
        raise _refused(uri, "MLflow no longer writes runs to plain folders; use a database, sqlite:///mlflow.db")
    raise _refused(uri, _ALLOWED)


def check_database(uri: str, key: str) -> str:
    """Make sure that a database can be opened, and return its URI with an absolute path.

    Args:
        uri: As SQLAlchemy writes it. A relative ``sqlite:///`` path is taken from the working directory.
        key: Where it was given.

    Raises:
        UserError: It is no database's, or that cannot be opened.
    """
    if not _names_database(uri):
        raise _refused(uri, "allowed are sqlite:///FILE, postgresql://…, mysql://…, mssql://…", key)
    return _check_sqlite(uri, key) if uri.startswith(_SQLITE) else _check_database_server(uri, key)


def _names_database(uri: str) -> bool:
    scheme, separator, _ = uri.partition(":")
    return uri.startswith(_SQLITE) or (bool(separator) and scheme.partition("+")[0] in _DATABASES)


def database_file(uri: str) -> Path | None:
    """Return the file that a ``sqlite:///`` URI names; None for every other URI.

    SQLAlchemy reads ``%20`` as a space, and options behind ``?``. Users write their folders as they are called: where
    that is a folder that exists, it is meant.
    """
    if not uri.startswith(_SQLITE):
        return None
    return _parts(uri)[0]


def options_of(uri: str) -> str:
    """Return the options of a ``sqlite:///`` URI."""
    return _parts(uri)[1]


def _parts(uri: str) -> tuple[Path, str]:
    """Return the file and the options of a ``sqlite:///`` URI."""
    whole = uri.removeprefix(_SQLITE)
    folder, slash, rest = whole.rpartition("/")
    if not ("?" in folder and Path(folder).is_dir()):
        whole, _, options = whole.partition("?")
        folder, slash, rest = whole.rpartition("/")
        if not Path(folder + slash).is_dir():
            folder = unquote(folder)
        return Path(folder + slash, unquote(rest)).absolute(), options
    name, _, options = rest.partition("?")
    return Path(folder, unquote(name)).absolute(), options


def database_uri(file: Path, options: str = "") -> str:
    """Return the ``sqlite:///`` URI of a file, as SQLAlchemy reads it.

    Args:
        file: The database's file.
        options: What stands behind ``?``.
    """
    name = str(file.absolute())
    if _needs_quotes(name):
        import sqlalchemy

        if sqlalchemy.make_url(f"{_SQLITE}/%25").database == "/%":  # older ones read no quotes
            name = name.replace("%", "%25").replace("?", "%3F")
    return f"{_SQLITE}{name}{'?' * bool(options)}{options}"


def _needs_quotes(name: str) -> bool:
    return "%" in name or "?" in name


def database_folder(uri: str) -> Path | None:
    """Return the folder of a ``sqlite:///`` URI's file; None for every other URI."""
    file = database_file(uri)
    return None if file is None else file.parent


def _refused(uri: str, why: str, key: str = _KEY) -> UserError:
    if key == _KEY and os.environ.get(_VARIABLE) == uri:
        key = _VARIABLE
    return UserError(f"{key}={uri}: {why}")


def _check_sqlite(uri: str, key: str) -> str:
    file, options = _parts(uri)
    if not uri.removeprefix(_SQLITE).partition("?")[0] or file.is_dir():
        raise _refused(uri, "this names no file; write sqlite:///FILE", key)
    if not file.parent.is_dir():
        raise _refused(uri, f"the folder {file.parent} does not exist", key)
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise _refused(uri, f"{file} cannot be written", key)
    if file.exists():
        try:
            with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError as error:  # locked by someone who writes: a database all the same
            if "locked" not in str(error):
                raise _refused(uri, f"{file} cannot be opened ({error})", key) from error
        except sqlite3.DatabaseError as error:
            raise _refused(uri, f"{file} is not an SQLite database", key) from error
    return database_uri(file, options)


def _check_server(uri: str) -> str:
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    address = uri.rstrip("/")
    try:
        with urlopen(f"{address}/health", timeout=_PATIENCE, context=_certificates(address)):
            return address
    except HTTPError as error:
        error.close()
        # A server that asks who is there is a server; credentials are MLflow's own matter.
        if error.code in (401, 403):
            return address
        raise _refused(uri, f"the server answers {error.code} {error.reason}; is it an MLflow server?") from error
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise _refused(uri, f"no server answers there ({reason}); start one with: mlflow server") from error


def _certificates(address: str) -> ssl.SSLContext | None:
    """Return what MLflow is told about a server's certificate by its environment variables."""
    import ssl

    if not address.startswith("https:"):
        return None
    file = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    context = ssl.create_default_context(cafile=file or None)
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _check_database_server(uri: str, key: str) -> str:
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    shown = uri
    limit = {} if uri.startswith("mssql") else {"connect_timeout": int(_PATIENCE)}
    try:
        shown = sqlalchemy.make_url(uri).render_as_string(hide_password=True)
        engine = sqlalchemy.create_engine(uri, connect_args=limit)
        with engine.connect():
            pass
        engine.dispose()
    except ModuleNotFoundError as error:
        raise _refused(shown, f"its driver, the Python module {error.name}, is not installed", key) from error
    except SQLAlchemyError as error:
        raise _refused(shown, f"the database cannot be opened ({str(error).splitlines()[0]})", key) from error
    return uri
