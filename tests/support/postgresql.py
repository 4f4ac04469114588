"""PostgreSQL as Debian packages it, started and ended by the tests themselves."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.waiting import until

_ADMINISTRATOR = "postgres"


@dataclass(frozen=True)
class PostgreSQL:
    """A server that is running.

    Attributes:
        variables: Where it is and who administers it, as all of PostgreSQL's programs and drivers know them.
    """

    variables: dict[str, str]

    def query(self, statement: str, database: str = "postgres") -> list[tuple]:
        """What the administrator is answered."""
        import psycopg

        at = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
        parameters = {name: self.variables[variable] for name, variable in at.items()}
        with psycopg.connect(**parameters, dbname=database, autocommit=True) as connection:  # type: ignore[arg-type]
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """The URI of an empty database."""
        name = f"test_{secrets.token_hex(4)}"
        self.query(f"CREATE DATABASE {name}")
        user, password, host, port = (self.variables[f"PG{part}"] for part in ("USER", "PASSWORD", "HOST", "PORT"))
        return f"postgresql+psycopg://{user}:{password}@{host}:{port}/{name}"


def _program(name: str) -> str:
    """Where a program is; Debian keeps the server's own off the path."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, reversed(places))))
    if found is None:
        pytest.skip(f"needs the program {name} (Debian's package postgresql)")
    return found


@contextmanager
def running() -> Iterator[PostgreSQL]:
    """A new server on the loopback interface, without databases of ours; skips where it is not installed."""
    pytest.importorskip("psycopg", reason="needs the extra postgresql")
    initdb, postgres = _program("initdb"), _program("postgres")
    _program("psql")
    user = _ADMINISTRATOR if os.geteuid() == 0 else None  # it refuses to run as root, the package has made a user
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Not a folder of pytest's, into which only this user can look.
    with tempfile.TemporaryDirectory(prefix="gan-experiments-postgresql-") as name:
        folder, password = Path(name), secrets.token_urlsafe()
        (folder / "password").write_text(password)
        if user is not None:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        place = ["-D", str(folder / "data")]
        access = ["--username", _ADMINISTRATOR, "--auth", "scram-sha-256", "--pwfile", str(folder / "password")]
        subprocess.run(
            [initdb, *place, *access, "--no-sync", "--encoding", "UTF8", "--locale", "C"],
            cwd=folder,
            user=user,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [postgres, *place, "-p", str(port), *settings], cwd=folder, user=user, stdout=log, stderr=log
            )
        variables = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": _ADMINISTRATOR, "PGPASSWORD": password}
        server = PostgreSQL(variables)
        try:
            until(lambda: _answers(server, process, folder / "log"), "PostgreSQL's first answer")
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # ends its sessions, and then itself
            process.wait()


def _answers(server: PostgreSQL, process: subprocess.Popen[bytes], log: Path) -> bool:
    import psycopg

    assert process.poll() is None, log.read_text()
    try:
        return server.query("SELECT 1") == [(1,)]
    except psycopg.OperationalError:
        return False
